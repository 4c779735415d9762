"""Dagster's instance of a lakehouse: opens it under UMG_HOME, and reads what is running and what a check refused."""

import importlib.resources
import os
import socket
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from sqlalchemy import func, select

from umg_assets import clock, tables
from umg_assets.planning.partition_spans import to_text
from umg_assets.resources.dagster_internals import (
    NOT_FINISHED_STATUSES,
    RUNLESS_JOB_NAME,
    RUNLESS_RUN_ID,
    AssetCheckExecutionRecordStatus,
    AssetCheckExecutionsTable,
    BulkActionsFilter,
    BulkActionStatus,
    DagsterEvent,
    DagsterEventBatchMetadata,
    DagsterEventType,
    SqlEventLogStorage,
    StepMaterializationData,
    deserialize_value,
)
from umg_assets.resources.dagster_storage import one_opens
from umg_assets.resources.event_log import BATCH_SIZE, BATCH_SIZE_VARIABLE
from umg_assets.resources.launcher import HOST_TAG, process_is_gone
from umg_assets.resources.partition_keys import PARTITIONS
from umg_assets.resources.postgres import is_in_postgres, reaching_postgres
from umg_assets.resources.status import FailedCheck

ASKED_BY, WHY = "umg/asked_by", "umg/why"
"""Tags of a run: who requested it, and why."""

QUIET = "umg/quiet_seconds"
"""Tag of a landing run: files that changed within so many seconds are left to the next run."""

RANGE = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
"""Tags of a run: its first and its last partition."""
RAW_POOL = "raw"
"""The pool of what lands files: one run at a time."""
POOLS = {RAW_POOL, "exports", *(table.name for table in tables.ALL)}
"""All pools: else each asset's is its table's, or its own where it has none."""
_FOLDER = "dagster"
_TO_FREE = 60
"""Seconds that a run that has ended may take to free its pools: two that free one at once are in each other's way."""
_MAX_RETRIES = "dagster/max_retries"
_ENDED_CHECKS = (AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED)
_ACTIVE_BACKFILLS = (BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING)


@contextmanager
def open_instance(home: Path):
    """The instance under UMG_HOME/dagster; without a dagster.yaml there, deployment/dagster.yaml is copied first.

    One process of this machine at a time opens it: two that make a new one at once would ruin it. Raises PostgresError
    where it lies in PostgreSQL, and that cannot be reached.
    """
    folder = home / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault(BATCH_SIZE_VARIABLE, str(BATCH_SIZE))
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ["UMG_HOME"] = str(home)
    with ExitStack() as opened:
        with one_opens(folder), reaching_postgres(home):
            _write_configuration(folder / "dagster.yaml")
            instance = opened.enter_context(dg.DagsterInstance.get())
            if is_in_postgres(home):
                _make_pools(instance)
        yield instance


def _make_pools(instance: dg.DagsterInstance) -> None:
    """Gives each pool its limit while nobody else does: two runs that are the first to need one would do so at once,
    and in PostgreSQL one of them fails for it (https://github.com/dagster-io/dagster/issues/33552)."""
    for pool in sorted(POOLS - instance.event_log_storage.get_concurrency_keys()):
        instance.event_log_storage.initialize_concurrency_limit_to_default(pool)


def _write_configuration(file: Path) -> None:
    if not file.exists():
        template = importlib.resources.files("umg_assets.deployment") / "dagster.yaml"
        draft = file.with_name(f".{file.name}")
        draft.write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
        draft.replace(file)


def not_of(home: Path, instance: dg.DagsterInstance) -> str | None:
    """That the instance is not the one under UMG_HOME, which knows what has been built, and what to do.

    Sensors and schedules ask for nothing there, and a run that somebody starts warns. None where it is, and for an
    instance in memory, which ends with its process.
    """
    if not instance.is_persistent or Path(instance.root_directory).resolve() == (home / _FOLDER).resolve():
        return None
    return (
        f"this Dagster instance lies in {instance.root_directory}, and what is built is noted in {home / _FOLDER}: "
        f"start `umg dev`, or set DAGSTER_HOME={home / _FOLDER} for `dagster`"
    )


def tags_of(
    bounds: tuple[str, str] | None, asked_by: str, why: str, keys: Mapping[str, list[str]] | None = None
) -> dict[str, str]:
    """The tags of a run over a range of partitions (first key, last key), and of who requested it and why.

    keys: by asset, the partitions of the range to build; None: all of them.
    """
    tags = {**(dict(zip(RANGE, bounds, strict=True)) if bounds else {}), ASKED_BY: asked_by, WHY: why}
    return {**tags, PARTITIONS: to_text(keys)} if bounds and keys else tags


def here() -> dict[str, str]:
    """The tags of a run that executes in this process: where; and that nobody else starts it again."""
    return {HOST_TAG: socket.gethostname(), _MAX_RETRIES: "0"}


def busy_assets(instance: dg.DagsterInstance, assets_of_job: Callable[[str], Collection[str]]) -> set[str]:
    """The assets that a queued or running run, or a backfill, is materializing.

    assets_of_job: the assets of a job by its name; asked about runs that name no assets themselves.
    """
    busy: set[str] = set()
    for run in _unfinished_runs(instance):
        selected = [key.path[-1] for key in run.asset_selection or ()]
        busy.update(selected or assets_of_job(run.job_name))
    for backfill in instance.get_backfills(filters=BulkActionsFilter(statuses=_ACTIVE_BACKFILLS)):
        busy.update(key.path[-1] for key in backfill.asset_selection or ())
    return busy


def run_under_way(instance: dg.DagsterInstance, jobs: Collection[str]) -> str | None:
    """The first of the jobs that has a queued or running run."""
    running = {run.job_name for run in _unfinished_runs(instance)}
    return next((job for job in jobs if job in running), None)


def under_way(instance: dg.DagsterInstance, but: str = "") -> list[str]:
    """The queued and running runs (by job) and backfills (by id), without the run `but`; dead runs are ended first."""
    end_dead_runs(instance)
    runs = [f"a run of {run.job_name}" for run in _unfinished_runs(instance) if run.run_id != but]
    backfills = instance.get_backfills(filters=BulkActionsFilter(statuses=_ACTIVE_BACKFILLS))
    return [*runs, *(f"backfill {backfill.backfill_id}" for backfill in backfills)]


def started(instance: dg.DagsterInstance) -> list[tuple[str, datetime]]:
    """The queued and running runs (by job) and backfills (by id), with when they were asked for (UTC)."""
    records = instance.get_run_records(filters=dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))
    runs = [(record.dagster_run.job_name, record.create_timestamp) for record in reversed(records)]
    backfills = instance.get_backfills(filters=BulkActionsFilter(statuses=_ACTIVE_BACKFILLS))
    return [
        *runs,
        *((f"backfill {of.backfill_id}", datetime.fromtimestamp(of.backfill_timestamp, UTC)) for of in backfills),
    ]


def refused_assets(instance: dg.DagsterInstance, blocking: Iterable[dg.AssetCheckKey]) -> set[str]:
    """The assets with a blocking check that failed when it was last executed."""
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(blocking))
    failed = (AssetCheckExecutionRecordStatus.FAILED,)
    return {key.asset_key.path[-1] for key, record in records.items() if record and record.status in failed}


def failed_checks(instance: dg.DagsterInstance) -> list[FailedCheck]:
    """The checks that failed when they were last executed, by asset and name.

    One query: Dagster's own reads the results run by run, from the file of every run there ever was.
    """
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage), f"expected an event log in SQL, this one is a {type(storage)}"
    checks, ended = AssetCheckExecutionsTable.c, [status.value for status in _ENDED_CHECKS]
    latest = select(func.max(checks.id)).where(checks.execution_status.in_(ended))
    failed = select(checks.evaluation_event).where(
        checks.id.in_(latest.group_by(checks.asset_key, checks.check_name)),
        checks.execution_status == AssetCheckExecutionRecordStatus.FAILED.value,
    )
    with storage.index_connection() as connection:
        events = [deserialize_value(row[0], dg.EventLogEntry).get_dagster_event() for row in connection.execute(failed)]
    results = [event.asset_check_evaluation_data for event in events]
    found = [
        FailedCheck(
            result.asset_key.path[-1],
            result.check_name,
            result.severity is dg.AssetCheckSeverity.ERROR,
            result.description or "",
        )
        for result in results
    ]
    return sorted(found, key=lambda check: (check.asset, check.name))


def report_materializations(instance: dg.DagsterInstance, materializations: Sequence[dg.AssetMaterialization]) -> None:
    """Stores materializations that belong to no run, as report_runless_asset_event does, but in one batch."""
    for number, materialization in enumerate(materializations, 1):
        event = DagsterEvent(
            DagsterEventType.ASSET_MATERIALIZATION.value,
            RUNLESS_JOB_NAME,
            event_specific_data=StepMaterializationData(materialization),
        )
        batch = DagsterEventBatchMetadata(f"materializations-{id(materializations)}", number == len(materializations))
        instance.report_dagster_event(event, RUNLESS_RUN_ID, batch_metadata=batch)


def last_event(instance: dg.DagsterInstance) -> int:
    """The number of the newest event in the log: while it is the same, nothing was materialized or checked."""
    return instance.event_log_storage.get_maximum_record_id() or 0


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fails the crashed runs of this machine, whose process is gone, and frees their pools. Returns their ids.

    Pools of runs that finished a while ago are freed, too: one that ended on a full disk may have been unable to.
    """
    ended = []
    for run in _unfinished_runs(instance):
        if process_is_gone(instance, run):
            instance.report_run_failed(run, "The run's process is gone: it was killed, or its machine was switched off")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            ended.append(run.run_id)
    for run_id in instance.event_log_storage.get_concurrency_run_ids():
        record = instance.get_run_record_by_id(run_id)
        if record is None or (record.end_time and clock.seconds_since(record.end_time) > _TO_FREE):
            instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return ended


def end_all_runs(instance: dg.DagsterInstance, why: str) -> list[str]:
    """Fails every run that is queued or running, and frees every pool: none of their processes is here. Their ids."""
    ended = [run.run_id for run in _unfinished_runs(instance)]
    for run in _unfinished_runs(instance):
        instance.report_run_failed(run, why)
    for run_id in {*ended, *instance.event_log_storage.get_concurrency_run_ids()}:
        instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return ended


def _unfinished_runs(instance: dg.DagsterInstance) -> Sequence[dg.DagsterRun]:
    return instance.get_runs(filters=dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))
