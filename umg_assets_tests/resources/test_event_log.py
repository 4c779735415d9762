"""The event log that stores the events of a range, or of checks, in one batch returns what Dagster's own returns."""

import dagster as dg
import pytest

from umg_assets.resources.dagster_internals import DATA_VERSION_TAG
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
