"""What somebody builds on the lakehouse: notebooks that read its tables, assets of their own over them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pandas
import pytest
from pyspark.sql import DataFrame

from umg_assets.build import build_definitions
from umg_assets.resources.instance import open_instance
from umg_assets.resources.io_manager import NoTableError
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import printed_by, run_python

pytestmark = pytest.mark.sail_enough

EXAMPLES = Path(__file__).parents[1] / "examples"
DAGSTER = "import sys; from dagster._cli import main; sys.argv[0] = 'dagster'; main()"


OWN, STREAMS = "streams_by_market", ["play_date,country,streams", "2026-02-02,AT,1", "2026-03-02,AT,1"]


def dagster(lake: Lake, *arguments: object) -> None:
    """Types `dagster ARGUMENTS` over a lake's instance; it must succeed."""
    environment = {"UMG_HOME": str(lake.home), "DAGSTER_HOME": str(lake.home / "dagster")}
    process = run_python(DAGSTER, *arguments, env=environment)
    assert process.returncode == 0, process.stderr[-3000:]


def own(lake: Lake, name: str) -> list[str]:
    """The lines of what an own asset wrote, as CSV."""
    return pandas.read_parquet(lake.home / "own" / f"{name}.parquet").to_csv(index=False).split()


@pytest.fixture(scope="module")
def built(new_lake: NewLake) -> Lake:
    """A lake of two plays, in AT in February and March, with Dagster's instance on disk."""
    lake = new_lake("own_assets")
    lake.on_disk = True
    lake.drop_tracks("2026-02-01", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    for month in ("02", "03"):
        lake.drop_plays(
            f"2026-{month}-03", [(f"p{month}", "u1", "s1", "t1", f"2026-{month}-02T10:00:00Z", 90_000, "AT")]
        )
    lake.run()
    return lake


def test_a_notebook_reads_a_table_or_a_partition_of_it_without_a_dagster_home(built: Lake):
    versions = built.versions()
    printed = printed_by(
        """
import json
from umg_assets.definitions import defs
chart = defs.load_asset_value("top_tracks_by_country", partition_key="AT|2026-03-01").toPandas()
days = [str(row[0]) for row in defs.load_asset_value("plays").select("play_date").collect()]
print(json.dumps([sorted(set(chart["month"].astype(str))), list(chart["title"].unique()), sorted(days)]))
""",
        env={"UMG_HOME": str(built.home)},
    )
    assert json.loads(printed.splitlines()[-1]) == [["2026-03-01"], ["One"], ["2026-02-02", "2026-03-02"]]
    assert built.versions() == versions


def test_a_notebook_is_told_what_to_do_where_there_is_no_table_yet_and_for_files(lake: Lake):
    definitions = build_definitions(lake.settings)
    with pytest.raises(NoTableError, match=r"tables/plays: expected a table, found none: `umg run` makes it"):
        definitions.load_asset_value("plays")
    with pytest.raises(NoTableError, match="exports: expected an asset with a table, this one is files"):
        definitions.load_asset_value("exports")
    assert not (lake.home / "tables").exists()


def test_an_instance_is_opened_by_its_folder_whatever_dagster_home_says(built: Lake, tmp_path: Path):
    code = """
import sys
import dagster as dg
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    print(len(instance.get_runs()), instance.get_latest_materialization_event(dg.AssetKey("plays")) is not None)
"""
    folder = built.home / "dagster"
    printed = printed_by(code, folder)
    assert printed_by(code, folder, env={"DAGSTER_HOME": str(tmp_path)}) == printed
    runs, known = printed.split()
    assert int(runs) > 1
    assert known == "True"
    assert list(tmp_path.iterdir()) == []


def test_the_examples_own_asset_is_built_from_plays_by_dagsters_command_line(built: Lake):
    dagster(built, "asset", "materialize", "-f", EXAMPLES / "own_asset" / "definitions.py", "--select", OWN)
    assert own(built, OWN) == STREAMS


_MATERIALIZED = """
import runpy, sys
import dagster as dg
defs = runpy.run_path(sys.argv[1])["defs"]
with dg.DagsterInstance.from_config(sys.argv[2]) as instance:
    assert defs.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance).success
print(*(key.to_user_string() for node in defs.resolve_asset_graph().asset_nodes for key in node.parent_keys))
"""


def test_assets_of_another_code_location_follow_from_the_lakehouses_by_their_keys_and_read_its_tables(built: Lake):
    versions, environment = built.versions(), {"UMG_HOME": str(built.home)}
    file = EXAMPLES / "own_location" / "definitions.py"
    parents = printed_by(_MATERIALIZED, file, built.home / "dagster", env=environment).splitlines()[-1].split()
    assert own(built, OWN) == STREAMS
    assert own(built, "plays_by_section") == ["section,count", ",2"]
    assert built.versions() == versions
    assert sorted(parents) == ["daily_track_plays", "plays"]
    known = build_definitions(built.settings).resolve_asset_graph().get_all_asset_keys()
    assert {dg.AssetKey(name) for name in parents} <= known
    with open_instance(built.home) as instance:
        assert instance.get_latest_materialization_event(dg.AssetKey(OWN)) is not None


@pytest.mark.exhaustive
@pytest.mark.parametrize("example", ["own_asset", "own_location"])
def test_dagster_loads_the_code_locations_of_each_examples_workspace(built: Lake, example: str):
    dagster(built, "definitions", "validate", "-w", EXAMPLES / example / "workspace.yaml")


@contextmanager
def causes(error: type[Exception]) -> Iterator[list[str]]:
    """The messages of an exception and of what it came from."""
    told: list[str] = []
    with pytest.raises(error) as raised:
        yield told
    seen: BaseException | None = raised.value
    while seen is not None:
        told.append(str(seen))
        seen = seen.__cause__


def test_an_own_asset_that_writes_through_the_lakehouses_io_manager_is_told_what_to_do(lake: Lake):
    @dg.asset
    def own(plays: DataFrame) -> DataFrame:
        return plays

    lake.drop_plays("2026-03-03", [("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 90_000, "AT")])
    lake.run()
    merged = dg.Definitions.merge(build_definitions(lake.settings), dg.Definitions(assets=[own]))
    with causes(Exception) as told:
        merged.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection={dg.AssetKey("own")}
        ).execute_in_process(instance=lake.instance)
    assert "own: expected an asset of umg_assets" in "\n".join(told)
    assert "docs/own_assets.md" in "\n".join(told)
