"""Files of a chunk on their way into the raw tables: parsed to Parquet, typed by the engine, bad records set aside."""

import logging
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.landing import LandingFile
from umg_assets.resources.parsing import NOT_THE_FORMAT, Layout, Parsed, format_of, parse_file, records_as_text
from umg_assets.resources.parsing_files import refusal_text, rejects_table
from umg_assets.settings import Settings, SettingsError
from umg_assets.tables import Kind
from umg_assets.transforms.records import type_records

FILTERED = "filtered"
EXPRESSION_ERROR = "expression_error"
# Failed tries after which the pieces of a file that still raise are set aside whole: each one is a job.
_PATIENCE = 200
_ARROW = {"string": pa.string(), "bigint": pa.int64(), "date": pa.date32(), "timestamp": pa.timestamp("us", "UTC")}
_log = logging.getLogger(__name__)
REJECTS = pa.schema([("file", pa.int64()), ("record", pa.int64()), ("reason", pa.string()), ("text", pa.string())])


@dataclass(frozen=True)
class StagedFile:
    """A file of the chunk: its number there, what parsing made of it, and where its rows lie."""

    number: int
    file: LandingFile
    parsed: Parsed
    rows: Path


@dataclass(frozen=True)
class Chunk:
    """Files parsed and typed, not yet in any table.

    typed: by kind, a folder of Parquet files as `type_records` gives them. rejects: file (its number), record,
    reason, text: one row a bad record, of parsing and of the expressions.
    """

    files: tuple[StagedFile, ...]
    typed: dict[Kind, Path]
    rejects: pa.Table

    def counts(self) -> list[tuple[int, str, date | None, int]]:
        """Typed rows by file number, reason ('' for good ones) and local date (of plays and events)."""
        found = []
        for kind, folder in self.typed.items():
            # a bad record's date can lie where Python has none
            moment = tables.MOMENTS.get(kind)
            day = f"case when reason is null then {moment.date} end" if moment else "null::date"
            found += duckdb.execute(
                f"select _file, coalesce(reason, ''), {day}, count(*) from read_parquet(?) group by all order by all",
                [f"{folder}/**/*.parquet"],
            ).fetchall()
        return found

    def user_ids(self) -> list[str]:
        """The distinct user ids of its good plays, users and events."""
        ids: set[str] = set()
        for kind in self.typed.keys() - {"tracks"}:
            found = duckdb.execute(
                "select distinct user_id from read_parquet(?) where reason is null",
                [f"{self.typed[kind]}/**/*.parquet"],
            ).fetchall()
            ids |= {row[0] for row in found}
        return sorted(ids)


def stage(files: Sequence[LandingFile], folder: Path, settings: Settings, lakehouse: Lakehouse) -> Chunk:
    """Parses and types files into `folder`. Raises SettingsError when a source's expressions do not fit its files."""
    staged = _parse(files, folder)
    rejects: list[pa.Table] = []
    typed: dict[Kind, Path] = {}
    for kind in tables.KINDS:
        own = [one for one in staged if one.file.kind == kind and one.parsed.refused is None]
        for position, together in enumerate(_of_one_schema(own)):
            parsed = _gathered(together, folder / "gathered" / f"{kind}-{position}")
            typing = _Typing(settings, lakehouse, kind, together, parsed, folder / "typed" / kind)
            try:
                rejects.append(typing.run())
                typed[kind] = folder / "typed" / kind
            except _ColumnTypesError as error:
                for one in together:
                    staged[one.number] = replace(one, parsed=_refused_for(error, one))
    for kind, path in typed.items():
        if not any(path.glob("*/*.parquet")):  # Sail writes no file for no rows
            (path / "none").mkdir(parents=True)
            pq.write_table(_typed_schema(kind).empty_table(), path / "none" / "empty.parquet")
    return Chunk(tuple(staged), typed, pa.concat_tables([*map(_parsing_rejects, staged), *rejects]))


def parts(typed: Path) -> list[str]:
    """The directories in which typed rows lie, for an engine to read."""
    return [str(part) for part in sorted(typed.iterdir())]


class _ColumnTypesError(Exception):
    """A Parquet file's columns are of types that the source's expressions cannot take."""


def _refused_for(error: _ColumnTypesError, one: StagedFile) -> Parsed:
    with one.file.absolute.open("rb") as file:
        text = refusal_text(f"{error}.", file.read(64))
    return Parsed(1, 0, rejects_table([(0, NOT_THE_FORMAT, text)]), NOT_THE_FORMAT)


def _parsing_rejects(one: StagedFile) -> pa.Table:
    rejects = one.parsed.rejects
    return pa.table([pa.array([one.number] * rejects.num_rows, pa.int64()), *rejects.columns], schema=REJECTS)


def _typed_schema(kind: Kind) -> pa.Schema:
    """The columns that `type_records` gives."""
    values = [pa.field(name, _ARROW[type_]) for name, type_ in tables.SOURCE_COLUMNS[kind].items()]
    day = [pa.field(tables.MOMENTS[kind].date, pa.date32())] if kind in tables.MOMENTS else []
    counted = [pa.field("_file", pa.int32()), pa.field("record", pa.int64())]
    return pa.schema([*counted, *values, *day, pa.field("reason", pa.string())])


def _parse(files: Sequence[LandingFile], folder: Path) -> list[StagedFile]:
    def parse(numbered: tuple[int, LandingFile]) -> StagedFile:
        number, file = numbered
        rows = folder / f"{number}.parquet"
        source = file.source
        layout = Layout(source.format or format_of(file.path) or "csv", source.file_columns, source.schema_)
        return StagedFile(number, file, parse_file(file.absolute, layout, rows), rows)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(parse, enumerate(files)))


def _of_one_schema(staged: Sequence[StagedFile]) -> list[list[StagedFile]]:
    """Files of one source and one staged schema together: an engine reads them in one go."""
    groups: dict[tuple[str, str], list[StagedFile]] = {}
    for one in staged:
        key = (one.file.source.definition_hash, pq.read_schema(one.rows).to_string(show_schema_metadata=False))
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def _gathered(staged: Sequence[StagedFile], folder: Path) -> Path:
    """The files once more (hard links) as partitions umg_file=NUMBER: how both engines tell rows' files apart."""
    for one in staged:
        link = folder / f"umg_file={one.number}" / "rows.parquet"
        link.parent.mkdir(parents=True)
        link.hardlink_to(one.rows)
    return folder


@dataclass(frozen=True)
class _Piece:
    """Some files whole, or a range of the records of one."""

    numbers: list[int]
    records: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """Its directory's name; a piece and the one that it is half of have the same or another, never a sibling's."""
        return f"{self.numbers[0]}-{self.records[0] if self.records else 0}"


class _Typing:
    """Types the files of one source and schema; splits them where an expression raises, down to the record."""

    def __init__(
        self,
        settings: Settings,
        lakehouse: Lakehouse,
        kind: Kind,
        staged: Sequence[StagedFile],
        parsed: Path,
        folder: Path,
    ) -> None:
        self._settings, self._lakehouse = settings, lakehouse
        self._kind: Kind = kind
        self._parsed, self._folder = parsed, folder
        self._source = staged[0].file.source
        self._staged = {one.number: one for one in staged}

    def run(self) -> pa.Table:
        """Writes the typed rows; returns the rejects. Raises _ColumnTypesError or SettingsError: see `_write`."""
        raised: list[dict[str, object]] = []
        pieces, failures = deque([_Piece(list(self._staged))]), 0
        while pieces:
            piece = pieces.popleft()
            error = self._write(piece)
            if error is None:
                continue
            failures += 1
            halves = self._halves(piece) if failures <= _PATIENCE else []
            if not halves:
                raised += self._set_aside(piece, error)
            pieces.extend(halves)
        return pa.concat_tables([self._refused(), pa.Table.from_pylist(raised, schema=REJECTS)])

    def _rows(self, piece: "_Piece") -> DataFrame:
        spark = self._lakehouse.spark
        delivered = spark.createDataFrame(
            [(number, self._staged[number].file.delivery_date) for number in piece.numbers],
            "_file int, _delivery_date date",
        )
        rows = spark.read.parquet(str(self._parsed)).withColumn("_file", F.col("umg_file").cast("int"))
        rows = rows.join(F.broadcast(delivered), "_file")
        return rows if piece.records is None else rows.where(F.col("_record").between(*piece.records))

    def _write(self, piece: "_Piece") -> Exception | None:
        """Writes the typed rows of a piece; what the engine raised, if it did, with nothing written.

        An expression that does not fit the columns is told apart from a bad record. The columns of text files are
        the source's own doing: SettingsError. Those of a Parquet file are the exporter's: _ColumnTypesError refuses
        the file, and a source that was wrong reads it again once corrected.
        """
        source, target = self._source, self._folder / piece.name
        try:
            self._typed(self._rows(piece)).write.parquet(str(target), compression="snappy")
        except Exception as error:
            self._lakehouse.discard(target)
            said = str(error).splitlines()[0]
            # Sail finds only when it runs that it has no such cast
            if not said.startswith("Unsupported TRY_CAST") and self._fits(piece):
                return error
            path = self._staged[piece.numbers[0]].file.path
            if (source.format or format_of(path)) == "parquet":
                raise _ColumnTypesError("An expression of the source does not fit the types of the columns") from error
            raise SettingsError(
                f"sources.{self._kind} {source.name or source.files}: an expression does not fit the columns of "
                f"{path}: {said}"
            ) from error
        return None

    def _typed(self, rows: DataFrame) -> DataFrame:
        source, settings = self._source, self._settings
        return type_records(rows, self._kind, source.columns, source.where, settings.time_zone, settings.first_day)

    def _fits(self, piece: "_Piece") -> bool:
        """Whether the expressions fit the columns: without a record they raise nothing (Sail's errors look alike)."""
        try:
            self._typed(self._rows(piece).where("_record < 0")).collect()
        except AnalysisException:
            return False
        return True

    def _halves(self, piece: "_Piece") -> list["_Piece"]:
        """Two smaller pieces; none when there is one record left."""
        if len(piece.numbers) > 1:
            half = len(piece.numbers) // 2
            return [_Piece(piece.numbers[:half]), _Piece(piece.numbers[half:])]
        first, last = piece.records or (1, self._staged[piece.numbers[0]].parsed.records)
        if first >= last:
            return []
        middle = (first + last) // 2
        return [_Piece(piece.numbers, (first, middle)), _Piece(piece.numbers, (middle + 1, last))]

    def _set_aside(self, piece: "_Piece", error: Exception) -> list[dict[str, object]]:
        """The records of a piece as rejects; raises the error when it is not the expressions that fail."""
        unevaluated = self._folder.parent / f"unevaluated-{piece.name}"
        try:
            self._rows(piece).write.parquet(str(unevaluated))
        except Exception:
            raise error from None
        finally:
            self._lakehouse.discard(unevaluated)
        found: list[dict[str, object]] = []
        for number in piece.numbers:
            one = self._staged[number]
            first, last = piece.records or (1, one.parsed.records)
            texts = records_as_text(one.rows, range(first, last + 1))
            if texts.num_rows:
                said = str(error).splitlines()[0][:200]
                _log.warning("%s, records %d to %d: an expression raised: %s", one.file.path, first, last, said)
            found += [{"file": number, "reason": EXPRESSION_ERROR, **row} for row in texts.to_pylist()]
        return found

    def _refused(self) -> pa.Table:
        """The records that the expressions refuse, with their texts from the staged rows: the same on each engine."""
        if not any(self._folder.glob("*/*.parquet")):
            return REJECTS.empty_table()
        bad = duckdb.execute(
            "select _file, record, reason from read_parquet(?) where reason <> ? and _file = any(?) order by all",
            [f"{self._folder}/**/*.parquet", FILTERED, list(self._staged)],
        ).fetchall()
        by_file: dict[int, dict[int, str]] = {}
        for number, record, reason in bad:
            by_file.setdefault(number, {})[record] = reason
        found = []
        for number, reasons in by_file.items():
            texts = records_as_text(self._staged[number].rows, list(reasons))
            for row in texts.to_pylist():
                found.append({"file": number, "reason": reasons[row["record"]], **row})
        return pa.Table.from_pylist(found, schema=REJECTS)
