"""exports/status.json and exports/health.json: what waits for somebody, as counts and names of checks, and the sums of
the ledger, for who may read neither landing/ nor the ledger nor Dagster's instance. No file's name, nobody's id.

Who knows a fact notes it: `umg run` and the daily schedule at their end, the sensors at each tick.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from umg_assets import clock
from umg_assets.planning.health import health_of
from umg_assets.planning.history import History
from umg_assets.resources.json_files import read_json, write_json
from umg_assets.resources.locks import exclusive
from umg_assets.resources.published import HEALTH

STATUS = "status.json"
_LOCK = ".status.lock"
AGE_CHECKS = ("newest_delivery", "newest_play")
"""Checks of how old the data is: red on any old export, which is no fault of the run. They are shown, and no more."""
HELD, STUCK, FAILED_LANDINGS, FAILED_RUNS, FAILED_CHECKS, STALE, RUN_SECONDS = (
    "held",
    "stuck",
    "failed_landings",
    "failed_runs",
    "failed_checks",
    "stale",
    "run_seconds",
)
"""The facts: files and folders held since they shrank; files that no time helps; runs that failed over files that
still have to land, and over tables that are still stale; checks that failed when they were last executed; partitions
that still have to be built; seconds that the last `umg run` or daily run took."""


@dataclass(frozen=True)
class FailedCheck:
    """A check that failed when it was last executed. is_error: of severity ERROR; seen: the result, and what to do."""

    asset: str
    name: str
    is_error: bool
    seen: str

    @property
    def brief(self) -> tuple[str, str, bool]:
        """The check without what it saw, which may name files: asset, name, whether it is an error."""
        return self.asset, self.name, self.is_error


@dataclass(frozen=True)
class Fact:
    """What is so, since when (UTC): a count, or checks as (asset, check, whether of severity ERROR)."""

    count: int
    since: datetime
    checks: tuple[tuple[str, str, bool], ...] = ()


@dataclass(frozen=True)
class Status:
    """The facts that somebody has noted, and when somebody last looked (UTC); None: nobody has."""

    facts: dict[str, Fact]
    looked_at: datetime | None


def note(home: Path, **facts: int | Sequence[tuple[str, str, bool]]) -> None:
    """Notes facts; others stay as they are. The file is replaced, as a whole, only where one is another than it was;
    its time of change is that of the last look."""
    folder = home / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder / _LOCK):
        file = folder / STATUS
        before = read_json(file)
        after = dict(before)
        for name, given in facts.items():
            plain: Any = given if isinstance(given, int) else [list(check) for check in given]
            if before.get(name, {}).get("is") != plain:
                after[name] = {"is": plain, "since": clock.now().isoformat(timespec="seconds")}
        if after != before or not file.exists():
            write_json(file, after)
        now = clock.now().timestamp()
        os.utime(file, (now, now))


def note_sums(home: Path, history: History) -> None:
    """Writes the sums of the ledger (planning/health.py) where it holds more than they do: not every delivery leads to
    a new published set."""
    folder = home / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder / _LOCK):
        if read_json(folder / HEALTH).get("sequence") != history.sequence:
            write_json(folder / HEALTH, health_of(history))


def newest_sums(home: Path, published: Mapping[str, Any]) -> Mapping[str, Any]:
    """The sums of the ledger that are newest: those noted, or those of the published set."""
    noted = read_json(home / "exports" / HEALTH)
    return noted if noted.get("sequence", -1) > published.get("sequence", -1) else published


def read_status(home: Path) -> Status:
    """What is noted; no fact where nobody has looked yet."""
    file = home / "exports" / STATUS
    try:
        looked_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except FileNotFoundError:
        return Status({}, None)
    return Status({name: _fact(noted) for name, noted in read_json(file).items()}, looked_at)


def _fact(noted: dict[str, Any]) -> Fact:
    what, since = noted["is"], datetime.fromisoformat(noted["since"])
    if isinstance(what, int):
        return Fact(what, since)
    return Fact(len(what), since, tuple((asset, check, is_error) for asset, check, is_error in what))
