"""What `umg run` did; and whether it would find nothing, told without Dagster from what the last one left.

Importing Dagster takes longer than everything else that finding nothing new takes.
"""

import hashlib
import importlib.metadata
import json
import sqlite3
import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

from umg_assets.calendar import local_today
from umg_assets.landing.bucket import fetch
from umg_assets.landing.scan import Scan, scan
from umg_assets.planning.history import History
from umg_assets.resources.json_files import read_json, write_json
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.status import FailedCheck, note
from umg_assets.settings.groups import Alerts
from umg_assets.settings.model import Settings

Keys = dict[str, list[str]]


@dataclass
class Report:
    """What a `umg run` did: runs, partitions by asset; what waits; refused: assets that a blocking check refused, and
    blocked: those that are stale, and wait for them; stale: how many partitions were when it last looked.

    history: the ledger after it; since: the ledger's sequence before it. failed_checks: the checks that failed
    when they were last executed. untouched_days: local days of which something came, and whose plays stay as they are,
    because raw rows of them have gone by age.
    """

    scan: Scan = field(default_factory=Scan)
    history: History = field(default_factory=lambda: History(()))
    since: int = 0
    failed_checks: list[FailedCheck] = field(default_factory=list)
    runs: int = 0
    partitions: Keys = field(default_factory=dict)
    waiting_days: list[date] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    stale: int = 0
    untouched_days: list[date] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> int:
        """How long it has taken so far."""
        return round(time.monotonic() - self.began)


class Events:
    """What Dagster knew when this was made. file: the SQLite file in which it keeps the events of assets."""

    def __init__(self, file: Path) -> None:
        self.file, self.newest = file, _newest_event(file)

    def are_newest(self) -> bool:
        """Whether it knows no more and no less now."""
        return self.newest is not None and self.newest == _newest_event(self.file)


def nothing_is_stale(settings: Settings, report: Report, events: Events) -> None:
    """Leaves word that a run found nothing stale: of which ledger, day, settings and events, and what it reported."""
    left = {
        "state": _state(settings, report.history),
        "events": str(events.file),
        "newest_event": events.newest,
        "failed_checks": [asdict(check) for check in report.failed_checks],
        "waiting_days": [day.isoformat() for day in report.waiting_days],
    }
    write_json(_file(settings), left)


def nothing_new(settings: Settings) -> Report | None:
    """The report of a run that would do nothing: no file is new, and neither ledger, day, settings nor what Dagster
    knows has changed since a run found nothing stale. None where a run must look. Raises LandingError without a
    landing/, or when it cannot be fetched."""
    left = read_json(_file(settings))
    if not left:
        return None
    history = Ledger(settings.home).read()
    if left["state"] != _state(settings, history) or left["newest_event"] != _newest_event(Path(left["events"])):
        return None
    fetch(settings)
    files = scan(settings, history)
    if files.news:
        return None
    note(settings.home, held=len(files.held), stuck=len(files.stuck))
    if settings.alerts != Alerts():  # what sends them takes a while to import
        from umg_assets.resources.alerts import tell

        tell(settings)
    checks = [FailedCheck(**check) for check in left["failed_checks"]]
    waiting = [date.fromisoformat(day) for day in left["waiting_days"]]
    return Report(files, history, history.sequence, checks, waiting_days=waiting)


def _file(settings: Settings) -> Path:
    return settings.home / "dagster" / "nothing_stale.json"


def _state(settings: Settings, history: History) -> str:
    """What decides, beside Dagster's events, which partitions are stale."""
    release = importlib.metadata.version("umg-assets")
    decided_by = [history.sequence, local_today(settings.time_zone).isoformat(), settings.model_dump_json(), release]
    return hashlib.sha256(json.dumps(decided_by).encode()).hexdigest()


def _newest_event(events: Path) -> list[int] | None:
    """The number of the newest event, and how many there are (fewer once somebody has wiped an asset)."""
    try:
        with closing(sqlite3.connect(f"file:{events}?mode=ro", uri=True, timeout=10)) as connection:
            return list(connection.execute("select coalesce(max(id), 0), count(*) from event_logs").fetchone())
    except sqlite3.Error:
        return None
