"""Takes people's records out of landing/, the ledger, the raw tables and the quarantine.

Deliveries are written in batches. A batch is noted whole before its ledger entries, its tables and its entries again
are written, in this order: after a crash it is written to its end from the note.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from umg_assets import tables
from umg_assets.calendar import utc_today
from umg_assets.catalogue import landing_asset
from umg_assets.files.rejects import RECORD_REASONS
from umg_assets.forgetting.landing_files import LandingFiles
from umg_assets.forgetting.places import Held, Place, held_of, landed_numbers, records_of
from umg_assets.forgetting.suppressed import suppressed_numbers
from umg_assets.forgetting.work import Batch, Rewritten, Work
from umg_assets.landing.fingerprints import content_hash_of, definition_hash_of, signature_of
from umg_assets.landing.scan import scan
from umg_assets.planning.composed_ids import still_settled
from umg_assets.planning.entry import Entry
from umg_assets.planning.history import History, with_repeats
from umg_assets.privacy.names import Names, is_distinct
from umg_assets.privacy.seals import Seals
from umg_assets.privacy.tombstones import FORGOTTEN_TEXT
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.slices import Slice
from umg_assets.settings.model import Settings
from umg_assets.settings.sources import Source
from umg_assets.tables import Kind, Table
from umg_assets.transforms.records import with_text_of_refused, without_records

_PLACES = 200
"""Deliveries in a batch: a slice names their files, and Sail's time grows with the square of their number."""


_WRITTEN = (*tables.RAW.values(), tables.QUARANTINE)
_Change = tuple[Entry, Sequence[int], bool]


@dataclass(frozen=True)
class People:
    """Those who are forgotten: their ids as delivered, and their keys. others: ids of everybody else."""

    user_ids: tuple[str, ...]
    user_keys: tuple[str, ...]
    others: frozenset[str] = frozenset()


class Erasure:
    """Takes records of people out of a lakehouse's files and of the tables that landing writes."""

    def __init__(self, settings: Settings, lakehouse: Lakehouse, ledger: Ledger, work: Work) -> None:
        self._settings, self._lakehouse, self._ledger, self._work = settings, lakehouse, ledger, work

    def erase(self, people: People, naming: Mapping[str, bool]) -> dict[str, str]:
        """Does all of it; after a crash, the rest. naming: paths of landing files whose bytes name one of them, and
        whether by an id that can hardly be another value.

        Returns, by path, why a file that holds records of theirs, or may hold them, is still in landing/.
        """
        if batch := self._work.read().unfinished:
            self._write(batch)
        names = Names([user_id for user_id in people.user_ids if is_distinct(user_id)])
        common = [user_id for user_id in people.user_ids if not is_distinct(user_id)]
        held = held_of(self._settings.home, people.user_keys, Names(people.user_ids))
        folder = self._lakehouse.staging()
        try:
            files = LandingFiles(self._settings, self._work, names, Names(common) if common else None, naming, folder)
            self._rewrite(files, held, naming)
        finally:
            self._lakehouse.discard(folder)
        changes = list(self._changes(held, files.kept))
        for first in range(0, len(changes), _PLACES):
            entries, erased, stays = zip(*changes[first : first + _PLACES], strict=True)
            written = {table.name: self._lakehouse.version(table) for table in _WRITTEN}
            batch = Batch(list(entries), [sorted(numbers) for numbers in erased], written, list(stays))
            self._work.writing(batch)
            self._write(batch)
        return files.kept

    def _rewrite(self, files: LandingFiles, held: Mapping[Place, Held], naming: Collection[str]) -> None:
        history = self._ledger.read()
        claimed = scan(self._settings, history).claimed
        last = history.about(claimed).latest()
        claims: dict[str, dict[Kind, Source]] = {}
        for (kind, path), (_, source) in claimed.items():
            claims.setdefault(path, {})[kind] = source
        files.clear_drafts(claims)
        left_out = {path for (_, path), entry in last.items() if entry.suppressed}
        landed: dict[str, dict[Kind, Entry]] = {}
        for path in sorted({*(path for _, path, _ in held), *naming, *left_out} & claims.keys()):
            if (self._settings.landing / path).is_file():
                content = content_hash_of(self._settings.landing / path)
                landed[path] = {
                    kind: entry
                    for kind, source in claims[path].items()
                    if (entry := last.get((kind, path)))
                    and entry.content_hash == content
                    and entry.definition_hash == definition_hash_of(self._settings, source, kind)  # by it records count
                }
        present = (entry for of_path in landed.values() for entry in of_path.values())
        suppressed = suppressed_numbers(self._settings, self._lakehouse, claims, present)
        for path, entries in landed.items():
            numbers: dict[Kind, Collection[int]] = {
                kind: suppressed.get((kind, path), set()) | self._known(held, kind, entry)
                for kind, entry in entries.items()
            }
            files.rewrite(path, claims[path], entries, numbers, partial(self._others, held))
        self._keep_unclaimed(files, held, claims, history)

    def _keep_unclaimed(
        self, files: LandingFiles, held: Mapping[Place, Held], claims: Collection[str], history: History
    ) -> None:
        """Notes files that no source takes any more, though records of theirs landed, or were left out, of them."""
        theirs = {(kind, path) for kind, path, _ in held if path not in claims}
        left_out = (entry for entry in history.with_any("suppressed").delivered() if entry.suppressed)
        places = theirs | {(entry.source, entry.path) for entry in left_out if entry.path not in claims}
        for (_, path), entry in history.about(places).latest().items():
            file = self._settings.landing / path
            if not entry.refused and file.is_file() and content_hash_of(file) == entry.content_hash:
                files.kept[path] = "no source takes it any more. Remove it by hand"

    @staticmethod
    def _known(held: Mapping[Place, Held], kind: Kind, entry: Entry) -> set[int]:
        """The numbers of a delivery's records that are known to be theirs; of a file that was refused: none."""
        place = kind, *entry.place
        return held[place].numbers if place in held and not entry.refused else set()

    def _others(self, held: Mapping[Place, Held], kind: Kind, entry: Entry) -> Collection[int]:
        """The numbers of a delivery's records that are known to be other people's."""
        place = kind, *entry.place
        return landed_numbers(self._settings.home, place) - held.get(place, Held()).numbers

    def _changes(self, held: Mapping[Place, Held], kept: Collection[str]) -> Iterator[tuple[Entry, set[int], bool]]:
        """The new ledger entry of each delivery that changes, the numbers of its records that are gone, and whether
        its file, one of `kept`, still holds these."""
        history, to_account = self._ledger.read(), list(self._work.read().to_account())
        of_files = history.about(
            {(kind, path) for kind, path, _ in held} | {(kind, file.path) for kind, file in to_account}
        )
        latest = of_files.latest()
        last = {(entry.source, *entry.place): entry for entry in of_files.delivered()}
        rewritten: dict[Place, Rewritten] = {}
        for kind, file in to_account:
            before = latest.get((kind, file.path))
            if before and before.content_hash == file.before:
                rewritten[kind, file.path, before.delivery_date] = file
        standing = {(entry.source, *entry.place): entry for kind in tables.KINDS for entry in of_files.standing(kind)}
        for place in sorted({*held, *rewritten}, key=lambda place: (place[2], place[:2])):
            theirs, entry = held.get(place, Held()), last.get(place)
            if entry is None:
                continue
            if not entry.refused:
                file = rewritten.get(place)
                if file:  # records of others that name them have gone with the file's
                    also = records_of(self._settings.home, place, {*file.erased[place[0]]} - theirs.numbers)
                    theirs = Held({**also.rows, **theirs.rows}, {**also.quarantined, **theirs.quarantined})
                lowered, gone = self._lowered(history, entry, theirs, file.erased[place[0]] if file else (), file)
                if stays := file is None and entry.path in kept and self._lies_there(entry):  # as if it landed now
                    lowered = replace(lowered, records=entry.records, suppressed=entry.suppressed + len(gone))
                yield lowered, gone, stays
                continue
            if theirs.rows and place in standing:  # of a content that came before the one that was refused
                yield *self._lowered(history, standing[place], Held(theirs.rows)), False
            yield entry, {*theirs.quarantined} & {0}, False

    def _lies_there(self, entry: Entry) -> bool:
        """Whether a file of landing/ is as the ledger has it."""
        try:
            return content_hash_of(self._settings.landing / entry.path) == entry.content_hash
        except FileNotFoundError:
            return False

    def _lowered(
        self, history: History, entry: Entry, theirs: Held, gone: Iterable[int] = (), file: Rewritten | None = None
    ) -> tuple[Entry, set[int]]:
        """The entry of a delivery without their records, and the numbers of these. gone: those that left its file."""
        erased = {*theirs.numbers, *gone}
        suppressed, filtered, reasons = _unlanded(entry, theirs, len(erased), file)
        days = Counter(day.isoformat() for day in theirs.rows.values() if day)
        rows = {day: count - days[day] for day, count in entry.rows_by_play_date.items() if count > days[day]}
        affected = {day for day in theirs.rows.values() if day}
        if file:
            signature = _signature_of(self._settings.landing / entry.path, file.after) or entry.signature
            entry = replace(entry, content_hash=file.after, signature=signature)
        lowered = replace(
            entry,
            records=entry.records - len(erased),
            landed=entry.landed - len(theirs.rows),
            suppressed=entry.suppressed - suppressed,
            filtered=entry.filtered - filtered,
            quarantined=dict(reasons),
            rows_by_play_date=rows,
            play_dates=with_repeats(history, affected, entry.source),
            chart_months=[],
            window_dates=[],
            chart_dates=[],
        )
        return lowered, erased

    def _write(self, batch: Batch) -> None:
        """Writes a batch, or the rest of it: the ledger, each table that has not been written since, the ledger.

        What had gone by age of these deliveries is noted again: their new entries count as delivered since.
        """
        history = self._ledger.read()
        stays = batch.stays or [False] * len(batch.entries)
        erased = list(zip(batch.entries, batch.erased, stays, strict=True))
        by_kind: dict[Kind, list[_Change]] = {
            kind: [change for change in erased if change[0].source == kind] for kind in tables.KINDS
        }
        with self._ledger.change(batch.entries):
            for kind, of_kind in by_kind.items():
                self._without(batch, tables.RAW[kind], of_kind, [_slice(of_kind)] if of_kind else [])
            slices = [_slice(of_kind, kind) for kind, of_kind in by_kind.items() if of_kind]
            self._without(batch, tables.QUARANTINE, erased, slices)
        gone = (
            (what, entry.path, entry.delivery_date)
            for kind, of_kind in by_kind.items()
            for entry, *_ in of_kind
            for what in (landing_asset(kind), tables.RAW[kind].name, tables.QUARANTINE.name)
            if history.gone(what, entry)
        )
        self._ledger.expire(gone, still_settled(history, self._settings.privacy.pseudonyms, utc_today()))
        self._work.note("landed")

    def _without(self, batch: Batch, table: Table, erased: Sequence[_Change], slices: Sequence[Slice]) -> None:
        """Writes slices of a table without some records, unless that has been done since the batch was noted."""
        if not slices or self._lakehouse.version(table) != batch.versions[table.name]:
            return
        folder, replaced = self._lakehouse.staging(), reduce(Slice.__or__, slices)
        try:
            gone = self._lakehouse.spark.read.parquet(str(_marks(folder / "gone.parquet", erased)))
            rows = self._lakehouse.read(table, replaced)
            place = ["delivery_date", "source_file"]
            if table is tables.QUARANTINE:
                place.append("source")
                rows = with_text_of_refused(
                    rows, gone, Seals(self._settings.home).seal_texts([FORGOTTEN_TEXT])[0] or ""
                )
            self._lakehouse.write_slice(table, without_records(rows, gone, place), replaced)
        finally:
            self._lakehouse.discard(folder)


def _unlanded(entry: Entry, theirs: Held, erased: int, file: Rewritten | None) -> tuple[int, int, Counter[str]]:
    """How many of the records that are gone were suppressed, how many filtered, and the reasons that are left.

    Those bad records of theirs that the file had beyond those kept have the reasons that its parser gave.
    """
    kind: Kind = entry.source  # type: ignore[assignment]
    rejected, beyond = (Counter(by.get(kind, {})) for by in ((file.rejected, file.beyond) if file else ({}, {})))
    reasons = Counter(entry.quarantined) - Counter(theirs.quarantined.values()) - beyond
    left = erased - len(theirs.numbers) - beyond.total()
    suppressed = min(left, entry.suppressed)
    # of records in quarantine no longer, or never: these have the parser's reasons, too
    bad = rejected - beyond - Counter(theirs.quarantined.values())
    filtered = max(0, min(left - suppressed, left - bad.total(), entry.filtered))
    # what is left of them was in quarantine until it went by age: of others nobody knows of which reason
    known = Counter(list((bad & reasons).elements())[: left - suppressed - filtered])
    reasons -= known
    others = Counter({reason: count for reason, count in reasons.items() if reason not in RECORD_REASONS} or reasons)
    reasons -= Counter(list(others.elements())[: left - suppressed - filtered - known.total()])
    return suppressed, filtered, reasons


def _slice(changes: Iterable[_Change], kind: Kind | None = None) -> Slice:
    return Slice.files(((entry.delivery_date, entry.path) for entry, *_ in changes), kind)


def _signature_of(path: Path, content_hash: str) -> str | None:
    """A file's signature; None where it has been moved out, or delivered anew, meanwhile."""
    try:
        signature = signature_of(path)
        return signature if content_hash_of(path) == content_hash else None
    except FileNotFoundError:
        return None


def _marks(file: Path, changes: Sequence[_Change]) -> Path:
    """A Parquet file of the records that go: source, delivery_date, source_file, record, stays."""
    rows = [(entry, number, stays) for entry, numbers, stays in changes for number in numbers]
    marks = pa.table(
        {
            "source": pa.array([entry.source for entry, *_ in rows], pa.string()),
            "delivery_date": pa.array([entry.delivery_date for entry, *_ in rows], pa.date32()),
            "source_file": pa.array([entry.path for entry, *_ in rows], pa.string()),
            "record": pa.array([number for _, number, _ in rows], pa.int64()),
            "stays": pa.array([stays for *_, stays in rows], pa.bool_()),
        }
    )
    pq.write_table(marks, file)
    return file
