"""Jobs, sensors and schedules: what runs together, and what asks for it. Thin, over planning.py and runs.py.

landing_sensor lands what is new or changed; ledger_sensor runs what the ledger says was touched, and nothing else; the
daily schedule does both in one go, whatever the sensors missed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from umg_assets import tables
from umg_assets.assets.landing import landing_events, no_file_has_shrunk, shrunk_files
from umg_assets.checks import quarantine_share
from umg_assets.experiments.days import readout_asset
from umg_assets.partitions import local_today
from umg_assets.planning import Scope, plan
from umg_assets.resources.instance import QUIET, busy_assets, end_dead_runs, refused_assets, tags_of
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.landing import LandingError, Scan, scan
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.stamps import read_stamps
from umg_assets.running import Runner, blocking_checks
from umg_assets.runs import LAND, RAW, STAGES, Run, landing_runs, next_runs, stages
from umg_assets.settings import Automation, Settings

CHECK = "check_tables"
"""The job of the checks that read whole tables."""


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


@dataclass(frozen=True)
class Automated:
    """Jobs, and the sensors and schedules that ask for them."""

    jobs: list[Any]
    sensors: list[dg.SensorDefinition]
    schedules: list[dg.ScheduleDefinition]


def build_automation(settings: Settings) -> Automated:
    """A job for landing files, one for each stage after it, the checks that read whole tables, and upkeep."""
    of_a_run = dg.AssetSelection.checks(quarantine_share)
    landed = dg.AssetSelection.assets(*RAW).without_checks()
    landing = dg.define_asset_job(LAND, landed | of_a_run)
    after = [
        dg.define_asset_job(name, selected if name not in STAGES else selected.without_checks())
        for name, assets in stages(settings.experiments).items()
        for selected in [dg.AssetSelection.assets(*assets)]
    ]
    checks = dg.define_asset_job(
        CHECK,
        dg.AssetSelection.all_asset_checks()
        - of_a_run
        - dg.AssetSelection.checks(no_file_has_shrunk)
        - dg.AssetSelection.checks_for_assets(*(readout_asset(name) for name in settings.experiments)),
    )
    return Automated(
        [landing, *after, checks, compact_tables, close_the_day],
        _sensors(settings.automation, landing, after),
        _schedules(settings, checks),
    )


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
        under_way = busy_assets(context.instance).intersection(RAW)
        runs = [] if under_way else landing_runs((one.delivery_date, one.path, one.signature) for one in found.changed)
        requests = [_request(run, "landing_sensor", {QUIET: str(settings.automation.quiet_seconds)}) for run in runs]
        return _with_news(context, found, requests, "a landing run is under way" if under_way else None)

    @dg.sensor(jobs=after, description="Runs what deliveries touched, by the ledger: that alone.", **common)
    def ledger_sensor(
        context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]
    ) -> dg.SensorResult:
        ended, today = end_dead_runs(context.instance), local_today(settings.time_zone)
        busy = busy_assets(context.instance)
        state = repr((ledger.version(), context.instance.event_log_storage.get_maximum_record_id(), today, _hour()))
        if not ended and not busy and context.cursor == state:
            return dg.SensorResult(skip_reason="nothing has happened since the last look", cursor=state)
        scope = Scope.of(settings)
        history, stamps = ledger.read(), read_stamps(context.instance, scope.planned)
        todo = plan(history, stamps, scope, today)
        assert context.repository_def is not None
        refused = refused_assets(context.instance, blocking_checks(context.repository_def.asset_graph)) if todo else ()
        runs = next_runs(todo, history, stamps, busy, refused, scope.experiments)
        requests = [_request(run, "ledger_sensor") for run in runs]
        why = f"{', '.join(todo.partitions)} stale; under way: {sorted(busy)}; refused by a check: {sorted(refused)}"
        skipped = None if requests else why if todo else "every table is up to date with the ledger"
        return dg.SensorResult(run_requests=requests, skip_reason=skipped, cursor=context.cursor if requests else state)

    return [landing_sensor, ledger_sensor]


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
        tags={**tags_of(run.bounds, asked_by, run.why), **(tags or {})},
    )


def _hour() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H}"


def _with_news(
    context: dg.SensorEvaluationContext, found: Scan, requests: list[dg.RunRequest], waits: str | None
) -> dg.SensorResult:
    """The requests, and events for landing/: days whose files are asked for; what is held, when that changes."""
    held = repr(sorted((file.path, file.signature) for file, _ in found.held))
    events: list[Any] = landing_events(found.changed) if requests else []
    if held != (context.cursor or repr([])):
        events += shrunk_files(found)
    said = "; ".join(
        [*([waits] if waits else []), *(f"{file.path} is held: {why}" for file, why in found.held)]
        + [f"{path} waits: {why}" for path, why in found.waiting.items()]
    )
    skipped = None if requests else said[:2000] or "no file is new or changed"
    return dg.SensorResult(run_requests=requests, skip_reason=skipped, asset_events=events, cursor=held)
