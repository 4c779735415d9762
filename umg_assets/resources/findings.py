"""What is late, set aside, held or red: sentences over the sums of the ledger and what is noted in status.json.

The one place that decides what is wrong: the dashboard, `umg status` and alerts ask it. No file's name, nobody's id.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from umg_assets.calendar import end_of
from umg_assets.resources.status import (
    AGE_CHECKS,
    FAILED_CHECKS,
    FAILED_LANDINGS,
    FAILED_RUNS,
    HELD,
    STUCK,
    Status,
    read_status,
)
from umg_assets.settings.model import Settings
from umg_assets.text import counted

Level = Literal["good", "note", "bad"]
CHECK = "check"
"""How what a finding is about begins where that is a check."""
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


@dataclass(frozen=True)
class Finding:
    """One thing about the data. level: good, note or bad. subject: what it is about, such as `late`. sentence: what is
    so. figure: the count or time behind it. action: what to do; empty if nothing. about: what stays the same while it
    lasts, such as `held`; empty where nobody need be told."""

    level: Level
    subject: str
    sentence: str
    figure: str = ""
    action: str = ""
    about: str = ""


def findings_of(
    home: Path, sums: Mapping[str, Any], complete: date | None, settings: Settings, now: datetime
) -> list[Finding]:
    """What is known of the data now (UTC). sums: of the ledger (planning/health.py); complete: the last complete day
    of plays that is published, if any."""
    return [
        *_late(sums.get("newest", ()), complete, settings, now),
        *_set_aside(sums, settings),
        *_waiting(read_status(home), now),
    ]


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, in their order by level: what is bad, then notes."""
    order = {"bad": 0, "note": 1, "good": 2}
    return tuple(sorted(findings, key=lambda finding: order[finding.level]))


def time_of(at: datetime) -> str:
    """A time (UTC) for people."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _late(
    rows: Sequence[Mapping[str, Any]], complete: date | None, settings: Settings, now: datetime
) -> Iterator[Finding]:
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
        about = f"newest delivery of {source}"
        yield _age(about, words, now - ended, limit, f"{day}", "bad" if source == main else "note")
    if complete:
        ended, words = end_of(complete, settings.time_zone).astimezone(UTC), f"complete day of plays is {complete}"
        limit = settings.freshness.plays_hours
        yield _age("newest complete day", words, now - ended, limit, f"{complete}", "bad")


def _age(about: str, what: str, age: timedelta, limit: int | None, figure: str, worst: Level) -> Finding:
    hours = int(age.total_seconds() // 3600)
    if limit is None or age <= timedelta(hours=limit):
        return Finding("good", "on time", f"The newest {what}.", figure, about=about)
    action = "see whether the exporter delivers into landing/, and type `umg run`"
    sentence = f"The newest {what}: it ended {hours} hours ago, the limit is {limit}."
    return Finding(worst, "late", sentence, figure, action, about)


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
        sentence = f"{counted(refused, 'file')} {'was' if refused == 1 else 'were'} refused whole."
        yield Finding("note", "set aside", sentence, f"{refused:,}", "`umg quarantine` says why")
    if half := sums.get("unfinished"):
        files, them = ("1 file is", "it") if half == 1 else (f"{half:,} files are", "them")
        sentence = f"{files} half landed: a run over {them} was interrupted."
        yield Finding(
            "bad",
            "interrupted",
            sentence,
            f"{half:,}",
            "type `umg run`: it lands what is half landed again",
            "unfinished",
        )


def _share(aside: int, read: int, what: str, how: str, limit: int, only_over: bool = False) -> Iterator[Finding]:
    """Of how many of what were read some are set aside, if any were; a share over the limit (percent) is bad."""
    is_over = aside * 100 > limit * read
    if not aside or (only_over and not is_over):
        return
    share = f"{100 * aside / read:.1f} %"
    sentence = f"{aside:,} of {read:,} {what} are set aside{how} ({share}, the limit is {limit} %)."
    yield Finding(
        "bad" if is_over else "good", "set aside", sentence, share, "`umg quarantine` says why" if is_over else "", what
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
            yield Finding("bad", subject, f"{words} since {time_of(fact.since)}.", f"{fact.count:,}", action, name)
    red = status.facts.get(FAILED_CHECKS)
    checks = [check for check in (red.checks if red else ()) if check[1] not in AGE_CHECKS]
    for asset, check, is_error in checks:
        sentence = f"Check {check} of {asset} was red when it was last executed."
        action, about = "`umg run` or Dagster says what it saw", f"{CHECK} {check} of {asset}"
        yield Finding("bad" if is_error else "note", "red", sentence, "1 check", action, about)
    if not checks and not any(fact.count for name, fact in status.facts.items() if name in _FACTS):
        is_fresh = now - status.looked_at < _LOOKED_LATELY
        looked = "less than an hour ago" if is_fresh else f"on {time_of(status.looked_at)}"
        yield Finding(
            "good", "in order", f"No file is held, no check is red, no run has failed: last looked at {looked}."
        )
