"""`umg run`: brings everything up to date with landing/, through Dagster, in this process."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from umg_assets.assets.landing import landing_events
from umg_assets.experiments.days import days_asset, evidence_days, readout_asset
from umg_assets.partitions import chart_key, days_between, local_today, month_of
from umg_assets.planning import BY_MARKET, CHARTS, EXPORTS, MONTHLY, WHOLE, Plan, Scope, plan
from umg_assets.resources.instance import (
    busy_assets,
    end_dead_runs,
    here,
    open_instance,
    refused_assets,
    report_materializations,
    tags_of,
)
from umg_assets.resources.landing import Scan, scan
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.stamps import read_stamps
from umg_assets.runs import Run, landing_runs, next_runs
from umg_assets.settings import Settings


class RunFailedError(RuntimeError):
    """A run failed; the message names the run, the step and the cause."""


@dataclass
class Report:
    """What a `umg run` did: runs, partitions by asset; what waits; refused: assets that a blocking check refused."""

    scan: Scan = field(default_factory=Scan)
    runs: int = 0
    partitions: dict[str, list[str]] = field(default_factory=dict)
    waiting_days: list[date] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


class Runner:
    """Runs jobs of a lakehouse in this process, against the Dagster instance under its home unless given another."""

    def __init__(
        self,
        settings: Settings,
        say: Callable[[str], None],
        instance: dg.DagsterInstance | None = None,
        asked_by: str = "umg run",
    ) -> None:
        self._settings, self._say, self._instance, self._asked_by = settings, say, instance, asked_by
        self._ledger = Ledger(settings.home)

    def bring_up_to_date(self, rebuild: tuple[date, date] | None = None) -> Report:
        """Lands new and changed files, then runs what they touch, until nothing is stale; `rebuild`: its days anyway.

        Raises RunFailedError when a run fails, LandingError when landing/ is not there.
        """
        report = Report(scan=scan(self._settings, self._ledger.read()))
        forced = self._forced(rebuild) if rebuild else {}
        with self._opened() as instance:
            end_dead_runs(instance)
            files = report.scan.changed
            if files:
                self._say(f"landing {len(files)} files")
                report_materializations(instance, landing_events(files))
            for one in landing_runs((file.delivery_date, file.path, file.signature) for file in files):
                self._run(instance, one, report)
            self._make(instance, forced, report)
        return report

    def catch_up(self) -> Report:
        """Runs what is stale and nobody else is making, until nothing is. Raises RunFailedError when a run fails."""
        report = Report()
        with self._opened() as instance:
            self._make(instance, {}, report, lambda: busy_assets(instance))
        return report

    def _opened(self) -> AbstractContextManager[dg.DagsterInstance]:
        return nullcontext(self._instance) if self._instance else open_instance(self._settings.home)

    def _make(
        self,
        instance: dg.DagsterInstance,
        forced: dict[str, list[str]],
        report: Report,
        busy: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """Runs what is stale or forced, and not busy, until nothing is."""
        done: set[str] = set()
        while runs := [one for one in self._next(instance, forced, report, busy()) if one.fingerprint not in done]:
            for one in runs:
                done.add(one.fingerprint)
                for asset in one.assets:
                    if asset not in report.partitions or forced.get(asset):
                        self._say(f"{asset}: {_count(one.keys[asset])}")
                    report.partitions[asset] = one.keys[asset]
                    forced.pop(asset, None)
                self._run(instance, one, report)

    @cached_property
    def _definitions(self) -> dg.Definitions:
        """Loaded when the first run needs them: finding nothing new takes no engine and no assets."""
        from umg_assets.definitions import build_definitions

        return build_definitions(self._settings)

    def _next(
        self, instance: dg.DagsterInstance, forced: dict[str, list[str]], report: Report, busy: Collection[str]
    ) -> list[Run]:
        scope = Scope.of(self._settings)
        history, stamps = self._ledger.read(), read_stamps(instance, scope.planned, scope.definitions)
        todo = plan(history, stamps, scope, local_today(self._settings.time_zone))
        report.waiting_days = todo.waiting
        asked = {
            asset: sorted({*todo.partitions.get(asset, ()), *forced.get(asset, ())})
            for asset in scope.planned
            if todo.partitions.get(asset) or forced.get(asset)
        }
        if not asked:
            return []
        refused = refused_assets(instance, blocking_checks(self._definitions.resolve_asset_graph()))
        runs = next_runs(Plan(asked), history, stamps, busy, refused, scope.experiments)
        report.refused = [] if runs else sorted(refused)
        return runs

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
        scope = Scope.of(self._settings)
        for day in days:
            for reach in (scope.reach(day, today), scope.reach_of_events(day, today)):
                for asset, reached in reach.items():
                    keys.setdefault(asset, set()).update(one.isoformat() for one in reached)
        for name, experiment in scope.experiments.items():
            own = [day for day in evidence_days(experiment, today) if days and day >= days[0]]
            keys |= {days_asset(name): {day.isoformat() for day in own}, readout_asset(name): {WHOLE} if own else set()}
        return {asset: sorted(partitions) for asset, partitions in keys.items()}

    def _run(self, instance: dg.DagsterInstance, run: Run, report: Report) -> None:
        from umg_assets.automation import checks_in

        # a selection of assets alone would bring every check of them along, also those that read whole tables
        chosen = self._definitions.resolve_job_def(run.job).get_subset(
            asset_selection={dg.AssetKey(asset) for asset in run.assets}, asset_check_selection=checks_in(run)
        )
        result = chosen.execute_in_process(
            instance=instance,
            tags={**tags_of(run.bounds, self._asked_by, run.why), **here()},
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        report.runs += 1
        if not result.success:
            raise RunFailedError(_cause(run, result))


def blocking_checks(graph: BaseAssetGraph) -> list[dg.AssetCheckKey]:
    """The checks of which a failure keeps what follows from running."""
    return [key for key in graph.asset_check_keys if graph.get(key).blocking]


def _count(keys: list[str]) -> str:
    return "" if keys == [WHOLE] else f"{len(keys)} partitions, {keys[0]} to {keys[-1]}"


def _cause(run: Run, result: dg.ExecuteInProcessResult) -> str:
    step = next((event for event in result.all_events if event.is_step_failure), None)
    error = step.step_failure_data.error if step else None
    while error is not None and error.cause is not None:
        error = error.cause
    said = error.message.strip() if error else "see the run in `umg dev`"
    where = f" ({run.bounds[0]} to {run.bounds[1]})" if run.bounds else ""
    return f"{run.job}{where} failed in {step.step_key if step else 'a step'}: {said}"
