"""Jobs, sensors and schedules: compacting keeps the rows; nothing is asked for on another instance than the lake's."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import deltalake
import pytest

from umg_assets import tables
from umg_assets.build import build_definitions
from umg_assets.catalogue import LAND_FILES
from umg_assets.resources.instance import open_instance
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


def asked(lake: Lake, instance: dg.DagsterInstance) -> Iterator[tuple[str, bool, str]]:
    """What each sensor and schedule answers on an instance: its name, whether it asks for runs, and why not."""
    definitions = build_definitions(lake.settings)
    repository, resources = definitions.get_repository_def(), definitions.resources or {}
    for sensor in repository.sensor_defs:
        with dg.build_sensor_context(instance, definitions=definitions, resources=dict(resources)) as context:
            answer = sensor.evaluate_tick(context)
        yield sensor.name, bool(answer.run_requests), answer.skip_message or ""
    for schedule in repository.schedule_defs:
        with dg.build_schedule_context(instance) as context:
            answer = schedule.evaluate_tick(context)
        yield schedule.name, bool(answer.run_requests), answer.skip_message or ""


def test_on_an_instance_that_is_not_the_lakes_own_nothing_is_asked_for_and_the_reason_names_both(
    lake: Lake, tmp_path: Path
):
    lake.drop_plays("2026-03-02", [("a", *PLAY)])
    (other := tmp_path / "other").mkdir()
    with dg.DagsterInstance.local_temp(str(other)) as temporary:
        for name, asks, reason in asked(lake, temporary):
            assert not asks, name
            assert f"this Dagster instance lies in {other}" in reason, name
            assert f"DAGSTER_HOME={lake.home / 'dagster'}" in reason, name
    with open_instance(lake.home) as own:
        answers = {name: (asks, reason) for name, asks, reason in asked(lake, own)}
    assert answers.pop("ledger_sensor") == (False, "every table is up to date with the ledger")
    waits = answers.pop("landing_sensor")
    assert waits[0] or "still be being written" in waits[1]
    assert answers == dict.fromkeys(("daily", "daily_checks", "weekly"), (True, ""))
