"""What goes by its age, by whole delivery days: files of landing/, records in quarantine, raw plays and events.

The ledger notes it first, as `expired`; then it goes. A process that dies in between leaves some of it, and the next
one finds it by its age again. What has been delivered anew since the note counts as never gone.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from umg_assets import tables
from umg_assets.calendar import local_today, utc_today
from umg_assets.catalogue import Catalogue, landing_asset
from umg_assets.landing.bucket import fetch, remove
from umg_assets.landing.fingerprints import content_hash_of, signature_of
from umg_assets.landing.scan import scan
from umg_assets.landing.sealing import sealing_alone
from umg_assets.planning.composed_ids import still_settled
from umg_assets.planning.entry import Entry
from umg_assets.planning.history import History
from umg_assets.planning.required import plan
from umg_assets.planning.watermark import Watermarks
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.slices import Slice
from umg_assets.settings.model import Settings
from umg_assets.tables import Kind, Table

RAW: tuple[Table, ...] = tuple(tables.RAW[kind] for kind in tables.OCCURRENCES)
"""The raw tables that go by age. Users and tracks stay: every later day is built with them."""
_DAYS = 200
"""Delivery days in one write: a slice names its days."""


class RetentionError(RuntimeError):
    """A run is under way that may read what would go; the message says which, and what to do."""


@dataclass(frozen=True)
class Removed:
    """What went. what: a table's name, or the asset of a kind's files. days: delivery days. number: of rows (files)."""

    what: str
    days: Sequence[date]
    number: int


@dataclass
class Outcome:
    """What went by age; and why raw rows that are old enough stay for now, "" if none do."""

    removed: list[Removed] = field(default_factory=list)
    raw_stays: str = ""


@dataclass(frozen=True)
class Others:
    """What removing needs to know of the rest of the lakehouse.

    watermarks: how far each partition has been built. under_way: the other runs and backfills, queued or running.
    """

    watermarks: Callable[[], Watermarks]
    under_way: Callable[[], Sequence[str]]


class Retention:
    """Removes what is older than `[privacy]` of umg.toml says. Older: delivered more than so many days ago, in UTC."""

    def __init__(
        self, settings: Settings, catalogue: Catalogue, lakehouse: Lakehouse, ledger: Ledger, others: Others
    ) -> None:
        self._settings, self._catalogue, self._lakehouse = settings, catalogue, lakehouse
        self._ledger, self._others = ledger, others

    def remove_old(self) -> Outcome:
        """Removes it, and finishes what a killed call has left. Nothing lands meanwhile.

        Raises RetentionError when a run begins while raw rows are about to go, LandingError without a landing/,
        ForgettingError while people are being forgotten.
        """
        outcome = Outcome()
        if not self._ledger.read().sequence:
            return outcome
        self._lakehouse.create_tables()
        with sealing_alone(self._settings.home):
            outcome.removed += self._files()
            outcome.removed += self._quarantined()
            outcome.removed += self._raw(outcome)
        return outcome

    def _before(self, days: int) -> date:
        """The first delivery day that is not older than so many days."""
        return utc_today() - timedelta(days=days)

    def _files(self) -> Iterator[Removed]:
        if not (keep := self._settings.privacy.keep_landing_days):
            return
        fetch(self._settings)
        history = self._ledger.read()
        old: dict[tuple[str, date], list[tuple[str, list[Entry]]]] = {}
        for path, entries in self._landed_files(history):
            if all(entry.delivery_date < self._before(keep) for entry in entries):
                for entry in entries:
                    old.setdefault((entry.source, entry.delivery_date), []).append((path, entries))
        new = [
            (landing_asset(kind), "", day)
            for (kind, day), files in sorted(old.items())
            if not all(
                history.gone(landing_asset(kind), entry)
                for _, entries in files
                for entry in entries
                if entry.source == kind
            )
        ]
        self._ledger.expire(new)
        leaving: dict[str, tuple[str, date, list[Entry]]] = {}
        for (kind, day), files in sorted(old.items()):
            for path, entries in files:
                if path not in leaving and _has_landed(self._settings.landing / path, entries):
                    leaving[path] = kind, day, entries
        for path in remove(self._settings, leaving):
            del leaving[path]
        gone: dict[str, list[date]] = {}
        for path, (kind, day, entries) in leaving.items():
            file = self._settings.landing / path
            if _has_landed(file, entries):  # not delivered anew meanwhile
                file.unlink()
                gone.setdefault(kind, []).append(day)
        for kind, days in gone.items():
            yield Removed(landing_asset(kind), sorted(set(days)), len(days))

    def _landed_files(self, history: History) -> Iterator[tuple[str, list[Entry]]]:
        """The files in landing/ whose content now has landed, as every source says that takes them; none that waits.

        Files that lie elsewhere (a source with an absolute path) are their owner's.
        """
        seen = scan(self._settings, history)
        last = history.about(seen.claimed).latest()
        not_landed = {*seen.waiting, *(file.path for file in (*seen.changed, *(file for file, _ in seen.held)))}
        kinds: dict[str, list[Kind]] = {}
        for kind, path in seen.claimed:
            kinds.setdefault(path, []).append(kind)
        for path, of_path in sorted(kinds.items()):
            entries = [last.get((kind, path)) for kind in of_path]
            folder = path.rpartition("/")[0] or "."
            if not Path(path).is_absolute() and not_landed.isdisjoint((path, folder)) and None not in entries:
                yield path, [entry for entry in entries if entry]

    def _quarantined(self) -> Iterator[Removed]:
        before = self._before(self._settings.privacy.keep_quarantine_days)
        days = [day for day in self._days_of(tables.QUARANTINE) if day < before]
        yield from self._empty(tables.QUARANTINE, days)

    def _raw(self, outcome: Outcome) -> Iterator[Removed]:
        if not (keep := self._settings.privacy.keep_raw_days):
            return
        old = {day for table in RAW for day in self._days_of(table) if day < self._before(keep)}
        if not old:
            return
        history, today = self._ledger.read(), local_today(self._settings.time_zone)
        outcome.raw_stays = self._not_up_to_date(history, today)
        days: list[date] = []
        unfinished, played = _unfinished_days(history), _played_days(history.of_days(old))
        for day in () if outcome.raw_stays else sorted(old):
            # what has gone must be the oldest: else a copy that is left would count although a later one had won
            broken_off = (
                f"a run that landed files of {day} was broken off: `umg run` first" if day in unfinished else ""
            )
            if reason := broken_off or self._still_needed(day, played.get(day, set()), today):
                outcome.raw_stays = reason
                break
            days.append(day)
        for table in RAW:
            yield from self._empty(table, [day for day in self._days_of(table) if day in days], self._check_alone)

    def _not_up_to_date(self, history: History, today: date) -> str:
        """Why nothing may go yet of what tables are built from; "" if they are up to date and nobody is at work."""
        if others := self._others.under_way():
            return f"{others[0]} is under way"
        seen = scan(self._settings, history)
        if files := len(seen.news) - len(seen.ids):
            return f"{files} new or changed files wait in landing/: `umg run` first"
        if seen.ids:
            return "ids that contain user_id are not settled (privacy.pseudonyms): `umg run` first"
        stale = plan(history, self._others.watermarks(), self._catalogue, today).partitions
        return f"{', '.join(stale)} are not up to date: `umg run` first" if stale else ""

    def _still_needed(self, day: date, held: Collection[date], today: date) -> str:
        """Why the raw rows of a delivery day are still needed; "" if they are not. held: their local days.

        Rows of the last correction_days keep their delivery (a wrong clock may have dated them ahead): these days are
        still being corrected. Days that have not begun are in no table, and do not count.
        """
        corrected = today - timedelta(days=self._settings.correction_days)
        if recent := [played for played in held if corrected < played <= today]:
            return f"deliveries of {day} hold plays or events of {max(recent)}, which may still be corrected"
        for name, experiment in self._settings.experiments.items():
            under_way = today < experiment.settles_on(experiment.last_day)
            if under_way and any(experiment.reads_from <= played <= today for played in held):
                return f"experiment {name} is read from deliveries of {day} until it has settled"
        return ""

    def _check_alone(self) -> None:
        if others := self._others.under_way():
            raise RetentionError(f"{others[0]} has begun meanwhile, and may read what goes: type this again after it")

    def _days_of(self, table: Table) -> list[date]:
        """The delivery days of which a table has rows."""
        return sorted(date.fromisoformat(day) for (day,), rows in self._lakehouse.rows(table).items() if rows)

    def _empty(self, table: Table, days: Sequence[date], check: Callable[[], None] = lambda: None) -> Iterator[Removed]:
        if not days:
            return
        rows = {date.fromisoformat(day): count for (day,), count in self._lakehouse.rows(table).items()}
        settled = still_settled(self._ledger.read(), self._settings.privacy.pseudonyms, utc_today())
        self._ledger.expire(((table.name, "", day) for day in self._to_note(table, days)), settled)
        check()
        for first in range(0, len(days), _DAYS):
            chunk = Slice.days("delivery_date", days[first : first + _DAYS])
            self._lakehouse.write_slice(table, self._lakehouse.read(table, chunk).limit(0), chunk)
        yield Removed(table.name, days, sum(rows[day] for day in days))

    def _to_note(self, table: Table, days: Collection[date]) -> list[date]:
        """Those of the days of which the ledger does not say yet that all of what they brought is gone."""
        history = self._ledger.read()
        kinds = {kind for kind in tables.KINDS if table in (tables.QUARANTINE, tables.RAW[kind])}
        brought = {
            entry.delivery_date
            for entry in history.of_days(days).entries
            if entry.source in kinds and not history.gone(table.name, entry)
        }
        return [day for day in days if day in brought]


def _unfinished_days(history: History) -> set[date]:
    """The delivery days of plays and events whose landing was broken off."""
    return {entry.delivery_date for entry in history.unfinished() if entry.source in tables.OCCURRENCES}


def _played_days(history: History) -> dict[date, set[date]]:
    """By delivery day, the local days of its raw plays and events that have not gone."""
    played: dict[date, set[date]] = {}
    for kind in tables.OCCURRENCES:
        for entry in history.standing(kind):
            if not history.gone(tables.RAW[kind].name, entry):
                played.setdefault(entry.delivery_date, set()).update(entry.brought)
    return played


def _has_landed(file: Path, entries: Sequence[Entry]) -> bool:
    """Whether a file is there, with the content that its entries say has landed."""
    try:
        signature = signature_of(file)
        if all(entry.signature == signature for entry in entries):
            return True
        digest = content_hash_of(file)
    except OSError:
        return False
    return all(entry.content_hash == digest for entry in entries)
