"""`umg run`: brings everything up to date with landing/, through Dagster, in this process."""

import os
from collections.abc import Callable, Iterable
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

import dagster as dg

from umg_assets.partitions import (
    chart_key,
    days_between,
    local_today,
    month_of,
    runs_of_days,
    runs_of_months,
    split_chart_keys,
)
from umg_assets.planning import (
    BY_MARKET,
    CHARTS,
    DAILY,
    EXPORTS,
    LAND,
    MONTHLY,
    PLANNED,
    STAGES,
    WHOLE,
    Plan,
    Scope,
    plan,
)
from umg_assets.resources.event_log import BATCH_SIZE, BATCH_SIZE_VARIABLE
from umg_assets.resources.landing import Scan, scan
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.stamps import read_stamps
from umg_assets.settings import Settings

_RANGE = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"

_INSTANCE = """\
# Dagster's instance of this lakehouse, read by `umg run` and `umg dev`.
telemetry:
  enabled: false
nux:
  enabled: false
# Steps say what they do in their events. Capturing stdout and stderr as well would start four processes a run.
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
# Dagster's own SQLite event log takes 15 to 20 ms for each event of each partition; this one 1 ms, in the same files.
event_log_storage:
  module: umg_assets.resources.event_log
  class: RangeEventLog
"""


class RunFailedError(RuntimeError):
    """A run failed; the message names the run, the step and the cause."""


@dataclass
class Report:
    """What a `umg run` did: runs by job, partitions by asset; what waits."""

    scan: Scan = field(default_factory=Scan)
    runs: int = 0
    partitions: dict[str, list[str]] = field(default_factory=dict)
    waiting_days: list[date] = field(default_factory=list)


class Runner:
    """Runs jobs of a lakehouse in this process, against the Dagster instance under its home unless given another."""

    def __init__(
        self, settings: Settings, say: Callable[[str], None], instance: dg.DagsterInstance | None = None
    ) -> None:
        self._settings, self._say, self._instance = settings, say, instance
        self._ledger = Ledger(settings.home)

    def bring_up_to_date(self, rebuild: tuple[date, date] | None = None) -> Report:
        """Lands new and changed files, then runs what they touch, stage by stage; with `rebuild`, its days anyway.

        Raises RunFailedError when a run fails, LandingError when landing/ is not there.
        """
        report = Report(scan=scan(self._settings, self._ledger.read()))
        landing = runs_of_days(file.delivery_date for file in report.scan.changed)
        forced = self._forced(rebuild) if rebuild else {}
        with nullcontext(self._instance) if self._instance else open_instance(self._settings.home) as instance:
            if landing:
                self._say(f"landing {len(report.scan.changed)} files")
                for first, last in landing:
                    self._run(instance, LAND, (first.isoformat(), last.isoformat()), report)
            for job, assets in STAGES.items():
                todo = self._plan(instance)
                report.waiting_days = todo.waiting
                keys = {asset: sorted({*todo.partitions.get(asset, ()), *forced.get(asset, ())}) for asset in assets}
                if not any(keys.values()):
                    continue
                for asset in assets:
                    self._say(f"{asset}: {_count(keys[asset])}")
                    report.partitions[asset] = keys[asset]
                    for bounds in _runs(asset, keys[asset]):
                        self._run(instance, job, bounds, report)
        return report

    @cached_property
    def _definitions(self) -> dg.Definitions:
        """Loaded when the first run needs them: finding nothing new takes no engine and no assets."""
        from umg_assets.definitions import build_definitions

        return build_definitions(self._settings)

    def _plan(self, instance: dg.DagsterInstance) -> Plan:
        today = local_today(self._settings.time_zone)
        return plan(self._ledger.read(), read_stamps(instance, PLANNED), Scope.of(self._settings), today)

    def _forced(self, rebuild: tuple[date, date]) -> dict[str, list[str]]:
        today = local_today(self._settings.time_zone)
        days = days_between(max(rebuild[0], self._settings.first_day), min(rebuild[1], today))
        months = sorted({month_of(day) for day in days})
        keys: dict[str, set[str]] = {
            MONTHLY[0]: {month.isoformat() for month in months},
            CHARTS[0]: {chart_key(market, month) for month in months for market in self._settings.markets},
            BY_MARKET[0]: set(self._settings.markets),
            EXPORTS: {WHOLE},
        }
        for day in days:
            for asset, reached in Scope.of(self._settings).reach(day, today).items():
                keys.setdefault(asset, set()).update(one.isoformat() for one in reached)
        return {asset: sorted(partitions) for asset, partitions in keys.items()}

    def _run(
        self,
        instance: dg.DagsterInstance,
        job: str,
        bounds: tuple[str, str] | None,
        report: Report,
    ) -> None:
        tags: dict[str, str] = dict(zip(_RANGE, bounds, strict=True)) if bounds else {}
        result = self._definitions.resolve_job_def(job).execute_in_process(
            instance=instance,
            tags=tags,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        report.runs += 1
        if not result.success:
            raise RunFailedError(_cause(job, bounds, result))


@contextmanager
def open_instance(home: Path):
    """The Dagster instance under UMG_HOME/dagster: the same that `umg dev` shows."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "dagster.yaml"
    if not file.exists():
        file.write_text(_INSTANCE)
    os.environ.setdefault(BATCH_SIZE_VARIABLE, str(BATCH_SIZE))
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ["UMG_HOME"] = str(home)
    with dg.DagsterInstance.get() as instance:
        yield instance


def _runs(asset: str, keys: Iterable[str]) -> list[tuple[str, str] | None]:
    """The partitions of an asset as unbroken ranges (first key, last key); None for an asset without partitions."""
    if asset in DAILY:
        return [(a.isoformat(), b.isoformat()) for a, b in runs_of_days(date.fromisoformat(key) for key in keys)]
    if asset in BY_MARKET:
        return [(min(keys), max(keys))] if keys else []
    if asset in MONTHLY:
        return [(a.isoformat(), b.isoformat()) for a, b in runs_of_months(date.fromisoformat(key) for key in keys)]
    if asset in CHARTS:
        markets, months = split_chart_keys(keys)
        return [(chart_key(markets[0], first), chart_key(markets[-1], last)) for first, last in runs_of_months(months)]
    return [None]


def _count(keys: list[str]) -> str:
    return "" if keys == [WHOLE] else f"{len(keys)} partitions, {keys[0]} to {keys[-1]}"


def _cause(job: str, bounds: tuple[str, str] | None, result: dg.ExecuteInProcessResult) -> str:
    step = next((event for event in result.all_events if event.is_step_failure), None)
    error = step.step_failure_data.error if step else None
    while error is not None and error.cause is not None:
        error = error.cause
    said = error.message.strip() if error else "see the run in `umg dev`"
    where = f" ({bounds[0]} to {bounds[1]})" if bounds else ""
    return f"{job}{where} failed in {step.step_key if step else 'a step'}: {said}"
