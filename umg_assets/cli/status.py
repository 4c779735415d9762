"""`umg status`: how a lakehouse is, on one screen, or as JSON for monitors. Starts no engine and changes nothing."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from umg_assets import clock, tables
from umg_assets.cli.console import say
from umg_assets.resources.findings import Finding, findings_of, worst_first
from umg_assets.resources.locations import location_of
from umg_assets.settings.model import read_settings

if TYPE_CHECKING:
    from umg_assets.landing.scan import Scan
    from umg_assets.settings.model import Settings

LOOK = 3
"""The exit code where something is wrong with the data."""
_SHOWN = 6
_NAMED = 3
_DAEMON_SILENT = timedelta(minutes=5)


@dataclass(frozen=True)
class Status:
    """How a lakehouse is; `umg status --json` prints the fields by name, docs/operations.md says what they hold."""

    home: str
    as_of: str
    good: bool
    newest: list[dict[str, Any]]
    files: dict[str, Any]
    stale: dict[str, int]
    running: list[dict[str, str]]
    records: dict[str, int]
    next_daily: str
    daemon_seen: str | None
    table_bytes: dict[str, int]
    findings: list[dict[str, str]] = field(default_factory=list)


def show_status(home: Path, as_json: bool) -> int:
    """Prints the status; returns the exit code: 0, or LOOK where a finding is bad. Raises SettingsError."""
    status = status_of(home)
    if as_json:
        print(json.dumps(asdict(status), ensure_ascii=False, indent=1))
    else:
        for label, style, text in _lines(status):
            say(f"{label:<11}", style, text)
    return 0 if status.good else LOOK


def status_of(home: Path) -> Status:
    """How a lakehouse is now. Raises SettingsError where umg.toml cannot be read."""
    from umg_assets.catalogue import Catalogue
    from umg_assets.planning.health import health_of
    from umg_assets.planning.required import plan
    from umg_assets.resources.dagster_files import known_to_dagster
    from umg_assets.resources.ledger import Ledger
    from umg_assets.resources.published import complete_through

    settings, now = read_settings(home), clock.now()
    catalogue, history = Catalogue.of(settings), Ledger(home).read()
    known, local = known_to_dagster(home, catalogue.planned), now.astimezone(ZoneInfo(settings.time_zone))
    sums, files, trouble = health_of(history), *_files(settings, history)
    found = worst_first([*trouble, *findings_of(home, sums, complete_through(home), settings, now)])
    parts = ("records_read", "landed", "quarantined", "filtered", "suppressed")
    return Status(
        home=str(home),
        as_of=now.isoformat(timespec="seconds"),
        good=not any(finding.level == "bad" for finding in found),
        newest=[
            {name: row[name] for name in ("source", "delivery_date", "day", "landed_at")} for row in sums["newest"]
        ],
        files={**files, "refused": sums["files_refused"], "half_landed": sums["unfinished"]},
        stale={
            name: len(keys)
            for name, keys in plan(history, known.watermarks, catalogue, local.date()).partitions.items()
        },
        running=[{"name": name, "since": since.isoformat(timespec="seconds")} for name, since in known.running],
        records={part: sum(row[part] for row in sums["records"]) for part in parts},
        next_daily=_next_daily(settings, local).isoformat(timespec="minutes"),
        daemon_seen=known.daemon_seen.isoformat(timespec="seconds") if known.daemon_seen else None,
        table_bytes=dict(sorted(_sizes(home).items(), key=lambda of: (-of[1], of[0]))),
        findings=[{name: getattr(of, name) for name in ("level", "subject", "sentence", "action")} for of in found],
    )


def _files(settings: "Settings", history: Any) -> tuple[dict[str, Any], list[Finding]]:
    """The files of landing/ that have not landed, and why not; a finding where landing/ cannot be looked at."""
    from umg_assets.landing.bucket import unfetched
    from umg_assets.landing.scan import LandingError, Scan, scan

    found, to_fetch, trouble = Scan(), set[str](), []
    try:
        found = scan(settings, history)
        to_fetch = unfetched(settings)
    except (LandingError, OSError) as error:
        trouble = [Finding("bad", "landing/", f"{error}.")]
    return {
        "to_fetch": len(to_fetch) if settings.places.landing and not trouble else None,
        "new": len(found.changed),
        "held": dict(sorted(Counter(file.kind for file, _ in found.held).items())),
        "waiting": dict(sorted(_reasons(found).items())),
        "unclaimed": len(found.unclaimed),
    }, trouble


def _reasons(found: "Scan") -> Mapping[str, str]:
    """Why a file or folder waits, by path."""
    return {path: reason.removeprefix(f"{path}: ") for path, reason in found.waiting.items()}


def _to_fetch(number: int | None) -> str:
    return "" if number is None else f"{number:,} of the bucket to fetch, "


def _next_daily(settings: "Settings", local: datetime) -> datetime:
    """When the daily schedule is due next, in local time."""
    hour, minute = map(int, settings.automation.daily_at.split(":"))
    due = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return due if due > local else due + timedelta(days=1)


def _sizes(home: Path) -> dict[str, int]:
    """By table, the bytes of its files, those of older versions included."""
    sizes = {table.name: sum(file.size for file in location_of(home, table).files()) for table in tables.ALL}
    return {name: size for name, size in sizes.items() if size}


def _lines(status: Status) -> Iterator[tuple[str, str, str]]:
    """Label, style and text of at most 24 lines."""
    good = "in order" if status.good else "needs a look"
    yield "state", "green" if status.good else "red", f"{good}: {status.home}"
    for row in status.newest:
        day = f"; newest {'event' if row['source'] == 'events' else 'play'} {row['day']}" if row["day"] else ""
        yield (
            row["source"],
            "",
            f"newest delivery {row['delivery_date']}{day}; last file landed {_minute(row['landed_at'])}",
        )
    if not status.newest:
        yield "deliveries", "yellow", "no file has landed"
    files, held = status.files, sum(status.files["held"].values())
    yield (
        "landing/",
        "",
        (
            f"{_to_fetch(files['to_fetch'])}{files['new']:,} to land, {held:,} held, "
            f"{len(files['waiting']):,} waiting, {files['refused']:,} refused, {files['unclaimed']:,} of no source"
        ),
    )
    for path, reason in list(files["waiting"].items())[:_NAMED]:
        yield "waits", "yellow", f"{path}: {reason}"
    count = sum(status.stale.values())
    yield "stale", "yellow" if count else "", _most(status.stale, f"{count:,} partitions") if count else "nothing"
    for of in status.running[:_NAMED]:
        yield "running", "", f"{of['name']} since {_minute(of['since'])}"
    if not status.running:
        yield "running", "", "nothing"
    read, aside = status.records["records_read"], status.records["quarantined"]
    yield "quarantine", "", f"{aside:,} of {read:,} records"
    yield "next", "", f"daily at {_minute(status.next_daily)}{'' if _lives(status) else ': only while `umg dev` runs'}"
    sizes = {name: f"{size / 1e6:,.1f} MB" for name, size in status.table_bytes.items()}
    yield "tables", "", _most(sizes, f"{sum(status.table_bytes.values()) / 1e6:,.1f} MB")
    shown = [of for of in status.findings if of["level"] != "good"]
    for of in shown[:_SHOWN]:
        action = f" {of['action'][:1].upper()}{of['action'][1:]}." if of["action"] else ""
        yield of["subject"], "red" if of["level"] == "bad" else "yellow", f"{of['sentence']}{action}"
    if len(shown) > _SHOWN:
        yield "", "", f"and {len(shown) - _SHOWN} more: --json shows all"


def _most(of: Mapping[str, Any], total: str) -> str:
    """A total and the first few of what it is made of."""
    named = ", ".join(f"{name} {value}" for name, value in list(of.items())[:_NAMED])
    more = f" and {len(of) - _NAMED} more" if len(of) > _NAMED else ""
    return f"{total}: {named}{more}" if named else total


def _minute(iso: str) -> str:
    """A time for people, with its offset from UTC."""
    at = datetime.fromisoformat(iso)
    return f"{at:%Y-%m-%d %H:%M}{' UTC' if not at.utcoffset() else ''}"


def _lives(status: Status) -> bool:
    seen = datetime.fromisoformat(status.daemon_seen) if status.daemon_seen else None
    return bool(seen) and datetime.fromisoformat(status.as_of) - seen < _DAEMON_SILENT
