"""Lands new and changed files: stages them, notes them in the ledger, writes the raw tables and the quarantine."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date
from functools import partial, reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.landing.affected_dates import with_affected_dates
from umg_assets.landing.attempts import ALONE, REFUSED, Attempts
from umg_assets.landing.chunk import FILTERED, SUPPRESSED, Chunk, StagedFile, parts
from umg_assets.landing.faults import DIED, engine_answers, size_of
from umg_assets.landing.scan import LandingFile
from umg_assets.landing.staging import stage
from umg_assets.planning.entry import Entry
from umg_assets.planning.history import History, with_repeats
from umg_assets.privacy.keys import UserKeys
from umg_assets.privacy.requests import Requests
from umg_assets.privacy.seals import Seals
from umg_assets.privacy.user_tasks import COLUMNS, UserTask, key_task
from umg_assets.resources.commits import Commit
from umg_assets.resources.executors import ExecutorsError
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.slices import Slice
from umg_assets.settings.model import Settings
from umg_assets.tables import Kind, Table
from umg_assets.transforms.pseudonyms import with_pseudonyms

_UNCOMPRESSED = {".gz": 6, ".zst": 6, ".bz2": 8, ".parquet": 4}
"""By suffix, about how many times larger a file's records are as text."""
_BYTES_PER_PLAY = 120
# a slice names its files, and Sail's time to replace it grows with the square of their number: 6 s for 1,000
_FILES = 200


class Ingest:
    """Lands files in chunks of whole files, so that memory does not grow with the history."""

    def __init__(self, settings: Settings, lakehouse: Lakehouse, ledger: Ledger) -> None:
        self._settings, self._lakehouse, self._ledger = settings, lakehouse, ledger
        self._keys, self._seals = UserKeys(settings.home), Seals(settings.home)
        self._attempts = Attempts(settings.home)

    def land(
        self,
        files: Sequence[LandingFile],
        progress: Callable[[int, int], None] | None = None,
        withdrawn: Sequence[Entry] = (),
    ) -> tuple[list[Entry], dict[str, Commit]]:
        """Lands the files. Returns their ledger entries and, by table name, what was committed.

        Files with new content get the number of this landing. withdrawn: the last entries of files whose rows are to
        go; they go first, so that no folder seems to have shrunk after a run that died in between. progress: called
        with the number of files landed so far and the number of all. Raises KeyFileError when the lakehouse holds users
        and a key file is missing, SettingsError when a source's expressions do not fit its files. A file over which
        this fails, or processes have died, is refused as an internal error, and the others land.
        """
        entries: list[Entry] = []
        commits: dict[str, Commit] = {}
        if not self._ledger.read().sequence:
            self._keys.create()
            self._seals.create()
        for first in range(0, len(withdrawn), _FILES):
            self._take_out(withdrawn[first : first + _FILES], self._ledger.withdrawal, commits)
        moved = [
            Entry(
                file.kind,
                file.path,
                file.moved_from,
                content_hash=file.content_hash,
                generation=file.generation or 0,
            )
            for file in files
            if file.moved_from
        ]
        for first in range(0, len(moved), _FILES):
            self._take_out(moved[first : first + _FILES], self._ledger.change, commits)
        generation = self._ledger.read().generation + 1
        files = [file if file.generation is not None else replace(file, generation=generation) for file in files]
        for chunk in self._chunks(files):
            folder = self._lakehouse.staging()
            try:
                refused = {n: DIED for n, file in enumerate(chunk) if self._attempts.deaths(file) >= REFUSED}
                with self._attempts.counted(chunk, partial(engine_answers, self._lakehouse)):
                    entries += self._land_chunk(self._staged(chunk, folder, refused), folder, commits)
            finally:
                self._lakehouse.discard(folder)
            if progress:
                progress(len(entries), len(files))
        return entries, commits

    def _chunks(self, files: Sequence[LandingFile]) -> Iterator[list[LandingFile]]:
        chunk: list[LandingFile] = []
        limit, size = self._settings.chunk_plays * _BYTES_PER_PLAY, 0
        deaths = {file.path: self._attempts.deaths(file) for file in files}
        for file in (file for file in files if deaths[file.path] < ALONE):
            uncompressed = size_of(file.absolute) * _UNCOMPRESSED.get(file.absolute.suffix, 1)
            if chunk and (size + uncompressed > limit or len(chunk) == _FILES):
                yield chunk
                chunk, size = [], 0
            chunk.append(file)
            size += uncompressed
        if chunk:
            yield chunk
        yield from ([file] for file in files if deaths[file.path] >= ALONE)

    def _staged(self, files: Sequence[LandingFile], folder: Path, refused: dict[int, str]) -> Chunk:
        """The files staged. refused: by position, why some of them are not to be read; those that lost records, too."""
        while True:
            attempt = folder / str(len(refused))
            attempt.mkdir()
            chunk = stage(files, attempt, self._settings, self._lakehouse, refused)
            lost = {
                staged.number: lost_in(entry)
                for staged, entry in zip(chunk.files, _entries(chunk), strict=True)
                if entry.records != entry.accounted and not entry.refused
            }
            if not lost:
                return chunk
            refused |= lost

    def _land_chunk(self, chunk: Chunk, folder: Path, commits: dict[str, Commit]) -> list[Entry]:
        history = self._ledger.read()
        entries = _entries(chunk)
        if any(entry.suppressed for entry in entries):  # to take them out of landing/, too, with the next weekly run
            Requests(self._settings.home).add(chunk.forgotten_ids(), held=True)
        for kind in chunk.typed.keys() & tables.OCCURRENCES.keys():
            entries = with_affected_dates(
                entries, kind, chunk, history, self._lakehouse, self._settings.correction_days, folder
            )
        with self._ledger.change(entries):
            keys = self._user_keys(chunk, folder)
            for kind, typed in chunk.typed.items():
                files = chunk.files_of(kind)
                rows = self._raw_rows(kind, typed, files, keys)
                self._commit(commits, tables.RAW[kind], rows, _slice(files))
            self._quarantine(commits, chunk, entries, history, folder)
        return entries

    def _take_out(
        self,
        deliveries: Sequence[Entry],
        noted: Callable[[Sequence[Entry]], AbstractContextManager[None]],
        commits: dict[str, Commit],
    ) -> None:
        """Deletes the rows and rejects of deliveries of files; `noted` puts it into the ledger, before and after."""
        history = self._ledger.read()
        places = {(entry.source, *entry.place) for entry in deliveries}
        dates: dict[tuple[str, str, date], set[date]] = {place: set() for place in places}
        for entry in history.about({(source, path) for source, path, _ in places}).entries:
            if (place := (entry.source, *entry.place)) in places:
                dates[place].update(entry.play_dates)
        emptied = [
            Entry(
                entry.source,
                *entry.place,
                content_hash=entry.content_hash,
                generation=entry.generation,
                play_dates=with_repeats(history, dates[entry.source, *entry.place], entry.source),
            )
            for entry in deliveries
        ]
        with noted(emptied):
            for kind in tables.KINDS:
                taken = [(entry.delivery_date, entry.path) for entry in emptied if entry.source == kind]
                slices = (
                    {tables.RAW[kind]: Slice.files(taken), tables.QUARANTINE: Slice.files(taken, kind)} if taken else {}
                )
                for table, rows in slices.items():
                    self._commit(commits, table, self._lakehouse.read(table, rows).limit(0), rows)

    def _commit(self, commits: dict[str, Commit], table: Table, rows: DataFrame, replaced: Slice) -> None:
        commit = self._lakehouse.write_slice(table, rows, replaced)
        commits[table.name] = commits[table.name] + commit if table.name in commits else commit

    def _user_keys(self, chunk: Chunk, folder: Path) -> DataFrame:
        """user_id, user_key, sealed_id and id_key of the chunk's users.

        id_key is a secret: it goes no further than this folder. NULL where umg.toml wants no pseudonyms.
        """
        users, spark = folder / "users", self._lakehouse.spark
        users.mkdir()
        secrets = (
            self._keys.key(),
            self._keys.of_ids() if self._settings.privacy.pseudonyms else None,
            self._seals.newest_key.line,
        )
        tasks = [UserTask(file, users, *secrets) for file in chunk.files_with_users()]
        files = self._lakehouse.spread(key_task, tasks)
        if None in files:
            raise ExecutorsError("workers of the cluster die while they compute user keys: see their logs and memory")
        schema = ", ".join(f"{column} string" for column in COLUMNS)
        return (
            spark.read.schema(schema).parquet(*map(str, files)).distinct()
            if files
            else spark.createDataFrame([], schema)
        )

    def _raw_rows(self, kind: Kind, typed: Path, staged: Sequence[StagedFile], keys: DataFrame) -> DataFrame:
        spark = self._lakehouse.spark
        files = spark.createDataFrame(
            [(member.number, member.file.delivery_date, member.file.path, member.file.generation) for member in staged],
            "_file int, delivery_date date, source_file string, generation bigint",
        )
        # left joins lose no record: what they do not match is NULL, which the write refuses
        good = spark.read.parquet(*parts(typed)).where("reason is null").join(F.broadcast(files), "_file", "left")
        if kind != "tracks":
            good = good.join(keys, "user_id", "left")
            good = with_pseudonyms(good, kind) if kind in tables.OCCURRENCES else good
            good = good.withColumn("user_id", F.col("sealed_id"))
        if kind == "users" and self._settings.privacy.birth_date == "month":
            # the age group follows from the day of birth only where none is delivered
            month = F.when(F.col("age_group").isNotNull(), F.trunc("birth_date", "month"))
            good = good.withColumn("birth_date", F.coalesce(month, F.col("birth_date")))
        return good.select(*tables.RAW[kind].names)

    def _quarantine(
        self, commits: dict[str, Commit], chunk: Chunk, entries: Sequence[Entry], history: History, folder: Path
    ) -> None:
        """Replaces the rejects of files that have some now, or had some before."""
        known = history.about({(entry.source, entry.path) for entry in entries}).entries
        had_rejects = {(entry.source, entry.path, entry.delivery_date) for entry in known if entry.quarantined}
        written = [
            staged
            for staged, entry in zip(chunk.files, entries, strict=True)
            if entry.quarantined or (entry.source, entry.path, entry.delivery_date) in had_rejects
        ]
        if not written:
            return
        by_kind: dict[Kind, list[StagedFile]] = {
            kind: [staged for staged in written if staged.file.kind == kind] for kind in tables.KINDS
        }
        replaced = reduce(Slice.__or__, (_slice(staged, kind) for kind, staged in by_kind.items() if staged))
        files = {staged.number: staged.file for staged in chunk.files}
        numbers = chunk.rejects.column("file").to_pylist()
        rejects = pa.table(
            {
                "source": pa.array([files[number].kind for number in numbers], pa.string()),
                "delivery_date": pa.array([files[number].delivery_date for number in numbers], pa.date32()),
                "source_file": pa.array([files[number].path for number in numbers], pa.string()),
                **{name: chunk.rejects.column(name) for name in ("record", "reason")},
                "text": pa.array(self._seals.seal_texts(chunk.rejects.column("text").to_pylist()), pa.string()),
            }
        )
        file = folder / "rejects.parquet"
        pq.write_table(rejects, file)
        self._commit(commits, tables.QUARANTINE, self._lakehouse.spark.read.parquet(str(file)), replaced)


def _slice(files: Iterable[StagedFile], kind: Kind | None = None) -> Slice:
    return Slice.files(((staged.file.delivery_date, staged.file.path) for staged in files), kind)


def _entries(chunk: Chunk) -> list[Entry]:
    """An entry for each file, in the chunk's order: records read, landed, filtered, suppressed and quarantined.

    Reasons and days are in order: one content gives one entry, to the last byte.
    """
    landed: Counter[int] = Counter()
    filtered: Counter[int] = Counter()
    suppressed = Counter(number for number, _ in chunk.suppressed)
    by_day: dict[int, Counter[str]] = {staged.number: Counter() for staged in chunk.files}
    for number, reason, local_date, count in chunk.counts():
        if reason == "":
            landed[number] += count
            if local_date:
                by_day[number][local_date.isoformat()] += count
        elif reason == FILTERED:
            filtered[number] += count
        elif reason == SUPPRESSED:
            suppressed[number] += count
    return [
        Entry(
            source=staged.file.kind,
            path=staged.file.path,
            delivery_date=staged.file.delivery_date,
            signature=staged.file.signature,
            content_hash=staged.file.content_hash,
            definition_hash=staged.file.definition_hash + (f"~{staged.tried_by}" if staged.tried_by else ""),
            generation=staged.file.generation or 0,
            records=staged.parsed.records,
            landed=landed[staged.number],
            filtered=filtered[staged.number],
            suppressed=suppressed[staged.number],
            quarantined=dict(sorted(chunk.reasons[staged.number].items())),
            rows_by_play_date=dict(sorted(by_day[staged.number].items())),
        )
        for staged in chunk.files
    ]


def lost_in(entry: Entry) -> str:
    """Which records of a file neither landed nor were set aside."""
    return (
        f"{entry.records} records read, but {entry.landed} landed + {entry.filtered} filtered + "
        f"{entry.suppressed} suppressed + {sum(entry.quarantined.values())} quarantined"
    )
