"""The state of the data behind a published set: what is late, set aside or not published, and what to do about it."""

import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

from umg_assets import tables
from umg_assets.calendar import end_of
from umg_assets.dashboard.served import Served
from umg_assets.resources.delta_log import newest_version
from umg_assets.settings.model import Settings

Level = Literal["good", "note", "bad"]
WAITING = timedelta(hours=1)
"""Newer tables that are not published for longer are no run under way."""


@dataclass(frozen=True)
class Finding:
    """One thing about the data. level: good, note or bad. subject: what it is about, such as `late`. sentence: what is
    so. figure: the count or time behind it. action: what to do; empty if nothing."""

    level: Level
    subject: str
    sentence: str
    figure: str = ""
    action: str = ""


@dataclass(frozen=True)
class State:
    """Findings, the worst first."""

    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        """The worst level of any finding."""
        return self.findings[0].level if self.findings else "good"

    @property
    def words(self) -> str:
        """The state in two or three words."""
        worst = sum(finding.level == self.level for finding in self.findings)
        if self.level == "good":
            return "data in order"
        if self.level == "note":
            return "1 note" if worst == 1 else f"{worst} notes"
        return "1 thing is wrong" if worst == 1 else f"{worst} things are wrong"

    @property
    def sentence(self) -> str:
        """The state in one sentence."""
        return self.findings[0].sentence if self.level != "good" else "Everything that was delivered is in the charts."


def state_of(served: Served, settings: Settings, now: datetime) -> State:
    """The state of the data now (UTC)."""
    order = {"bad": 0, "note": 1, "good": 2}
    found = [*_unpublished(served, now), *_late(served, settings, now), *_set_aside(served, settings)]
    return State(tuple(sorted(found, key=lambda finding: order[finding.level])))


def _unpublished(served: Served, now: datetime) -> Iterator[Finding]:
    """Tables that have been written since the set was published."""
    since: list[datetime] = []
    for table in tables.PUBLISHED:
        path = served.home / "tables" / table.name
        if newest_version(path) > served.manifest["versions"][table.name]:
            since.append(_first_after(path, served.manifest["versions"][table.name]))
    if not since:
        yield Finding("good", "published", "The newest state of the tables is published.", _time(served.published_at))
        return
    first = min(since)
    is_stuck = now - first > WAITING
    action = "a check is red or a run has failed: see Dagster, or type `umg run`" if is_stuck else ""
    yield Finding(
        "bad" if is_stuck else "note",
        "published",
        f"Shown is the set of {_time(served.published_at)}; tables are newer since {_time(first)}.",
        f"{len(since)} tables",
        action,
    )


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _first_after(path: Path, version: int) -> datetime:
    """When the version after another was committed; now-ish for one whose log file has gone."""
    file = path / "_delta_log" / f"{version + 1:020d}.json"
    try:
        return datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except OSError:
        return datetime.now(UTC)


def _late(served: Served, settings: Settings, now: datetime) -> Iterator[Finding]:
    rows: Sequence[dict] = served.health.get("newest", ())
    for row in rows:
        if row["source"] != "plays":
            continue
        day = date.fromisoformat(row["delivery_date"])
        ended = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
        yield _age("late", f"plays were delivered on {day}", now - ended, settings.freshness.raw_hours, f"{day}")
    day = served.complete_through
    zone = zoneinfo.ZoneInfo(settings.time_zone)
    ended = end_of(day, settings.time_zone).astimezone(zone)
    limit = settings.freshness.plays_hours
    yield _age("late", f"plays are complete through {day}", now - ended, limit, f"{day}")


def _age(subject: str, what: str, age: timedelta, limit: int, figure: str) -> Finding:
    hours = int(age.total_seconds() // 3600)
    if age <= timedelta(hours=limit):
        return Finding("good", subject, f"The newest {what}.", figure)
    action = "see whether the exporter delivers into landing/, and type `umg run`"
    return Finding("bad", subject, f"Late: the newest {what}, {hours} hours ago (limit {limit}).", figure, action)


def _set_aside(served: Served, settings: Settings) -> Iterator[Finding]:
    for row in served.health.get("records", ()):
        read, aside = row["records_read"], row["quarantined"]
        if not aside:
            continue
        share = 100 * aside / read
        level = "bad" if share > settings.thresholds.quarantine_percent else "good"
        sentence = f"{aside:,} of {read:,} records of {row['source']} are set aside ({share:.1f} %)."
        yield Finding(level, "set aside", sentence, f"{aside:,}", "`umg quarantine` says why" if level == "bad" else "")
    if refused := served.health.get("files_refused"):
        sentence = f"{refused:,} files were refused whole." if refused > 1 else "1 file was refused whole."
        yield Finding("note", "set aside", sentence, f"{refused:,}", "`umg quarantine` says why")
