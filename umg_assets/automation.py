"""Jobs, sensors and schedules: what runs together, and what asks for it. Thin, over planning.py and runs.py.

landing_sensor lands what is new or changed; ledger_sensor runs what the ledger says was touched, and nothing else; the
daily schedule does both in one go, whatever the sensors missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from umg_assets import tables
from umg_assets.assets.landing import landing_events, shrunk_files
from umg_assets.checks import check_keys_of_runs, checks_of_runs, checks_of_tables
from umg_assets.partitions import local_today
from umg_assets.planning import Plan, Scope, plan
from umg_assets.resources.instance import (
    QUIET,
    busy_assets,
    end_dead_runs,
    last_event,
    refused_assets,
    run_under_way,
    tags_of,
)
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.landing import LandingError, Scan, scan
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.stamps import read_stamps
from umg_assets.running import Runner, blocking_checks
from umg_assets.runs import LAND, RAW, STAGES, Run, landing_runs, next_runs, scattered, stages
from umg_assets.settings import Automation, Settings

CHECK = "check_tables"
"""The job of the checks that read whole tables."""

_LONGEST = 2000
"""Characters of a reason that a sensor gives for doing nothing."""


class Compaction(dg.Config):
    """keep_days: how long files that no current version needs stay, for readers and time travel."""

    keep_days: int = 7


@dg.op(retry_policy=dg.RetryPolicy(max_retries=3, delay=30))
def compact_and_vacuum(
    context: dg.OpExecutionContext, config: Compaction, lakehouse: dg.ResourceParam[Lakehouse]
) -> None:
    """Joins the small files of every table and deletes what no version of the last days needs."""
    lakehouse.create_tables()
    for table in tables.ALL:
        joined = lakehouse.compact(table)
        gone = lakehouse.vacuum(table, timedelta(days=config.keep_days))
        context.log.info(
            f"{table.name}: {joined['numFilesRemoved']} files joined into {joined['numFilesAdded']}, "
            f"{len(gone)} deleted"
        )


@dg.job
def compact_tables() -> None:
    """Compacts and vacuums every table, by delta-rs; the rows stay as they are."""
    compact_and_vacuum()


@dg.op
def bring_up_to_date(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Does what `umg run` does, in this run's process; each run that it makes is one of its own in the UI."""
    report = Runner(settings, context.log.info, context.instance, "the daily schedule").bring_up_to_date()
    for what, reason in (*report.scan.waiting.items(), *((file.path, held) for file, held in report.scan.held)):
        context.log.warning(f"{what}: {reason}")
    context.log.info(f"Up to date with landing/ after {report.runs} runs")


@dg.job
def close_the_day() -> None:
    """Lands what landing_sensor missed and runs what ledger_sensor missed: charts of a day on which nothing came."""
    bring_up_to_date()


@dg.op
def make_what_is_stale(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Runs what is stale, range after range, in this run's process; each is a run of its own in the UI."""
    report = Runner(settings, context.log.info, context.instance, context.job_name).catch_up()
    context.log.info(f"Up to date with the ledger after {report.runs} runs")


@dg.job
def catch_up() -> None:
    """Makes what a delivery touched where that is many ranges: ledger_sensor asks for it instead of a run for each."""
    make_what_is_stale()


@dataclass(frozen=True)
class Automated:
    """Jobs, and the sensors and schedules that ask for them."""

    jobs: list[Any]
    sensors: list[dg.SensorDefinition]
    schedules: list[dg.ScheduleDefinition]


def build_automation(settings: Settings) -> Automated:
    """A job for landing files, one for each stage after it, the checks that read whole tables, and upkeep."""
    landing = dg.define_asset_job(LAND, _with_checks(RAW))
    after = [
        dg.define_asset_job(name, _with_checks(assets) if name in STAGES else dg.AssetSelection.assets(*assets))
        for name, assets in stages(settings.experiments).items()
    ]
    checks = dg.define_asset_job(CHECK, checks_of_tables())
    return Automated(
        [landing, *after, checks, compact_tables, close_the_day, catch_up],
        _sensors(settings.automation, landing, after),
        _schedules(settings, checks),
    )


def _with_checks(assets: Sequence[str]) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*assets).without_checks() | checks_of_runs(*assets)


def _sensors(looks: Automation, landing: Any, after: list[Any]) -> list[dg.SensorDefinition]:
    """The sensor over landing/ and the one over the ledger; both are on unless somebody turns them off."""
    common: dict[str, Any] = {
        "minimum_interval_seconds": looks.sensor_seconds,
        "default_status": dg.DefaultSensorStatus.RUNNING,
    }

    @dg.sensor(job=landing, description="Lands days whose files are new or changed, as ranges.", **common)
    def landing_sensor(
        context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]
    ) -> dg.SensorResult:
        try:
            found = scan(settings, ledger.read(), settings.automation.quiet_seconds)
        except (LandingError, OSError) as error:
            return dg.SensorResult(skip_reason=f"landing/ cannot be looked at: {error}")
        under_way = bool(busy_assets(context.instance).intersection(RAW))
        runs = [] if under_way else landing_runs((one.delivery_date, one.path, one.signature) for one in found.changed)
        return _landing_asked(context, found, runs, under_way)

    @dg.sensor(
        jobs=[*after, catch_up], description="Runs what deliveries touched, by the ledger: that alone.", **common
    )
    def ledger_sensor(
        context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]
    ) -> dg.SensorResult:
        end_dead_runs(context.instance)
        today, busy = local_today(settings.time_zone), busy_assets(context.instance)
        scope = Scope.of(settings)
        seen = ledger.version(), last_event(context.instance), today, _hour(), sorted(busy), scope.definitions
        looked_at = repr(seen)
        if context.cursor == looked_at:
            return dg.SensorResult(skip_reason="nothing has happened since the last look", cursor=looked_at)
        if job := run_under_way(context.instance, (close_the_day.name, catch_up.name)):
            return dg.SensorResult(skip_reason=f"{job} is making what is stale", cursor=context.cursor)
        history, stamps = ledger.read(), read_stamps(context.instance, scope.planned, scope.definitions)
        todo = plan(history, stamps, scope, today)
        refused = refused_assets(context.instance, _blocking(context)) if todo else set()
        runs = next_runs(todo, history, stamps, busy, refused, scope.experiments)
        return _stages_asked(todo, runs, busy, refused, looked_at)

    return [landing_sensor, ledger_sensor]


def _blocking(context: dg.SensorEvaluationContext) -> list[dg.AssetCheckKey]:
    assert context.repository_def is not None
    return blocking_checks(context.repository_def.asset_graph)


def _landing_asked(
    context: dg.SensorEvaluationContext, found: Scan, runs: list[Run], under_way: bool
) -> dg.SensorResult:
    """Runs that land; events for landing/: the days whose files are asked for, and what is held, when that changes."""
    quiet = {QUIET: str(context.resources.settings.automation.quiet_seconds)}
    held = repr(sorted((file.path, file.signature) for file, _ in found.held))
    news = shrunk_files(found) if held != (context.cursor or repr([])) else []
    said = [
        *(["a landing run is under way"] if under_way else []),
        *(f"{file.path} is held: {why}" for file, why in found.held),
        *(f"{path} waits: {why}" for path, why in found.waiting.items()),
    ]
    return dg.SensorResult(
        run_requests=[_request(run, "landing_sensor", quiet) for run in runs],
        skip_reason=None if runs else "; ".join(said)[:_LONGEST] or "no file is new or changed",
        asset_events=[*(landing_events(found.changed) if runs else []), *news],
        cursor=held,
    )


def _stages_asked(todo: Plan, runs: list[Run], busy: set[str], refused: set[str], looked_at: str) -> dg.SensorResult:
    """The runs that may start now, or one that makes them and what follows where they are many; why others wait."""
    waits = f"stale: {sorted(todo.partitions)}; under way: {sorted(busy)}; refused by a check: {sorted(refused)}"
    return dg.SensorResult(
        run_requests=[_catching_up(runs)] if scattered(runs) else [_request(run, "ledger_sensor") for run in runs],
        skip_reason=None if runs else waits if todo else "every table is up to date with the ledger",
        cursor=None if runs else looked_at,
    )


def _schedules(settings: Settings, checks: Any) -> list[dg.ScheduleDefinition]:
    """The daily safety net, in local time; whole-table checks after it, compaction and vacuum once a week."""
    hour, minute = (int(part) for part in settings.automation.daily_at.split(":"))
    common: dict[str, Any] = {
        "execution_timezone": settings.time_zone,
        "default_status": dg.DefaultScheduleStatus.RUNNING,
    }
    return [
        dg.ScheduleDefinition(name="daily", job=close_the_day, cron_schedule=f"{minute} {hour} * * *", **common),
        dg.ScheduleDefinition(
            name="daily_checks", job=checks, cron_schedule=f"{minute} {(hour + 1) % 24} * * *", **common
        ),
        dg.ScheduleDefinition(
            name="weekly", job=compact_tables, cron_schedule=f"{minute} {(hour + 2) % 24} * * 0", **common
        ),
    ]


def _request(run: Run, asked_by: str, tags: dict[str, str] | None = None) -> dg.RunRequest:
    """The same work is asked for once an hour: a run that failed is tried again then, a good one leaves none to ask."""
    return dg.RunRequest(
        run_key=f"{run.fingerprint} {_hour()}",
        job_name=run.job,
        asset_selection=[dg.AssetKey(asset) for asset in run.assets],
        asset_check_keys=None if (checks := checks_in(run)) is None else sorted(checks, key=str),
        tags={**tags_of(run.bounds, asked_by, run.why), **(tags or {})},
    )


def _catching_up(runs: list[Run]) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{catch_up.name}:{[run.fingerprint for run in runs]} {_hour()}",
        job_name=catch_up.name,
        tags=tags_of(None, "ledger_sensor", f"{len(runs)} ranges; {runs[0].why}"),
    )


def checks_in(run: Run) -> set[dg.AssetCheckKey] | None:
    """The checks that run with a run's assets: those of whole tables do not; None: all, as of experiments."""
    return set(check_keys_of_runs(*run.assets)) if run.job in (LAND, *STAGES) else None


def _hour() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H}"
