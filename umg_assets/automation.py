"""Jobs, sensors and schedules: what runs together, and what asks for it. Thin, over the catalogue and planning/.

landing_sensor lands what is new or changed; ledger_sensor runs what the ledger says is affected, and nothing else; the
daily schedule does both in one go, whatever the sensors missed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from umg_assets import clock
from umg_assets.assets.landing import landing_events, shrunk_files
from umg_assets.calendar import local_today
from umg_assets.catalogue import LAND_FILES, Catalogue
from umg_assets.checks import checks_of_run, checks_of_tables
from umg_assets.landing.bucket import fetch
from umg_assets.landing.scan import LandingError, Scan, scan
from umg_assets.planning.required import Plan, plan
from umg_assets.planning.runs import Run, landing_runs, next_runs, try_of, work_of
from umg_assets.resources.alerts import tell
from umg_assets.resources.failed_work import WORK, failed_over, failures
from umg_assets.resources.forgetting_lock import ForgettingError, refuse_while_forgetting
from umg_assets.resources.instance import (
    QUIET,
    busy_assets,
    end_dead_runs,
    failed_checks,
    last_event,
    not_of,
    refused_assets,
    run_under_way,
    tags_of,
)
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.status import FAILED_LANDINGS, FAILED_RUNS, STALE, note, note_sums
from umg_assets.resources.watermarks import read_watermarks
from umg_assets.runner import CHECK, Runner, blocking_checks
from umg_assets.settings.model import Settings
from umg_assets.text import counted, visible
from umg_assets.weekly import build_weekly

CLOSE_THE_DAY, CATCH_UP = "close_the_day", "catch_up"
"""The jobs that start runs in their own process: the daily one, and that of ledger_sensor."""

_OF_TABLES = (
    "Runs the checks that read whole tables: files and tables counted again by other code, published lists, ids that "
    "stand on several days, and how old the newest day is. Builds nothing."
)
_FETCHED_SECONDS = 30
"""For which a sensor fetches from a bucket: Dagster gives it a minute for a look. The next look goes on."""
_LONGEST = 2000
"""Characters of a reason that a sensor gives for doing nothing."""


def _close_the_day(
    catalogue: Catalogue, definitions: Callable[[], dg.Definitions], tags: Mapping[str, str]
) -> dg.JobDefinition:
    @dg.op
    def bring_up_to_date(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
        """Does what `umg run` does, in this run's process; each run that it starts is one of its own in the UI."""
        runner = Runner(settings, catalogue, definitions, context.log.info, context.instance, "the daily schedule")
        report = runner.bring_up_to_date()
        for what, reason in (*report.scan.waiting.items(), *((file.path, held) for file, held in report.scan.held)):
            context.log.warning(visible(f"{what}: {reason}"))
        context.log.info(f"Up to date with landing/ after {counted(report.runs, 'run')}")

    @dg.job(name=CLOSE_THE_DAY, tags=tags)
    def close_the_day() -> None:
        """Lands what landing_sensor missed, runs what ledger_sensor missed: charts of a day on which nothing came."""
        bring_up_to_date()

    return close_the_day


def _catch_up(
    catalogue: Catalogue, definitions: Callable[[], dg.Definitions], tags: Mapping[str, str]
) -> dg.JobDefinition:
    @dg.op
    def build_what_is_stale(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
        """Runs what is stale, one run after the other, in this run's process; each is a run of its own in the UI."""
        runner = Runner(settings, catalogue, definitions, context.log.info, context.instance, context.job_name)
        context.log.info(f"Up to date with the ledger after {runner.catch_up().runs} runs")

    @dg.job(name=CATCH_UP, tags=tags)
    def catch_up() -> None:
        """Builds what deliveries affect, from plays to exports: ledger_sensor asks for it. A process for each of these
        runs would take longer to start than what it computes."""
        build_what_is_stale()

    return catch_up


@dataclass(frozen=True)
class Automated:
    """Jobs, and the sensors and schedules that ask for them."""

    jobs: list[Any]
    sensors: list[dg.SensorDefinition]
    schedules: list[dg.ScheduleDefinition]


def build_automation(settings: Settings, catalogue: Catalogue, definitions: Callable[[], dg.Definitions]) -> Automated:
    """The catalogue's jobs, the checks that read whole tables, and upkeep.

    definitions: builds the definitions that all of this is part of, for the jobs that start runs in their process.
    """
    tags = {"dagster/max_runtime": str(round(settings.automation.max_run_hours * 3600))}
    of_assets = [
        dg.define_asset_job(
            name,
            dg.AssetSelection.assets(*assets).without_checks()
            | dg.AssetSelection.checks(*checks_of_run(settings, assets)),
            description=f"Builds {', '.join(assets)}, and runs the checks of what it has written.",
            tags=tags,
        )
        for name, assets in catalogue.jobs.items()
    ]
    checks = dg.define_asset_job(CHECK, checks_of_tables(), description=_OF_TABLES, tags=tags)
    compact, close = (make(catalogue, definitions, tags) for make in (build_weekly, _close_the_day))
    catch_up = _catch_up(catalogue, definitions, tags)
    return Automated(
        [*of_assets, checks, compact, close, catch_up],
        _sensors(settings, catalogue, of_assets, catch_up),
        _schedules(settings, close, checks, compact),
    )


def _sensors(
    settings: Settings, catalogue: Catalogue, of_assets: list[Any], catch_up: dg.JobDefinition
) -> list[dg.SensorDefinition]:
    """The sensor over landing/ and the one over the ledger; both are on unless somebody turns them off."""
    common: dict[str, Any] = {
        "minimum_interval_seconds": settings.automation.sensor_seconds,
        "default_status": dg.DefaultSensorStatus.RUNNING,
    }
    landing = of_assets[0]
    raw = catalogue.assets_of(LAND_FILES)

    @dg.sensor(job=landing, description="Lands days whose files are new or changed, as ranges.", **common)
    def landing_sensor(
        context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]
    ) -> dg.SensorResult:
        if elsewhere := not_of(settings.home, context.instance):
            return dg.SensorResult(skip_reason=elsewhere)
        try:
            refuse_while_forgetting(settings.home)
            fetch(settings, _FETCHED_SECONDS)
            files = scan(settings, ledger.read(), settings.automation.quiet_seconds)
        except ForgettingError as error:
            return dg.SensorResult(skip_reason=str(error))
        except (LandingError, OSError) as error:
            return dg.SensorResult(skip_reason=visible(f"landing/ cannot be looked at: {error}"))
        under_way = bool(busy_assets(context.instance, catalogue.assets_of).intersection(raw))
        runs = [] if under_way else landing_runs(files.news, catalogue)
        failed = {} if under_way else {FAILED_LANDINGS: failed_over(context.instance, runs)}
        note(settings.home, held=len(files.held), stuck=len(files.stuck), **failed)
        tell(settings)
        return _landing_asked(context, files, runs, under_way)

    @dg.sensor(job=catch_up, description="Builds what deliveries affect, by the ledger: that alone.", **common)
    def ledger_sensor(
        context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]
    ) -> dg.SensorResult:
        if elsewhere := not_of(settings.home, context.instance):
            return dg.SensorResult(skip_reason=elsewhere)
        end_dead_runs(context.instance)
        try:
            refuse_while_forgetting(settings.home)
        except ForgettingError as error:
            return dg.SensorResult(skip_reason=str(error))
        today, busy = local_today(settings.time_zone), busy_assets(context.instance, catalogue.assets_of)
        definitions = {asset.name: asset.definition_hash for asset in catalogue.planned if asset.experiment}
        hour = f"{clock.now():%Y-%m-%dT%H}"
        named = (catalogue.first_day, catalogue.markets, definitions)
        world = repr((ledger.version(), last_event(context.instance), today, hour, sorted(busy), named))
        if context.cursor == world:
            note(settings.home)
            tell(settings)
            return dg.SensorResult(skip_reason="nothing has happened since the last look", cursor=world)
        if job := run_under_way(context.instance, (CLOSE_THE_DAY, CATCH_UP)):
            return dg.SensorResult(
                skip_reason=f"a run of {job} is under way, and builds what is stale", cursor=context.cursor
            )
        history, watermarks = ledger.read(), read_watermarks(context.instance, catalogue.planned)
        stale = plan(history, watermarks, catalogue, today)
        refused = refused_assets(context.instance, _blocking(context)) if stale else set()
        runs = next_runs(stale.partitions, history, watermarks, catalogue, busy, refused)
        # while a run tries again what has failed, the count stays: whether it helps is not known yet
        failed = {} if busy else {FAILED_RUNS: failed_over(context.instance, runs)}
        note_sums(settings.home, history)
        failed[STALE] = sum(map(len, stale.partitions.values()))
        note(settings.home, failed_checks=[check.brief for check in failed_checks(context.instance)], **failed)
        tell(settings)
        return _runs_asked(context, stale, runs, busy, refused, world)

    return [landing_sensor, ledger_sensor]


def _blocking(context: dg.SensorEvaluationContext) -> list[dg.AssetCheckKey]:
    assert context.repository_def is not None
    return blocking_checks(context.repository_def.asset_graph)


def _landing_asked(
    context: dg.SensorEvaluationContext, files: Scan, runs: list[Run], under_way: bool
) -> dg.SensorResult:
    """Runs that land; events for landing/: the days whose files are asked for, and what is held, when that changes."""
    quiet = {QUIET: str(context.resources.settings.automation.quiet_seconds)}
    held = repr(sorted((file.path, file.signature) for file, _ in files.held))
    news = shrunk_files(files) if held != (context.cursor or repr([])) else []
    reasons = [
        *(["a landing run is under way"] if under_way else []),
        *(f"{file.path} is held: {why}" for file, why in files.held),
        *(f"{path} waits: {why}" for path, why in files.waiting.items()),
    ]
    return dg.SensorResult(
        run_requests=[_landing_request(context, run, quiet) for run in runs],
        skip_reason=None if runs else visible("; ".join(reasons)[:_LONGEST]) or "no file is new or changed",
        asset_events=[*(landing_events(files.changed) if runs else []), *news],
        cursor=held,
    )


def _runs_asked(
    context: dg.SensorEvaluationContext, stale: Plan, runs: list[Run], busy: set[str], refused: set[str], world: str
) -> dg.SensorResult:
    """A run that builds what may start now and what follows; why everything else waits."""
    return dg.SensorResult(
        run_requests=[_catching_up(context, runs)] if runs else [],
        skip_reason=None if runs else _why_none(stale, busy, refused),
        cursor=None if runs else world,
    )


def _why_none(stale: Plan, busy: set[str], refused: set[str]) -> str:
    if not stale:
        return "every table is up to date with the ledger"
    causes = {"under way": busy, "refused by a check": refused}
    named = " or ".join(f"{cause} ({', '.join(sorted(assets))})" for cause, assets in causes.items() if assets)
    return f"stale: {', '.join(sorted(stale.partitions))}; nothing is asked for while what they follow from is {named}"


def _schedules(settings: Settings, close_the_day: Any, checks: Any, compact_tables: Any) -> list[dg.ScheduleDefinition]:
    """The daily safety net, in local time; whole-table checks after it, compaction and vacuum once a week."""
    hour, minute = (int(part) for part in settings.automation.daily_at.split(":"))

    def schedule(name: str, job: Any, hours_later: int, weekday: str, description: str) -> dg.ScheduleDefinition:
        def ask(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
            elsewhere = not_of(settings.home, context.instance)
            return dg.SkipReason(elsewhere) if elsewhere else dg.RunRequest()

        return dg.ScheduleDefinition(
            name=name,
            job=job,
            cron_schedule=f"{minute} {(hour + hours_later) % 24} * * {weekday}",
            description=description,
            execution_fn=ask,
            execution_timezone=settings.time_zone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
        )

    return [
        schedule("daily", close_the_day, 0, "*", "Each day: what both sensors do, in one run, whatever they missed."),
        schedule("daily_checks", checks, 1, "*", "Each day: the checks that read whole tables."),
        schedule("weekly", compact_tables, 2, "0", "Each Sunday: forgetting, removal by age, compaction and vacuum."),
    ]


def _landing_request(context: dg.SensorEvaluationContext, run: Run, tags: Mapping[str, str]) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=_run_key(context, run.fingerprint, run.work),
        job_name=run.job,
        asset_selection=[dg.AssetKey(asset) for asset in run.assets],
        asset_check_keys=checks_of_run(context.resources.settings, run.assets),
        tags={**tags_of(run.bounds, "landing_sensor", run.why), WORK: run.work, **tags},
    )


def _catching_up(context: dg.SensorEvaluationContext, runs: list[Run]) -> dg.RunRequest:
    fingerprint = f"{CATCH_UP}:{[run.fingerprint for run in runs]}"
    work = work_of(fingerprint)
    reasons = "; ".join(dict.fromkeys(run.why for run in runs))
    return dg.RunRequest(
        run_key=_run_key(context, fingerprint, work),
        job_name=CATCH_UP,
        tags={**tags_of(None, "ledger_sensor", reasons), WORK: work},
    )


def _run_key(context: dg.SensorEvaluationContext, fingerprint: str, work: str) -> str:
    """The same work is asked for once an hour, once a day after it has failed TRIES times: good work leaves none."""
    return f"{fingerprint} {try_of(failures(context.instance, work), clock.now())}"
