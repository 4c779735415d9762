"""The state of the data behind a published set: what is late, set aside or not published, and what to do about it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from umg_assets import tables
from umg_assets.calendar import end_of
from umg_assets.dashboard.served import Served
from umg_assets.resources.delta_log import newest_version
from umg_assets.resources.status import (
    AGE_CHECKS,
    FAILED_CHECKS,
    FAILED_LANDINGS,
    FAILED_RUNS,
    HELD,
    STUCK,
    Status,
    newest_sums,
    read_status,
)
from umg_assets.settings.model import Settings

Level = Literal["good", "note", "bad"]
_FACTS = {
    HELD: (
        "held",
        "1 file or folder has shrunk, and is held",
        "{} files or folders have shrunk, and are held",
        "`umg run` names them; `umg accept PATH` lets in what is right",
    ),
    STUCK: (
        "held",
        "1 file cannot land as it is",
        "{} files cannot land as they are",
        "`umg run` says why; `umg doctor` tries umg.toml on the files",
    ),
    FAILED_LANDINGS: (
        "red",
        "1 run over files that still have to land has failed",
        "{} runs over files that still have to land have failed",
        "Dagster names the step and the cause; `umg run` tries again",
    ),
    FAILED_RUNS: (
        "red",
        "1 run over what still has to be built has failed",
        "{} runs over what still has to be built have failed",
        "Dagster names the step and the cause; `umg run` tries again",
    ),
}
"""By fact that is counted: subject, sentence of one, of several, and what to do."""
_LOOKED_LATELY = timedelta(hours=1)
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
class Versions:
    """A table's version that is published, the newest, and since when there is a newer one (UTC); None: there is none.
    -1: the table has none."""

    table: str
    published: int
    newest: int
    newer_since: datetime | None


@dataclass(frozen=True)
class Defined:
    """An experiment in umg.toml. has_begun: whether its first local day has."""

    name: str
    hypothesis: str
    owner: str
    first_day: date
    has_begun: bool


@dataclass(frozen=True)
class State:
    """Findings, the worst first; of each published table the version published, the newest, and when the first after
    the published one was written (UTC); and the experiments in umg.toml. sums: of the ledger, as planning/health.py
    makes them. as_of: when it was so, on pages that stay as they are."""

    findings: tuple[Finding, ...]
    versions: tuple["Versions", ...] = ()
    experiments: tuple["Defined", ...] = ()
    sums: Mapping[str, Any] = field(default_factory=dict)
    as_of: str = ""

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
    versions = tuple(_versions(served))
    sums = newest_sums(served.home, served.health)
    found = [
        *_unpublished(served, versions, now),
        *_late(served, sums.get("newest", ()), settings, now),
        *_set_aside(sums, settings),
        *_waiting(read_status(served.home), now),
    ]
    today = now.astimezone(ZoneInfo(settings.time_zone)).date()
    defined = tuple(
        Defined(name, experiment.hypothesis, experiment.owner, experiment.first_day, today >= experiment.first_day)
        for name, experiment in settings.experiments.items()
    )
    return State(tuple(sorted(found, key=lambda finding: order[finding.level])), versions, defined, sums)


def _versions(served: Served) -> Iterator[Versions]:
    for table in tables.PUBLISHED:
        path, published = served.home / "tables" / table.name, served.manifest["versions"][table.name]
        newest = newest_version(path)
        since = _first_after(path, published, served.published_at) if newest > published else None
        yield Versions(table.name, published, newest, since)


def _first_after(path: Path, version: int, published_at: datetime) -> datetime:
    """When the version after another was committed; once its log file has gone, when the set was published."""
    file = path / "_delta_log" / f"{version + 1:020d}.json"
    try:
        return datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except OSError:
        return published_at


def _unpublished(served: Served, versions: Sequence[Versions], now: datetime) -> Iterator[Finding]:
    """Tables that have been written since the set was published."""
    since = [of.newer_since for of in versions if of.newer_since]
    if not since:
        yield Finding("good", "published", "The newest state of the tables is published.", _time(served.published_at))
        return
    first = min(since)
    is_stuck = now - first > WAITING
    action = "a check is red or a run has failed: see Dagster, or type `umg run`" if is_stuck else ""
    figure = "1 table" if len(since) == 1 else f"{len(since)} tables"
    yield Finding(
        "bad" if is_stuck else "note",
        "not published",
        f"Shown is the set of {_time(served.published_at)}; tables are newer since {_time(first)}.",
        figure,
        action or "it is published when the run under way has ended",
    )


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _late(served: Served, rows: Sequence[dict[str, Any]], settings: Settings, now: datetime) -> Iterator[Finding]:
    """Plays, or events where no plays are delivered, by freshness.raw_hours; the others by the days that usually lie
    between two of their deliveries, too, and as a note: a chart does not wait for them. What was delivered once is
    not waited for."""
    main = "plays" if any(row["source"] == "plays" for row in rows) else "events"
    for row in rows:
        day, source, limit = date.fromisoformat(row["delivery_date"]), row["source"], settings.freshness.raw_hours
        ended = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
        usual = row["usual_days"] or (1 if source == main else None)
        limit = limit + 24 * (usual - 1) if usual else None
        words = f"delivery of {source} is of {day}"
        yield _age(words, now - ended, limit, f"{day}", "bad" if source == main else "note")
    day = served.complete_through
    ended = end_of(day, settings.time_zone).astimezone(UTC)
    yield _age(f"complete day of plays is {day}", now - ended, settings.freshness.plays_hours, f"{day}", "bad")


def _age(what: str, age: timedelta, limit: int | None, figure: str, worst: Level) -> Finding:
    hours = int(age.total_seconds() // 3600)
    if limit is None or age <= timedelta(hours=limit):
        return Finding("good", "on time", f"The newest {what}.", figure)
    action = "see whether the exporter delivers into landing/, and type `umg run`"
    return Finding(
        worst, "late", f"The newest {what}: it ended {hours} hours ago, the limit is {limit}.", figure, action
    )


def _set_aside(sums: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    limit = settings.thresholds.quarantine_percent
    for row in sums.get("records", ()):
        yield from _share(row["quarantined"], row["records_read"], f"records of {row['source']}", "", limit)
    for row in sums.get("newest", ()):
        when = f" of the newest delivery, {row['delivery_date']},"
        of = f"{row['source']}{when}"
        yield from _share(row["quarantined"], row["records_read"], f"records of {of}", "", limit, only_over=True)
        yield from _share(row["files_refused"], row["files"], f"files of {of}", " whole", limit, only_over=True)
    if refused := sums.get("files_refused"):
        sentence = "1 file was refused whole." if refused == 1 else f"{refused:,} files were refused whole."
        yield Finding("note", "set aside", sentence, f"{refused:,}", "`umg quarantine` says why")
    if half := sums.get("unfinished"):
        files, them = ("1 file is", "it") if half == 1 else (f"{half:,} files are", "them")
        sentence = f"{files} half landed: a run over {them} was interrupted."
        yield Finding("bad", "interrupted", sentence, f"{half:,}", "type `umg run`: it lands what is half landed again")


def _share(aside: int, read: int, what: str, how: str, limit: int, only_over: bool = False) -> Iterator[Finding]:
    """Of how many of what were read some are set aside, if any were; a share over the limit (percent) is bad."""
    is_over = aside * 100 > limit * read
    if not aside or (only_over and not is_over):
        return
    share = f"{100 * aside / read:.1f} %"
    sentence = f"{aside:,} of {read:,} {what} are set aside{how} ({share}, the limit is {limit} %)."
    yield Finding(
        "bad" if is_over else "good", "set aside", sentence, share, "`umg quarantine` says why" if is_over else ""
    )


def _waiting(status: Status, now: datetime) -> Iterator[Finding]:
    """What is held, and what is red, as those who know have noted it."""
    if status.looked_at is None:
        sentence = (
            "Which files are held, which checks are red and which runs have failed is not known: nobody has looked."
        )
        yield Finding("note", "not known", sentence, "", "type `umg run`, or start `umg dev`")
        return
    for name, (subject, one, several, action) in _FACTS.items():
        fact = status.facts.get(name)
        if fact and fact.count:
            words = one if fact.count == 1 else several.format(f"{fact.count:,}")
            yield Finding("bad", subject, f"{words} since {_time(fact.since)}.", f"{fact.count:,}", action)
    red = status.facts.get(FAILED_CHECKS)
    checks = [check for check in (red.checks if red else ()) if check[1] not in AGE_CHECKS]
    for asset, check, is_error in checks:
        sentence = f"Check {check} of {asset} was red when it was last executed."
        yield Finding(
            "bad" if is_error else "note", "red", sentence, "1 check", "`umg run` or Dagster says what it saw"
        )
    if not checks and not any(fact.count for name, fact in status.facts.items() if name in _FACTS):
        is_fresh = now - status.looked_at < _LOOKED_LATELY
        looked = "less than an hour ago" if is_fresh else f"on {_time(status.looked_at)}"
        yield Finding(
            "good", "in order", f"No file is held, no check is red, no run has failed: last looked at {looked}."
        )
