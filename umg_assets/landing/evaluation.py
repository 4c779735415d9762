"""A source's expressions evaluated on staged files by the engine; where one raises, its record is set aside."""

import logging
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as _compute
import pyarrow.parquet as pq
from pyspark.errors import AnalysisException, UnsupportedOperationException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from umg_assets.files.limits import REJECTS_KEPT
from umg_assets.files.parse import records_as_text
from umg_assets.landing.chunk import FILTERED, SUPPRESSED, StagedFile, query
from umg_assets.landing.faults import engine_answers
from umg_assets.privacy.tombstones import Tombstones
from umg_assets.resources.engine_errors import first_line, kind_of, lacks_cast
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.settings.model import Settings, SettingsError
from umg_assets.tables import Kind
from umg_assets.text import visible
from umg_assets.transforms.records import type_records, with_file_path

EXPRESSION_ERROR = "expression_error"
# After so many failed jobs, pieces of files that still raise are set aside whole: each further try is a job.
_MAX_FAILURES = 200
REJECTS = pa.schema([("file", pa.int64()), ("record", pa.int64()), ("reason", pa.string()), ("text", pa.string())])
_log = logging.getLogger(__name__)
pc: Any = _compute  # its functions are made when it is imported: type checkers see none


class ColumnTypesError(Exception):
    """A Parquet file's columns are of types that the source's expressions cannot take."""


@dataclass(frozen=True)
class _Piece:
    """Some whole files, or a range (first, last) of the records of one."""

    numbers: list[int]
    records: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """Its directory's name: unlike that of any other piece still to be written."""
        return f"{self.numbers[0]}-{self.records[0] if self.records else 0}"


class Typing:
    """Types the files of one source and schema; where an expression raises, splits them down to the record."""

    def __init__(
        self,
        settings: Settings,
        lakehouse: Lakehouse,
        kind: Kind,
        staged: Sequence[StagedFile],
        parsed: Path,
        folder: Path,
        tombstones: Tombstones,
    ) -> None:
        self._settings, self._lakehouse, self._tombstones = settings, lakehouse, tombstones
        self._kind: Kind = kind
        self._parsed, self._folder = parsed, folder
        self._source = staged[0].file.source
        self._staged = {member.number: member for member in staged}
        self.reasons: dict[int, Counter[str]] = {number: Counter() for number in self._staged}

    def run(self) -> pa.Table:
        """Writes the typed rows and returns the rejects that are kept; `reasons` counts all of them, by file.

        Raises ColumnTypesError or SettingsError: see `_write`.
        """
        set_aside: list[dict[str, object]] = []
        pieces, failures = deque([_Piece(list(self._staged))]), 0
        while pieces:
            piece = pieces.popleft()
            error = self._write(piece)
            if error is None:
                continue
            failures += 1
            if len(piece.numbers) == 1 and piece.records is None:
                self._check_readable(piece)
            halves = self._halves(piece) if failures <= _MAX_FAILURES else []
            if not halves:
                set_aside += self._set_aside(piece, error)
            pieces.extend(halves)
        if self._tombstones and self._kind != "tracks":
            self._suppress()
        return pa.concat_tables([self._refused(), pa.Table.from_pylist(set_aside, schema=REJECTS)])

    def _rows(self, piece: "_Piece") -> DataFrame:
        files = [(number, self._staged[number].file) for number in piece.numbers]
        known = [(number, file.delivery_date, file.path) for number, file in files]
        delivered = self._lakehouse.spark.createDataFrame(known, "_file int, _delivery_date date, _path string")
        rows = self._lakehouse.spark.read.parquet(str(self._parsed)).withColumn("_file", F.col("umg_file").cast("int"))
        rows = with_file_path(rows.join(F.broadcast(delivered), "_file"), F.col("_path"))
        return rows if piece.records is None else rows.where(F.col("_record").between(*piece.records))

    def _texts(self, number: int, records: Sequence[int]) -> list[dict[str, Any]]:
        """The records as their expressions saw them."""
        return records_as_text(self._staged[number].rows, records, self._staged[number].file.path).to_pylist()

    def _write(self, piece: "_Piece") -> Exception | None:
        """Writes the typed rows of a piece. Returns what the engine raised, if it did; then nothing is written.

        Raises when not a record is at fault but an expression, which does not fit the columns. The source itself
        names the columns of text files: SettingsError. The exporter decides those of Parquet and its like, which are
        refused by ColumnTypesError; if the source was wrong, the file is read again once the source is corrected.
        """
        source, target = self._source, self._folder / piece.name
        try:
            self._typed(self._rows(piece)).write.parquet(str(target), compression="snappy")
        except Exception as error:
            self._lakehouse.discard(target)
            fault = first_line(error) if lacks_cast(error) else self._fault(piece)
            if fault is None:
                return error
            path = self._staged[piece.numbers[0]].file.path
            if source.layout(path).typed_by_file:
                raise ColumnTypesError("An expression of the source does not fit the types of the columns") from None
            raise SettingsError(
                f"sources.{self._kind} {source.name or source.files}: an expression does not fit the columns of "
                f"{visible(path)}: {fault}"
            ) from None
        return None

    def _typed(self, rows: DataFrame) -> DataFrame:
        source, settings = self._source, self._settings
        return type_records(rows, self._kind, source.columns, source.where, settings.time_zone, settings.first_day)

    def _fault(self, piece: "_Piece") -> str | None:
        """Why the expressions do not fit the columns: what they raise on no records (Sail's errors look alike).

        None if they fit. What the engine says of no records quotes none.
        """
        try:
            self._typed(self._rows(piece).where("_record < 0")).collect()
        except (AnalysisException, UnsupportedOperationException) as error:
            return first_line(error)
        return None

    def _halves(self, piece: "_Piece") -> list["_Piece"]:
        """Two smaller pieces; none when only one record is left."""
        if len(piece.numbers) > 1:
            half = len(piece.numbers) // 2
            return [_Piece(piece.numbers[:half]), _Piece(piece.numbers[half:])]
        first, last = piece.records or (1, self._staged[piece.numbers[0]].parsed.records)
        if first >= last:
            return []
        middle = (first + last) // 2
        return [_Piece(piece.numbers, (first, middle)), _Piece(piece.numbers, (middle + 1, last))]

    def _check_readable(self, piece: "_Piece") -> None:
        """Raises what the engine raises over a piece without the expressions, too."""
        unevaluated = self._folder.parent / f"unevaluated-{piece.name}"
        try:
            self._rows(piece).write.parquet(str(unevaluated))
        finally:
            self._lakehouse.discard(unevaluated)

    def _set_aside(self, piece: "_Piece", error: Exception) -> list[dict[str, object]]:
        """The records of a piece as rejects. Raises the error when the engine no longer answers."""
        if not engine_answers(self._lakehouse):
            raise error
        rejects: list[dict[str, object]] = []
        for number in piece.numbers:
            staged = self._staged[number]
            first, last = piece.records or (1, staged.parsed.records)
            counted = "select _record from read_parquet(?) where _record between ? and ? order by all"
            records = [record for (record,) in query(self._folder, counted, [str(staged.rows), first, last])]
            if texts := self._texts(number, records[:REJECTS_KEPT]):
                self.reasons[number][EXPRESSION_ERROR] += len(records)
                path, kind = visible(staged.file.path), kind_of(error)
                _log.warning("%s, records %d to %d: an expression raised: %s", path, first, last, kind)
            rejects += [{"file": number, "reason": EXPRESSION_ERROR, **row} for row in texts]
        return rejects

    def _suppress(self) -> None:
        """Gives typed records of people who have been forgotten, bad ones too, the reason SUPPRESSED."""
        for file in self._folder.glob("*/*.parquet"):
            rows = pq.read_table(file)
            forgotten = self._tombstones.ids_among(rows["user_id"].unique().drop_null().to_pylist())
            if not forgotten:
                continue
            theirs = pc.is_in(rows["user_id"], pa.array(forgotten, rows["user_id"].type))
            reasons = pc.if_else(theirs, pa.scalar(SUPPRESSED, rows["reason"].type), rows["reason"])
            rows = rows.set_column(rows.column_names.index("reason"), rows.schema.field("reason"), reasons)
            draft = file.with_suffix(".draft")
            pq.write_table(rows, draft, compression="snappy")
            draft.replace(file)

    def _refused(self) -> pa.Table:
        """The records that the expressions refuse, with their texts from the staged rows: the same on both engines."""
        if not any(self._folder.glob("*/*.parquet")):
            return REJECTS.empty_table()
        refused = "from read_parquet(?) where reason not in (?, ?) and _file = any(?)"
        values = [f"{self._folder}/**/*.parquet", FILTERED, SUPPRESSED, list(self._staged)]
        for number, reason, count in query(
            self._folder, f"select _file, reason, count(*) {refused} group by all", values
        ):
            self.reasons[number][reason] += count
        rows = query(
            self._folder,
            f"select _file, record, reason {refused} "
            "qualify row_number() over (partition by _file order by record) <= ? order by all",
            [*values, REJECTS_KEPT],
        )
        by_file: dict[int, dict[int, str]] = {}
        for number, record, reason in rows:
            by_file.setdefault(number, {})[record] = reason
        rejects = [
            {"file": number, "reason": reasons[row["record"]], **row}
            for number, reasons in by_file.items()
            for row in self._texts(number, list(reasons))
        ]
        return pa.Table.from_pylist(rejects, schema=REJECTS)
