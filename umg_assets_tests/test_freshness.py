"""Freshness policies, evaluated as Dagster's daemon does, against a real instance."""

import asyncio
from datetime import datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, TimeWindowFreshnessPolicy
from dagster._core.definitions.freshness_evaluator import TimeWindowFreshnessPolicyEvaluator
from dagster._core.loader import LoadingContext
from dagster._time import get_current_datetime

from umg_assets.definitions import build_definitions
from umg_assets.runs import RAW
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough


class Loading(LoadingContext):
    """What the daemon's evaluator loads its records through."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance, self._loaders = instance, {}

    @property
    def instance(self) -> dg.DagsterInstance:
        """The instance asked."""
        return self._instance

    @property
    def loaders(self) -> dict:
        """What has been loaded."""
        return self._loaders


def state(lake: Lake, asset: str, now: datetime, monkeypatch: pytest.MonkeyPatch) -> FreshnessState:
    """How fresh an asset is at a time."""
    evaluator = "dagster._core.definitions.freshness_evaluator.get_current_timestamp"
    node = build_definitions(lake.settings).resolve_asset_graph().get(dg.AssetKey(asset))
    with monkeypatch.context() as patched:
        patched.setattr(evaluator, now.timestamp)
        return asyncio.run(TimeWindowFreshnessPolicyEvaluator().evaluate_freshness(Loading(lake.instance), node))


def test_raw_tables_plays_charts_and_exports_have_a_policy_of_the_hours_in_umg_toml(sail_lake: Lake):
    sail_lake.configure("[freshness]\nraw_hours = 5\nplays_hours = 6\ncharts_hours = 7\n")
    graph = build_definitions(sail_lake.settings).resolve_asset_graph()
    hours = {
        node.key.path[-1]: node.freshness_policy.fail_window.to_timedelta() / timedelta(hours=1)
        for node in graph.asset_nodes
        if isinstance(node.freshness_policy, TimeWindowFreshnessPolicy)
    }
    assert hours == {
        **dict.fromkeys(RAW, 5),
        **dict.fromkeys(("plays", "sessions", "daily_track_plays", "monthly_track_plays"), 6),
        **dict.fromkeys(
            ("top_tracks_by_country", "chart_movements", "top_artists_by_genre", "age_group_favourites", "exports"), 7
        ),
    }


def test_a_table_is_stale_when_it_has_not_been_written_for_so_many_hours(
    sail_lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    now = get_current_datetime()
    assert state(sail_lake, "plays", now, monkeypatch) == FreshnessState.UNKNOWN
    sail_lake.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 90_000, "AT")])
    sail_lake.run()
    for asset in ("raw_plays", "plays", "top_tracks_by_country", "exports"):
        later = get_current_datetime() + timedelta(hours=35)
        assert state(sail_lake, asset, later, monkeypatch) == FreshnessState.PASS
        assert state(sail_lake, asset, later + timedelta(hours=2), monkeypatch) == FreshnessState.FAIL
