"""The event log that stores the events of a range, or of checks, in one batch returns what Dagster's own returns."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from umg_assets.resources.dagster_internals import DATA_VERSION_TAG, DagsterEvent, EngineEventData
from umg_assets.resources.event_log import BATCH_SIZE_VARIABLE, RangeEventLog
from umg_assets.resources.instance import report_materializations

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-11")
RANGE = {"dagster/asset_partition_range_start": "2026-01-02", "dagster/asset_partition_range_end": "2026-01-06"}
RANGE_EVENT_LOG = """
event_log_storage:
  module: umg_assets.resources.event_log
  class: RangeEventLog
"""


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def numbers(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    for key in context.partition_keys:
        context.add_asset_metadata({"rows": int(key[-2:])}, "numbers", key)
    return dg.MaterializeResult(data_version=dg.DataVersion("ledger:7"))


@dg.asset
def total() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": 20})


@dg.multi_asset_check(specs=[dg.AssetCheckSpec(name, asset="total") for name in ("high", "low")])
def checks():
    yield dg.AssetCheckResult(check_name="high", passed=True)
    yield dg.AssetCheckResult(check_name="low", passed=True)


def read_back(home, batch: str, dagster_yaml: str = "") -> tuple[object, ...]:
    """What an instance returns about three runs and some materializations without a run."""
    home.mkdir()
    (home / "dagster.yaml").write_text(f"telemetry:\n  enabled: false\n{dagster_yaml}")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DAGSTER_HOME", str(home))
        patched.setenv(BATCH_SIZE_VARIABLE, batch)
        with dg.DagsterInstance.get() as instance:
            assert isinstance(instance.event_log_storage, RangeEventLog) is bool(dagster_yaml)
            assert dg.materialize([numbers], instance=instance, tags=RANGE).success
            assert dg.materialize([total], instance=instance).success
            definitions = dg.Definitions(
                [total], asset_checks=[checks], jobs=[dg.define_asset_job("check", dg.AssetSelection.checks(checks))]
            )
            check = definitions.resolve_job_def("check").execute_in_process(instance=instance)
            logged = [event.dagster_event_type for event in instance.all_logs(check.run_id)]
            files = [
                dg.AssetMaterialization("files", partition=day, metadata={"files": 2})
                for day in DAYS.get_partition_keys()
            ]
            report_materializations(instance, files)
            return (*answers(instance), logged)


def answers(instance: dg.DagsterInstance) -> tuple[object, ...]:
    """What an instance returns about `numbers`, `total` and `files`."""
    key, kind = dg.AssetKey("numbers"), dg.DagsterEventType.ASSET_MATERIALIZATION
    tags = instance.event_log_storage.get_latest_tags_by_partition(key, kind, [DATA_VERSION_TAG])
    events = instance.fetch_materializations(key, limit=100, ascending=True).records
    planned = instance.event_log_storage.get_latest_planned_materialization_info(key, partition="2026-01-03")
    latest = instance.get_latest_materialization_event(dg.AssetKey("total"))
    assert latest
    assert latest.asset_materialization
    assert planned
    rows = [event.asset_materialization.metadata["rows"].value for event in events if event.asset_materialization]
    return (
        sorted(tags.items()),
        [event.partition_key for event in events],
        rows,
        latest.asset_materialization.metadata["rows"].value,
        sorted(instance.get_materialized_partitions(key)),
        sorted(instance.get_materialized_partitions(dg.AssetKey("files"))),
        [run.status for run in instance.get_runs()],
    )


@pytest.fixture(scope="module")
def logged_by_dagster(tmp_path_factory) -> tuple[object, ...]:
    """What Dagster's own event log returns, event by event."""
    return read_back(tmp_path_factory.mktemp("event_log") / "dagster", batch="0")


@pytest.mark.parametrize("batch", ["0", "3", "1000"])
def test_a_range_and_checks_are_logged_as_dagster_logs_them(tmp_path, logged_by_dagster, batch):
    assert read_back(tmp_path / "ours", batch, RANGE_EVENT_LOG) == logged_by_dagster


def report(instance: dg.DagsterInstance, run_id: str) -> None:
    """Logs an event of a run, of which nothing else is known."""
    kind = dg.DagsterEventType.ENGINE_EVENT.value
    event = DagsterEvent(kind, "build_days", event_specific_data=EngineEventData(), message=f"of {run_id}")
    instance.report_dagster_event(event, run_id)


HALF_MADE = {
    "a full disk left no byte of it": "",
    "a kill left tables without their version": "delete from alembic_version",
    "a kill left no table of versions": "drop table alembic_version",
}


@pytest.mark.parametrize("left", HALF_MADE)
def test_the_file_of_a_run_that_was_left_half_made_takes_the_events_of_the_run(tmp_path: Path, monkeypatch, left: str):
    (tmp_path / "dagster.yaml").write_text(f"telemetry:\n  enabled: false\n{RANGE_EVENT_LOG}")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as instance:
        report(instance, "whole")
        (empty,) = (tmp_path / "history" / "runs").glob("empty-*")
        file = empty.with_name("half.db")
        if HALF_MADE[left]:
            shutil.copy(empty, file)
            with closing(sqlite3.connect(file)) as connection:
                connection.executescript(HALF_MADE[left])
        else:
            file.touch()
        report(instance, "half")
        assert [event.message for event in instance.all_logs("half")] == ["of half"]
        assert [event.message for event in instance.all_logs("whole")] == ["of whole"]
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("select count(*) from alembic_version").fetchone() == (1,)
