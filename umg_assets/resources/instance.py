"""Dagster's instance of a lakehouse: opened under UMG_HOME, and asked what is under way and what a check refused."""

import importlib.resources
import os
import socket
from collections.abc import Collection, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata, DagsterEventType, StepMaterializationData
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES, RunsFilter

from umg_assets.resources.event_log import BATCH_SIZE, BATCH_SIZE_VARIABLE
from umg_assets.resources.launcher import HOST_TAG, process_is_gone
from umg_assets.runs import assets_of

ASKED_BY, WHY = "umg/asked_by", "umg/why"
"""Tags of a run: who asked for it, and what for."""

QUIET = "umg/quiet_seconds"
"""Tag of a landing run: files that changed less long ago are left to the next one."""

_RANGE = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_UNDER_WAY = (BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING)


@contextmanager
def open_instance(home: Path):
    """The instance under UMG_HOME/dagster, made on one machine's terms (deployment/dagster.yaml) unless it is there."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "dagster.yaml"
    if not file.exists():
        made = importlib.resources.files("umg_assets.deployment") / "dagster.yaml"
        file.write_text(made.read_text(encoding="utf-8"), encoding="utf-8")
    os.environ.setdefault(BATCH_SIZE_VARIABLE, str(BATCH_SIZE))
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ["UMG_HOME"] = str(home)
    with dg.DagsterInstance.get() as instance:
        yield instance


def tags_of(bounds: tuple[str, str] | None, asked_by: str, why: str) -> dict[str, str]:
    """The tags of a run over a range of partitions, and of who asked for it and why."""
    return {**(dict(zip(_RANGE, bounds, strict=True)) if bounds else {}), ASKED_BY: asked_by, WHY: why}


def here() -> dict[str, str]:
    """The tag of a run that takes place in this process."""
    return {HOST_TAG: socket.gethostname()}


def busy_assets(instance: dg.DagsterInstance) -> set[str]:
    """The assets that a run, queued or under way, or a backfill is making."""
    busy: set[str] = set()
    for run in instance.get_runs(filters=RunsFilter(statuses=NOT_FINISHED_STATUSES)):
        named = [key.path[-1] for key in run.asset_selection or ()]
        busy.update(named or assets_of(run.job_name))
    for backfill in instance.get_backfills(filters=BulkActionsFilter(statuses=_UNDER_WAY)):
        busy.update(key.path[-1] for key in backfill.asset_selection or ())
    return busy


def run_under_way(instance: dg.DagsterInstance, jobs: Collection[str]) -> str | None:
    """The first of the jobs of which a run is queued or under way."""
    running = {run.job_name for run in instance.get_runs(filters=RunsFilter(statuses=NOT_FINISHED_STATUSES))}
    return next((job for job in jobs if job in running), None)


def refused_assets(instance: dg.DagsterInstance, blocking: Iterable[dg.AssetCheckKey]) -> set[str]:
    """The assets of which the last finished run of a blocking check failed."""
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(blocking))
    failed = (AssetCheckExecutionRecordStatus.FAILED,)
    return {key.asset_key.path[-1] for key, record in records.items() if record and record.status in failed}


def report_materializations(instance: dg.DagsterInstance, made: Sequence[dg.AssetMaterialization]) -> None:
    """Stores materializations of no run, many at once: as instance.report_runless_asset_event does with one."""
    for number, one in enumerate(made, 1):
        event = DagsterEvent(
            DagsterEventType.ASSET_MATERIALIZATION.value,
            RUNLESS_JOB_NAME,
            event_specific_data=StepMaterializationData(one),
        )
        together = DagsterEventBatchMetadata(f"materializations-{id(made)}", number == len(made))
        instance.report_dagster_event(event, RUNLESS_RUN_ID, batch_metadata=together)


def last_event(instance: dg.DagsterInstance) -> int:
    """The number of the last event of any run or asset: while it stays, nothing has been materialized or checked."""
    return instance.event_log_storage.get_maximum_record_id() or 0


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fails the runs of this machine whose process is gone, and frees their pools. Returns their ids."""
    ended = []
    for run in instance.get_runs(filters=RunsFilter(statuses=NOT_FINISHED_STATUSES)):
        if process_is_gone(instance, run):
            instance.report_run_failed(run, "The run's process is gone: it was killed, or its machine was switched off")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            ended.append(run.run_id)
    return ended
