"""Freshness policies, evaluated as Dagster's daemon evaluates them, against a real instance."""

import asyncio
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions import freshness_evaluator
from dagster._core.definitions.freshness import FreshnessState, TimeWindowFreshnessPolicy
from dagster._core.loader import LoadingContext

from umg_assets.build import build_definitions
from umg_assets.catalogue import LAND_FILES, Catalogue
from umg_assets.resources.instance import report_materializations
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough


class Loading(LoadingContext):
    """The context through which the daemon's evaluator loads its records."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance, self._loaders = instance, {}

    @property
    def instance(self) -> dg.DagsterInstance:
        """The instance that holds the records."""
        return self._instance

    @property
    def loaders(self) -> dict:
        """The records loaded so far."""
        return self._loaders


def state(lake: Lake, asset: str, now: datetime, monkeypatch: pytest.MonkeyPatch) -> FreshnessState:
    """An asset's freshness at a time."""
    node = build_definitions(lake.settings).resolve_asset_graph().get(dg.AssetKey(asset))
    evaluator = freshness_evaluator.TimeWindowFreshnessPolicyEvaluator()
    with monkeypatch.context() as patched:
        patched.setattr(freshness_evaluator, "get_current_timestamp", now.timestamp)
        return asyncio.run(evaluator.evaluate_freshness(Loading(lake.instance), node))


def test_raw_tables_plays_charts_and_exports_have_a_policy_of_the_hours_in_umg_toml(sail_lake: Lake):
    sail_lake.configure("[freshness]\nraw_hours = 5\nplays_hours = 6\ncharts_hours = 7\n")
    graph = build_definitions(sail_lake.settings).resolve_asset_graph()
    hours = {
        node.key.path[-1]: node.freshness_policy.fail_window.to_timedelta() / timedelta(hours=1)
        for node in graph.asset_nodes
        if isinstance(node.freshness_policy, TimeWindowFreshnessPolicy)
    }
    assert hours == {
        **dict.fromkeys(Catalogue.of(sail_lake.settings).assets_of(LAND_FILES), 5),
        **dict.fromkeys(("plays", "sessions", "daily_track_plays", "monthly_track_plays"), 6),
        **dict.fromkeys(
            ("top_tracks_by_country", "chart_movements", "top_artists_by_genre", "age_group_favourites", "exports"), 7
        ),
    }


def test_a_table_is_stale_when_it_was_not_written_for_the_hours_of_its_policy(
    sail_lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    assert state(sail_lake, "plays", datetime.now(UTC), monkeypatch) == FreshnessState.UNKNOWN
    written = {
        "raw_plays": "2026-03-02",
        "plays": "2026-03-02",
        "top_tracks_by_country": "AT|2026-03-01",
        "exports": None,
    }
    report_materializations(
        sail_lake.instance, [dg.AssetMaterialization(asset, partition=key) for asset, key in written.items()]
    )
    for asset in written:
        later = datetime.now(UTC) + timedelta(hours=35)
        assert state(sail_lake, asset, later, monkeypatch) == FreshnessState.PASS
        assert state(sail_lake, asset, later + timedelta(hours=2), monkeypatch) == FreshnessState.FAIL
