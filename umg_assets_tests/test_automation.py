"""Jobs: compacting through Dagster keeps the rows."""

import deltalake
import pytest

from umg_assets import tables
from umg_assets.build import build_definitions
from umg_assets.catalogue import LAND_FILES
from umg_assets_tests.jobs import run_job
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough

PLAY = ("u1", "s1", "t1", "2026-03-02T10:00:00Z", 190_000, "AT")


def test_the_compacting_job_joins_files_keeps_rows_and_leaves_old_versions_readable(lake: Lake):
    for letter in "ab":
        lake.drop_plays(f"2026-03-02-{letter}", [(letter, *PLAY)])
        run_job(lake, LAND_FILES, "2026-03-02")
    lake.drop_plays("2026-03-02-c", [("c", *PLAY)])
    lake.run()
    path = lake.home / "tables" / "raw_plays"
    rows, version, files = lake.rows("raw_plays"), lake.version("raw_plays"), _files(lake, "raw_plays")
    everything = {table.name: lake.rows(table.name) for table in tables.ALL}
    assert files == 3
    job = build_definitions(lake.settings).resolve_job_def("compact_tables")
    assert job.execute_in_process(instance=lake.instance).success
    assert _files(lake, "raw_plays") == 1
    assert lake.rows("raw_plays") == rows
    assert {table.name: lake.rows(table.name) for table in tables.ALL} == everything
    old = deltalake.DeltaTable(path, version=version)
    assert len(old.file_uris()) == files
    assert old.to_pyarrow_table().num_rows == 3
    assert lake.run().runs == 0, "compacting is no news"
    lake.drop_plays("2026-03-02-a", [("d", *PLAY)])
    run_job(lake, LAND_FILES, "2026-03-02")
    assert lake.values("raw_plays", "play_id") == [("b",), ("c",), ("d",)]


def _files(lake: Lake, table: str) -> int:
    return len(deltalake.DeltaTable(lake.home / "tables" / table).file_uris())
