"""Builds what is stale, run after run, in this process: what `umg run`, the daily schedule and catch_up do."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import dagster as dg

from umg_assets.assets.landing import landing_events
from umg_assets.calendar import days_between, local_today
from umg_assets.catalogue import LAND_FILES, Catalogue
from umg_assets.landing.bucket import fetch
from umg_assets.landing.scan import Scan, scan
from umg_assets.planning.frozen import refuse_frozen, untouched_days
from umg_assets.planning.required import Plan, keys_of_days, plan
from umg_assets.planning.runs import Run, landing_runs, next_runs, rounds
from umg_assets.report import Events, Keys, Report, nothing_is_stale
from umg_assets.resources.alerts import tell
from umg_assets.resources.dagster_internals import BaseAssetGraph, named_runs
from umg_assets.resources.event_log import RangeEventLog
from umg_assets.resources.failed_work import WORK
from umg_assets.resources.faults import explained, without_class
from umg_assets.resources.instance import (
    busy_assets,
    end_dead_runs,
    failed_checks,
    here,
    open_instance,
    refused_assets,
    report_materializations,
    tags_of,
)
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.staging import clear_abandoned
from umg_assets.resources.status import FailedCheck, note, note_sums
from umg_assets.resources.watermarks import read_watermarks
from umg_assets.settings.model import Settings
from umg_assets.text import counted

CHECK = "check_tables"
"""The job of the checks that read whole tables."""


class RunFailedError(RuntimeError):
    """A run failed; the message names the run, the step and the cause."""


@dataclass(frozen=True)
class Explanation:
    """What a run would do now. landing: runs that land files; what these affect shows when they have landed.

    rounds: the runs after them, each round after the one before, if all succeed. waiting_days: play dates to come.
    """

    scan: Scan
    landing: list[Run]
    rounds: list[list[Run]]
    waiting_days: list[date]


class Runner:
    """Runs jobs of a lakehouse in this process, against the Dagster instance under its home unless given another.

    definitions: builds the lakehouse's Dagster definitions, when the first run needs them: finding nothing new takes no
    engine and no assets.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        definitions: Callable[[], dg.Definitions],
        say: Callable[[str], None] = lambda _: None,
        instance: dg.DagsterInstance | None = None,
        asked_by: str = "umg run",
    ) -> None:
        self._settings, self._catalogue, self._build = settings, catalogue, definitions
        self._say, self._instance, self._asked_by = say, instance, asked_by
        self._ledger = Ledger(settings.home)

    def bring_up_to_date(self, rebuild: tuple[date, date] | None = None) -> Report:
        """Lands new and changed files, then builds what they affect until nothing is stale; `rebuild`: its days anyway.

        Raises RunFailedError when a run fails, LandingError when landing/ is not there or cannot be fetched,
        FrozenDaysError when raw rows of days to rebuild have gone by age.
        """
        fetch(self._settings)
        history = self._ledger.read()
        report = Report(scan(self._settings, history), since=history.sequence)
        forced = self._forced(rebuild) if rebuild else {}
        with self._open() as instance:
            end_dead_runs(instance)
            clear_abandoned(self._settings.home)
            storage = instance.event_log_storage
            events = Events(storage.index) if isinstance(storage, RangeEventLog) else None
            try:
                self._land(instance, report)
                self._make(instance, forced, report)
            except RunFailedError:
                self._note(failed_checks(instance), report, failed_runs=1)
                raise
            report.history, report.failed_checks = self._ledger.read(), failed_checks(instance)
            self._note(report.failed_checks, report, failed_runs=0)
            today = local_today(self._settings.time_zone)
            report.untouched_days = untouched_days(report.history, report.since, self._catalogue, today)
            if events and not report.runs and not report.refused and events.are_newest():
                nothing_is_stale(self._settings, report, events)
        return report

    def check_tables(self) -> list[dg.AssetCheckEvaluation]:
        """Runs the checks that read whole tables; their results. Raises RunFailedError when the run fails."""
        job = self._definitions.resolve_job_def(CHECK)
        with self._open() as instance:
            result = self._execute(instance, job, None, None, tags_of(None, self._asked_by, "whole tables"))
            if not result.success:
                raise RunFailedError(_cause(self._settings.home, CHECK, {}, result))
            return list(result.get_asset_check_evaluations())

    def catch_up(self) -> Report:
        """Builds what is stale and nobody else is building until nothing is. Raises RunFailedError when a run fails."""
        report = Report()
        with self._open() as instance:
            self._make(instance, {}, report, lambda: busy_assets(instance, self._catalogue.assets_of))
        return report

    def explain(self, rebuild: tuple[date, date] | None = None) -> Explanation:
        """What `bring_up_to_date` would do now, and why; runs nothing. Raises LandingError as that does."""
        fetch(self._settings)
        files, history = scan(self._settings, self._ledger.read()), self._ledger.read()
        watermarks = {}
        if self._instance or (self._settings.home / "dagster").is_dir():
            with self._open() as instance:
                watermarks = read_watermarks(instance, self._catalogue.planned)
        today = local_today(self._settings.time_zone)
        stale = plan(history, watermarks, self._catalogue, today)
        wanted = self._with_forced(stale, self._forced(rebuild) if rebuild else {})
        planned = rounds(Plan(wanted), history, watermarks, self._catalogue, today)
        return Explanation(files, self._landing(files), planned, stale.waiting)

    @contextmanager
    def _open(self) -> Iterator[dg.DagsterInstance]:
        if self._instance:
            yield self._instance
        else:
            with open_instance(self._settings.home) as instance:
                yield instance

    def _land(self, instance: dg.DagsterInstance, report: Report) -> None:
        if report.scan.withdrawn:
            self._say(f"withdrawing {counted(len(report.scan.withdrawn), 'file')}")
        if report.scan.changed:
            self._say(f"landing {counted(len(report.scan.changed), 'file')}")
            report_materializations(instance, landing_events(report.scan.changed))
        if report.scan.ids:
            self._say("settling ids that contain user_id")
        for run in self._landing(report.scan):
            self._run(instance, run, report)

    def _note(self, red: list[FailedCheck], report: Report, failed_runs: int) -> None:
        note_sums(self._settings.home, self._ledger.read())
        note(
            self._settings.home,
            held=len(report.scan.held),
            stuck=len(report.scan.stuck),
            failed_landings=0,
            failed_runs=failed_runs,
            stale=report.stale,
            run_seconds=report.seconds,
            failed_checks=[check.brief for check in red],
        )
        tell(self._settings)

    def _landing(self, files: Scan) -> list[Run]:
        return landing_runs(files.news, self._catalogue)

    def _make(
        self, instance: dg.DagsterInstance, forced: Keys, report: Report, busy: Callable[[], Collection[str]] = tuple
    ) -> None:
        """Builds what is stale or forced, and not busy, until nothing is.

        What does not follow from a run that fails is built all the same; raises RunFailedError with every cause then.
        """
        done, failed, causes = set[str](), set[str](), list[str]()

        def waiting() -> list[Run]:
            runs = self._next(instance, forced, report, busy(), failed)
            return [run for run in runs if run.fingerprint not in done]

        while runs := waiting():
            for asset, keys in _keys_of(runs).items():
                if asset not in report.partitions or forced.get(asset):
                    self._say(f"{asset}: {_named(keys)}" if any(keys) else asset)
                report.partitions[asset] = keys
                forced.pop(asset, None)
            for run in runs:
                done.add(run.fingerprint)
                try:
                    self._run(instance, run, report)
                except RunFailedError as error:
                    failed.update(run.assets)
                    causes.append(str(error))
        if causes:
            raise RunFailedError("\n".join(causes))

    @cached_property
    def _definitions(self) -> dg.Definitions:
        return self._build()

    def _next(
        self, instance: dg.DagsterInstance, forced: Keys, report: Report, busy: Collection[str], failed: Collection[str]
    ) -> list[Run]:
        history, watermarks = self._ledger.read(), read_watermarks(instance, self._catalogue.planned)
        stale = plan(history, watermarks, self._catalogue, local_today(self._settings.time_zone))
        wanted = self._with_forced(stale, forced)
        report.waiting_days, report.stale = stale.waiting, sum(map(len, wanted.values()))
        if not wanted:
            return []
        refused = refused_assets(instance, blocking_checks(self._definitions.resolve_asset_graph()))
        waits_for = {*busy, *(asset for asset in failed if asset in wanted)}
        runs = next_runs(wanted, history, watermarks, self._catalogue, waits_for, refused)
        report.refused = [] if runs else sorted(refused)
        report.blocked = [name for name in wanted if not runs and self._catalogue.ancestors(name).intersection(refused)]
        return runs

    def _with_forced(self, stale: Plan, forced: Keys) -> Keys:
        """By asset, the partitions that are stale or forced."""
        names = [asset.name for asset in self._catalogue.planned]
        keys = {name: sorted({*stale.partitions.get(name, ()), *forced.get(name, ())}) for name in names}
        return {name: partitions for name, partitions in keys.items() if partitions}

    def _forced(self, rebuild: tuple[date, date]) -> Keys:
        """The partitions that follow from the days of a range, whether they are stale or not.

        Raises FrozenDaysError when some of them cannot be built again.
        """
        today = local_today(self._settings.time_zone)
        days = days_between(max(rebuild[0], self._settings.first_day), min(rebuild[1], today))
        keys = keys_of_days(self._catalogue, days, today)
        refuse_frozen(keys, self._ledger.read(), self._catalogue, today)
        return keys

    def _run(self, instance: dg.DagsterInstance, run: Run, report: Report) -> None:
        from umg_assets.checks import checks_of_run  # imports the engines' client: only where there is something to run

        # a selection of assets alone would bring every check of them along, also those that read whole tables
        assets = {dg.AssetKey(asset) for asset in run.assets}
        checks = set(checks_of_run(self._settings, run.assets))
        chosen = self._definitions.resolve_job_def(run.job).get_subset(
            asset_selection=assets, asset_check_selection=checks
        )
        keys = None if run.job == LAND_FILES else run.keys
        tags = {**tags_of(run.bounds, self._asked_by, run.why, keys), WORK: run.work}
        result = self._execute(instance, chosen, assets, checks, tags)
        report.runs += 1
        if not result.success:
            raise RunFailedError(_cause(self._settings.home, run.job, run.keys, result))

    def _execute(
        self,
        instance: dg.DagsterInstance,
        job: dg.JobDefinition,
        assets: set[dg.AssetKey] | None,
        checks: set[dg.AssetCheckKey] | None,
        tags: dict[str, str],
    ) -> dg.ExecuteInProcessResult:
        with named_runs(instance, assets, checks):
            return job.execute_in_process(
                instance=instance,
                tags={**tags, **here()},
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )


def _keys_of(runs: list[Run]) -> Keys:
    """By asset, the partitions of all runs, in order."""
    keys: dict[str, set[str]] = {}
    for run in runs:
        for asset in run.assets:
            keys.setdefault(asset, set()).update(run.keys[asset])
    return {asset: sorted(partitions) for asset, partitions in keys.items()}


def blocking_checks(graph: BaseAssetGraph) -> list[dg.AssetCheckKey]:
    """The checks of which a failure keeps what follows from running."""
    return [key for key in graph.asset_check_keys if graph.get(key).blocking]


def _cause(home: Path, job: str, keys: Keys, result: dg.ExecuteInProcessResult) -> str:
    """What failed where, and why. keys: by asset, the partitions that the run builds."""
    step = next((event for event in result.all_events if event.is_step_failure), None)
    outside = [event.job_failure_data.error for event in result.all_events if event.is_job_failure]
    error = step.step_failure_data.error if step else next(iter(outside), None)
    while error is not None and error.cause is not None:
        error = error.cause
    said = error.message.strip() if error else "see the run in `umg dev`"
    said = explained(said, home) or without_class(said)
    step_key = (step.step_key if step else None) or "a step"
    built = keys.get(step_key) or next(iter(keys.values()), [])
    which = f" ({_named(built)})" if any(built) else ""
    return f"{job} failed in {step_key}{which}: {said}"


def _named(keys: list[str]) -> str:
    """Partition keys for people."""
    return keys[0] if len(keys) == 1 else f"{len(keys)} partitions, {keys[0]} to {keys[-1]}"
