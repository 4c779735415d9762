"""Work whose runs have failed: how often a sensor has asked for it in vain, and what has stayed failed."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from umg_assets.planning.runs import TRIES, Run
from umg_assets.resources.instance import RANGE

WORK = "umg/work"
"""Tag of a run: the fingerprint of the work that it was asked for; the same work has the same."""

_LOOKED_AT = 1000
"""Newest runs among which failed work is looked for."""
_ENDED = 200
"""Newest runs that have ended among which the last of each piece of work is looked for."""


@dataclass(frozen=True)
class FailedWork:
    """Runs of one job over one range of partitions that have failed since the last good one.

    assets: none for runs of the whole job. bounds: first and last partition key; None without partitions. failed: how
    often; last: when the last one ended.
    """

    job: str
    assets: tuple[str, ...]
    bounds: tuple[str, str] | None
    failed: int
    last: datetime


def failures(instance: dg.DagsterInstance, work: str) -> int:
    """How many runs of this work have failed."""
    return instance.get_runs_count(dg.RunsFilter(tags={WORK: work}, statuses=[dg.DagsterRunStatus.FAILURE]))


def failed_over(instance: dg.DagsterInstance, runs: Iterable[Run]) -> int:
    """How many runs have failed over what the given runs are to build: of each, the last run of its job that ended and
    had a partition in common with it.

    Not by the work: what a run built before it failed is work no more.
    """
    waiting = list(runs)
    if not waiting:
        return 0
    statuses = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    ended = instance.get_runs(dg.RunsFilter(statuses=statuses), limit=_ENDED)
    last = (next((run for run in ended if _overlaps(run, of)), None) for of in waiting)
    return len({run.run_id for run in last if run and run.status is dg.DagsterRunStatus.FAILURE})


def _overlaps(run: dg.DagsterRun, other: Run) -> bool:
    first, last = (run.tags.get(tag) for tag in RANGE)
    if run.job_name != other.job:
        return False
    return not (first and last and other.bounds) or (first <= other.bounds[1] and other.bounds[0] <= last)


def work_that_stays_failed(instance: dg.DagsterInstance) -> list[FailedWork]:
    """The work of which at least TRIES runs have failed in a row, none good after them; newest first."""
    rows: dict[tuple, list[dg.RunRecord]] = defaultdict(list)
    for record in instance.get_run_records(limit=_LOOKED_AT):
        run = record.dagster_run
        assets = tuple(sorted(key.path[-1] for key in run.asset_selection or ()))
        first, last = (run.tags.get(tag) for tag in RANGE)
        rows[run.job_name, assets, (first, last) if first and last else None].append(record)
    work: list[FailedWork] = []
    for (job, assets, bounds), records in rows.items():
        failed: list[dg.RunRecord] = []
        for record in records:
            if record.dagster_run.status is dg.DagsterRunStatus.SUCCESS:
                break
            if record.dagster_run.status is dg.DagsterRunStatus.FAILURE:
                failed.append(record)
        if len(failed) >= TRIES:
            ended = datetime.fromtimestamp(failed[0].end_time or failed[0].update_timestamp.timestamp(), UTC)
            work.append(FailedWork(job, assets, bounds, len(failed), ended))
    return work
