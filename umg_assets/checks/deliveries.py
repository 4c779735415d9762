"""Asset checks of deliveries: how many records are quarantined; how old the newest delivery and the newest play are."""

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import dagster as dg

from umg_assets import clock, tables
from umg_assets.calendar import local_today
from umg_assets.checks.verdicts import days_of, verdict
from umg_assets.landing.outcome import SourceOutcome
from umg_assets.resources.ledger import Ledger
from umg_assets.settings.model import Settings
from umg_assets.text import counted

_FILES = 20


@dg.asset_check(asset="quarantine", blocking=False)
def quarantine_share(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]
) -> dg.AssetCheckResult:
    """No delivery of the run's days has more than quarantine_percent of its records, or of its files, set aside."""
    first, last = days_of(context.run)
    limit, total = settings.thresholds.quarantine_percent, SourceOutcome("all")
    deliveries: dict[str, SourceOutcome] = {}
    history = ledger.read()
    for kind in tables.KINDS:
        for day, sums in history.sums_of(kind).items():
            if first <= day <= last and sums.delivered:
                delivery = f"{kind} {day}"
                for outcome in (deliveries.setdefault(delivery, SourceOutcome(delivery)), total):
                    outcome.add(sums.tally)
    over = {name: " and ".join(why) for name, outcome in sorted(deliveries.items()) if (why := outcome.judge(limit))}
    files = f" and {total.refused} of {total.files} files refused" if total.refused else ""
    return verdict(
        not over,
        expected=f"at most {limit} % of a delivery's records and files set aside",
        seen=f"{total.quarantined} of {total.records} records set aside{files}; "
        f"{len(over)} of {len(deliveries)} deliveries over {limit} %",
        todo="`umg quarantine` says why; land the files again when they are mended, or change umg.toml",
        deliveries_over=len(over),
        over=over,
    )


@dg.asset_check(asset=tables.DELIVERIES.name, blocking=False)
def newest_delivery(settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]) -> dg.AssetCheckResult:
    """The newest delivery day of plays ended at most freshness.raw_hours ago, whenever the table was last written.

    Reads the ledger, so landing an old day again does not turn it green.
    """
    days = [day for day, sums in ledger.read().sums_of("plays").items() if sums.standing]
    return _newest(days, UTC, settings.freshness.raw_hours, "delivery of plays", "raw_hours")


@dg.asset_check(asset=tables.PLAYS.name, blocking=False)
def newest_play(settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]) -> dg.AssetCheckResult:
    """The newest play date ended at most freshness.plays_hours ago, whenever the table was last written.

    Reads the ledger, so rebuilding an old day does not turn it green.
    """
    today = local_today(settings.time_zone)
    days = [day for day in ledger.read().rows_by_day("plays") if day <= today]
    return _newest(days, zoneinfo.ZoneInfo(settings.time_zone), settings.freshness.plays_hours, "play", "plays_hours")


@dg.asset_check(asset=tables.DELIVERIES.name, blocking=False)
def no_file_names_the_forgotten(ledger: dg.ResourceParam[Ledger]) -> dg.AssetCheckResult:
    """No delivered file holds records of people who have been forgotten. Such records did not land."""
    named = ledger.read().with_any("suppressed")
    files = {entry.path: entry.suppressed for entry in named.delivered() if entry.suppressed}
    return verdict(
        not files,
        expected="no record of a person who has been forgotten",
        seen=f"{counted(sum(files.values()), 'such record')} in {counted(len(files), 'file')}"
        + (f", e.g. {min(files)}; none of them landed" if files else ""),
        todo="tell the exporter, and have the files delivered anew without them",
        files=dict(sorted(files.items())[:_FILES]),
    )


def _newest(days: list[date], zone: tzinfo, limit: int, what: str, setting: str) -> dg.AssetCheckResult:
    newest = max(days, default=None)
    age = hours_since(newest, zone, clock.now()) if newest else None
    return verdict(
        age is not None and age <= limit,
        expected=f"a {what} on a day that ended at most {limit} hours ago",
        seen=f"the newest {what} is of {newest}, which ended {age:.0f} hours ago" if newest else f"no {what} yet",
        todo="look in landing/ whether the exporter still delivers, then at `umg quarantine`; "
        f"`freshness.{setting}` in umg.toml is the limit",
        severity=dg.AssetCheckSeverity.ERROR,
        newest=str(newest),
        hours=round(age, 1) if age is not None else "",
    )


def hours_since(day: date, zone: tzinfo, now: datetime) -> float:
    """Hours since a day ended in a time zone; 0 while it lasts."""
    end = datetime.combine(day + timedelta(days=1), time(), zone)
    return max(0.0, (now - end.astimezone(UTC)) / timedelta(hours=1))
