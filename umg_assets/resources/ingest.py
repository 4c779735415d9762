"""From new or changed files to the raw tables: staged, entered in the ledger, written, quarantined; in chunks."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.planning import with_repeats
from umg_assets.resources.identity import UserKeys
from umg_assets.resources.lakehouse import Commit, Lakehouse
from umg_assets.resources.landing import LandingFile
from umg_assets.resources.ledger import Entry, History, Ledger
from umg_assets.resources.proofs import prove_accounted
from umg_assets.resources.slices import Slice
from umg_assets.resources.staging import FILTERED, Chunk, StagedFile, parts, stage
from umg_assets.resources.touch import touched
from umg_assets.settings import Settings
from umg_assets.tables import Kind, Table

_PLAIN_SIZE = {".gz": 6, ".zst": 6, ".bz2": 8, ".parquet": 4}
_BYTES_A_PLAY = 120
# a slice names its files, and what Sail takes to replace it grows with the square of their number: 6 s for 1,000
_FILES = 200


class Ingest:
    """Lands files in chunks of whole files, so that memory does not follow the history."""

    def __init__(self, settings: Settings, lakehouse: Lakehouse, ledger: Ledger) -> None:
        self._settings, self._lakehouse, self._ledger = settings, lakehouse, ledger
        self._keys = UserKeys(settings.home)

    def land(
        self, files: Sequence[LandingFile], progress: Callable[[int, int], None] | None = None
    ) -> tuple[list[Entry], dict[str, Commit]]:
        """Lands the files. Returns their ledger entries and, by table, what was committed.

        progress is called with the number of files landed and of all. Raises KeyFileError when the key file of a
        lakehouse that holds users is missing, SettingsError when a source's expressions do not fit its files.
        """
        entries: list[Entry] = []
        commits: dict[str, Commit] = {}
        if not self._ledger.read().entries:
            self._keys.make()
        for file in files:
            if file.moved_from:
                self._withdraw(file, file.moved_from, commits)
        for chunk in self._chunks(files):
            folder = self._lakehouse.staging()
            try:
                entries += self._land_chunk(stage(chunk, folder, self._settings, self._lakehouse), folder, commits)
            finally:
                self._lakehouse.discard(folder)
            if progress:
                progress(len(entries), len(files))
        return entries, commits

    def _chunks(self, files: Sequence[LandingFile]) -> Iterator[list[LandingFile]]:
        chunk: list[LandingFile] = []
        room, size = self._settings.chunk_plays * _BYTES_A_PLAY, 0
        for file in files:
            plain = file.absolute.stat().st_size * _PLAIN_SIZE.get(file.absolute.suffix, 1)
            if chunk and (size + plain > room or len(chunk) == _FILES):
                yield chunk
                chunk, size = [], 0
            chunk.append(file)
            size += plain
        if chunk:
            yield chunk

    def _land_chunk(self, chunk: Chunk, folder: Path, commits: dict[str, Commit]) -> list[Entry]:
        history = self._ledger.read()
        entries = _entries(chunk)
        prove_accounted(entries)
        for kind in chunk.typed.keys() & tables.MOMENTS.keys():
            entries = touched(entries, kind, chunk, history, self._lakehouse, self._settings.correction_days, folder)
        with self._ledger.change(entries):
            keys = self._user_keys(chunk, folder)
            for kind, typed in chunk.typed.items():
                own = [one for one in chunk.files if one.file.kind == kind and one.parsed.refused is None]
                rows = self._raw_rows(kind, typed, own, keys)
                self._commit(commits, tables.RAW[kind], rows, _slice(own))
            self._quarantine(commits, chunk, entries, history, folder)
        return entries

    def _withdraw(self, file: LandingFile, delivered: date, commits: dict[str, Commit]) -> None:
        """Takes out what the file's content landed as under another delivery date, before it lands under its own."""
        history = self._ledger.read()
        before = [
            entry
            for entry in history.entries
            if (entry.source, entry.path, entry.delivery_date) == (file.kind, file.path, delivered)
        ]
        emptied = Entry(
            source=file.kind,
            path=file.path,
            delivery_date=delivered,
            content_hash=file.content_hash,
            play_dates=with_repeats(history, {day for entry in before for day in entry.play_dates}, file.kind),
        )
        with self._ledger.change([emptied]):
            for table, own in (
                (tables.RAW[file.kind], Slice.files([(delivered, file.path)])),
                (tables.QUARANTINE, Slice.files([(delivered, file.path)], file.kind)),
            ):
                self._commit(commits, table, self._lakehouse.read(table, own).limit(0), own)

    def _commit(self, commits: dict[str, Commit], table: Table, rows: DataFrame, replaced: Slice) -> None:
        commit = self._lakehouse.write_slice(table, rows, replaced)
        commits[table.name] = commits[table.name] + commit if table.name in commits else commit

    def _user_keys(self, chunk: Chunk, folder: Path) -> DataFrame:
        """user_id and user_key of the chunk's users, computed once each."""
        user_ids = chunk.user_ids()
        file = folder / "user_keys.parquet"
        pq.write_table(
            pa.table(
                {"user_id": pa.array(user_ids, pa.string()), "user_key": pa.array(self._keys.of(user_ids), pa.string())}
            ),
            file,
        )
        return self._lakehouse.spark.read.parquet(str(file))

    def _raw_rows(self, kind: Kind, typed: Path, own: Sequence[StagedFile], keys: DataFrame) -> DataFrame:
        spark = self._lakehouse.spark
        files = spark.createDataFrame(
            [(one.number, one.file.delivery_date, one.file.path) for one in own],
            "_file int, delivery_date date, source_file string",
        )
        # left joins: no record can go; what they do not find is a NULL, which the write refuses
        good = spark.read.parquet(*parts(typed)).where("reason is null").join(F.broadcast(files), "_file", "left")
        if kind != "tracks":
            good = good.join(F.broadcast(keys), "user_id", "left")
        return good.select(*tables.RAW[kind].names)

    def _quarantine(
        self, commits: dict[str, Commit], chunk: Chunk, entries: Sequence[Entry], history: History, folder: Path
    ) -> None:
        """Writes the rejects of files that have some, and empties those of files that had some before."""
        had = {(entry.source, entry.path, entry.delivery_date) for entry in history.entries if entry.quarantined}
        concerned = [
            one
            for one, entry in zip(chunk.files, entries, strict=True)
            if entry.quarantined or (entry.source, entry.path, entry.delivery_date) in had
        ]
        if not concerned:
            return
        by_kind = [[one for one in concerned if one.file.kind == kind] for kind in tables.KINDS]
        replaced = reduce(Slice.__or__, (_slice(own, own[0].file.kind) for own in by_kind if own))
        facts = {one.number: one.file for one in chunk.files}
        numbers = chunk.rejects.column("file").to_pylist()
        rejects = pa.table(
            {
                "source": pa.array([facts[number].kind for number in numbers], pa.string()),
                "delivery_date": pa.array([facts[number].delivery_date for number in numbers], pa.date32()),
                "source_file": pa.array([facts[number].path for number in numbers], pa.string()),
                **{name: chunk.rejects.column(name) for name in ("record", "reason", "text")},
            }
        )
        file = folder / "rejects.parquet"
        pq.write_table(rejects, file)
        self._commit(commits, tables.QUARANTINE, self._lakehouse.spark.read.parquet(str(file)), replaced)


def _slice(files: Iterable[StagedFile], kind: Kind | None = None) -> Slice:
    return Slice.files(((one.file.delivery_date, one.file.path) for one in files), kind)


def _entries(chunk: Chunk) -> list[Entry]:
    """An entry a file, in the chunk's order: what was read, landed, filtered and set aside."""
    landed: Counter[int] = Counter()
    filtered: Counter[int] = Counter()
    by_day: dict[int, Counter[str]] = {one.number: Counter() for one in chunk.files}
    for number, reason, play_date, count in chunk.counts():
        if reason == "":
            landed[number] += count
            if play_date:
                by_day[number][play_date.isoformat()] += count
        elif reason == FILTERED:
            filtered[number] += count
    reasons: dict[int, Counter[str]] = {one.number: Counter() for one in chunk.files}
    for number, reason in zip(
        chunk.rejects.column("file").to_pylist(), chunk.rejects.column("reason").to_pylist(), strict=True
    ):
        reasons[number][reason] += 1
    return [
        Entry(
            source=one.file.kind,
            path=one.file.path,
            delivery_date=one.file.delivery_date,
            signature=one.file.signature,
            content_hash=one.file.content_hash,
            definition_hash=one.file.definition_hash,
            records=one.parsed.records,
            landed=landed[one.number],
            filtered=filtered[one.number],
            quarantined=dict(reasons[one.number]),
            rows_by_play_date=dict(by_day[one.number]),
        )
        for one in chunk.files
    ]
