"""The graph is said once: what Dagster shows of it and what the planner makes of it are held to each other."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from umg_assets import clock, tables
from umg_assets.build import asset_functions, build_definitions
from umg_assets.catalogue import LAND_FILES, Catalogue
from umg_assets.graph import Asset, Input, Partitioning
from umg_assets.planning.entry import Entry
from umg_assets.planning.history import History
from umg_assets.planning.required import keys_read, required_watermarks
from umg_assets.resources.partition_keys import partition_keys
from umg_assets.resources.slices import Slice
from umg_assets.runner import Runner
from umg_assets.settings.model import Settings
from umg_assets_tests.lake import EVENT_SOURCE, SOURCES, Lake

TODAY = clock.now().date() - timedelta(days=1)
FIRST = TODAY - timedelta(days=100)
EXPERIMENT = f"""
[experiments.x]
hypothesis = "B listens longer than control"
owner = "ann"
salt = "salt-1"
variants = {{ control = 1, b = 1 }}
first_day = {TODAY - timedelta(days=20)}
weeks = 1
pre_period_days = 5
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Windows of 30 and 14 days, plays of events too, an experiment: every row that a catalogue can have."""
    lake = Lake(tmp_path_factory.mktemp("catalogue") / "home")
    text = "plays_from_events = true\n[charts]\ntop_artists_days = 30\nfavourites_days = 14\n"
    lake.configure(text, sources=SOURCES + EVENT_SOURCE + EXPERIMENT, first_day=FIRST.isoformat())
    return lake.settings


@pytest.fixture(scope="module")
def catalogue(settings: Settings) -> Catalogue:
    """The catalogue of these settings."""
    return Catalogue.of(settings)


@pytest.fixture(scope="module")
def graph(settings: Settings, catalogue: Catalogue):
    """Dagster's asset graph of the same catalogue."""
    return build_definitions(settings, catalogue).resolve_asset_graph()


def edges(catalogue: Catalogue) -> list[tuple[Asset, Asset]]:
    """(upstream, asset) of each edge between planned assets that both have partitions."""
    planned = {asset.name for asset in catalogue.planned}
    pairs = [(catalogue[name], asset) for asset in catalogue.planned for name in asset.upstream if name in planned]
    return [pair for pair in pairs if Partitioning.NONE not in (pair[0].partitioning, pair[1].partitioning)]


def mapped_by_dagster(graph, upstream: Asset, asset: Asset, key: str) -> set[str]:
    """The upstream partitions that Dagster's mapping gives for one partition of an asset."""
    child, parent = graph.get(dg.AssetKey(asset.name)), graph.get(dg.AssetKey(upstream.name))
    result = graph.get_partition_mapping(child.key, parent.key).get_upstream_mapped_partitions_result_for_partitions(
        child.partitions_def.subset_with_partition_keys([key]), child.partitions_def, parent.partitions_def
    )
    return set(result.partitions_subset.get_partition_keys())


def test_dagsters_graph_has_the_edges_and_partitions_of_the_catalogue(graph, catalogue: Catalogue):
    nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
    shown = {node.key.path[-1]: {parent.path[-1] for parent in node.parent_keys} for node in nodes}
    assert shown == {asset.name: set(asset.upstream) for asset in catalogue}
    partitioned = {node.key.path[-1] for node in nodes if node.is_partitioned}
    assert partitioned == {asset.name for asset in catalogue if asset.partitioning is not Partitioning.NONE}


def test_dagster_reads_of_each_input_the_partitions_that_the_planner_says_were_read(graph, catalogue: Catalogue):
    history = History(tuple(_delivery(number, day) for number, day in enumerate(_days(), 1)))
    required = required_watermarks(history, catalogue, TODAY)
    checked = set()
    for upstream, asset in edges(catalogue):
        known = set(graph.get(dg.AssetKey(upstream.name)).partitions_def.get_partition_keys())
        keys = sorted(required[asset.name])
        for key in {keys[0], keys[len(keys) // 2], keys[-1]}:
            by_dagster = mapped_by_dagster(graph, upstream, asset, key)
            by_planner = known.intersection(keys_read(asset, [key], catalogue, required)[upstream.name])
            if asset.partitioning is Partitioning.EXPERIMENT_DAY:  # evidence reads its days out of all of them
                assert by_planner < by_dagster == known, (upstream.name, asset.name, key)
            elif asset.partitioning is Partitioning.MARKET:  # Dagster counts months to come and without plays, too
                assert by_planner <= by_dagster, (upstream.name, asset.name, key)
                assert by_planner == {
                    known_key for known_key in required[upstream.name] if known_key.startswith(f"{key}|")
                }
            else:
                assert by_planner == by_dagster, (upstream.name, asset.name, key)
            checked.add((upstream.name, asset.name))
    assert len(checked) == 11, sorted(checked)


def test_what_one_late_play_makes_stale_is_what_follows_from_its_day_in_dagsters_graph(graph, catalogue: Catalogue):
    full = tuple(_delivery(number, day) for number, day in enumerate(_days(), 1))
    late = TODAY - timedelta(days=16)
    sequence = len(full) + 1
    required = required_watermarks(History((*full, _delivery(sequence, late))), catalogue, TODAY)
    affected = {
        name: {key for key, watermark in keys.items() if watermark.sequence == sequence}
        for name, keys in required.items()
    }
    assert affected["plays"] == {late.isoformat()}
    for upstream, asset in edges(catalogue):
        if asset.partitioning is Partitioning.EXPERIMENT_DAY:
            continue  # Dagster's mapping is all days; planning/test_experiments.py holds them to their dates
        changed = affected[upstream.name]
        follows = {key for key in required[asset.name] if mapped_by_dagster(graph, upstream, asset, key) & changed}
        assert follows <= affected[asset.name], (upstream.name, asset.name)
        others = [name for name in asset.upstream if name in affected and name != upstream.name]
        if not any(affected[name] for name in others):
            assert follows == affected[asset.name], (upstream.name, asset.name)


def test_each_planned_asset_is_in_one_job_after_what_it_is_made_of(catalogue: Catalogue):
    order = [name for names in catalogue.jobs.values() for name in names]
    assert sorted(order) == sorted({asset.name for asset in catalogue if asset.job})
    assert next(iter(catalogue.jobs)) == LAND_FILES
    position = {asset.name: at for at, asset in enumerate(catalogue)}
    assert all(position[name] < position[asset.name] for asset in catalogue for name in asset.upstream)


def test_a_row_that_no_function_builds_is_refused_by_name(settings: Settings, catalogue: Catalogue):
    row = Asset("daily_skips", tables.DAILY_TRACK_PLAYS, Partitioning.DAY, (Input("plays"),), "build_days", "plays")
    with pytest.raises(KeyError, match="daily_skips"):
        build_definitions(settings, catalogue.with_asset(row))


# The worked example of docs/design.md: a contract, a row and a function.
DAILY_SKIPS = tables.Table(
    "daily_skips",
    "Skips by day.",
    (
        tables.Column("play_date", "date", "local date"),
        tables.Column("skips", "bigint", "plays under the stream threshold"),
    ),
    partitioned_by=("play_date",),
    key=("play_date",),
)
ROW = Asset("daily_skips", DAILY_SKIPS, Partitioning.DAY, (Input("plays"),), "build_days", "plays")


def daily_skips(context: dg.AssetExecutionContext, plays: DataFrame) -> DataFrame:
    """Reads the plays of the day."""
    days = [date.fromisoformat(key) for key in partition_keys(context)]
    of_days = plays.where(Slice.days("play_date", days).predicate)
    return of_days.groupBy("play_date").agg(F.count_if("is_skip").alias("skips"))


@pytest.mark.sail_enough
def test_a_new_daily_asset_is_a_row_and_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str):
    monkeypatch.setenv("UMG_ENGINE", engine)
    monkeypatch.setattr(tables, "ALL", (*tables.ALL, DAILY_SKIPS))
    lake = Lake(tmp_path / "home")
    catalogue = Catalogue.of(lake.settings).with_asset(ROW)

    def run() -> dict[str, list[str]]:
        def definitions() -> dg.Definitions:
            functions = {**asset_functions(catalogue), "daily_skips": daily_skips}
            return build_definitions(lake.settings, catalogue, functions)

        return Runner(lake.settings, catalogue, definitions, instance=lake.instance).bring_up_to_date().partitions

    lake.drop_plays("2026-03-02", [_play("a", "2026-03-02", 10_000), _play("b", "2026-03-02", 90_000)])
    assert run()["daily_skips"] == ["2026-03-02"]
    lake.drop_plays("2026-03-09", [_play("late", "2026-03-02", 10_000), _play("c", "2026-03-09", 10_000)])
    assert run()["daily_skips"] == ["2026-03-02", "2026-03-09"]
    assert lake.values("daily_skips", "play_date", "skips") == [(date(2026, 3, 2), 2), (date(2026, 3, 9), 1)]
    assert run() == {}, "nothing is stale"


def _days() -> list[date]:
    return [FIRST + timedelta(days=number) for number in range((TODAY - FIRST).days + 1)]


def _delivery(sequence: int, day: date) -> Entry:
    """A landed delivery of one play on a day."""
    rows = {day.isoformat(): 1}
    return Entry("plays", f"{sequence}.csv", day, sequence, "landed", rows_by_play_date=rows, play_dates=[day])


def _play(play_id: str, day: str, played_ms: int) -> tuple:
    return (play_id, "u1", "s1", "t1", f"{day}T12:00:00Z", played_ms, "AT")
