"""A chunk: landing files parsed and typed, not yet in any table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from umg_assets import tables
from umg_assets.files.parse import Parsed
from umg_assets.landing.scan import LandingFile
from umg_assets.tables import Kind

FILTERED, SUPPRESSED = "filtered", "suppressed"
"""Reasons of typed records that are not bad: the source's `where` leaves them out; their user has been forgotten."""


@dataclass(frozen=True)
class StagedFile:
    """A file of a chunk: its number in it, what parsing gave, and the Parquet file of its rows.

    tried_by: of a file that an internal error refused, what faults.tried_by says; else empty.
    """

    number: int
    file: LandingFile
    parsed: Parsed
    rows: Path
    tried_by: str = ""


@dataclass(frozen=True)
class Chunk:
    """Files parsed and typed, not yet in any table.

    typed: by kind, a folder of Parquet files with the columns of `type_records`. rejects: a row for each record that
    parsing or the expressions refuse, the first REJECTS_KEPT of a file: file (its number), record, reason, text.
    reasons: by file, the number of all such records, by reason. suppressed: for each such record whose text names
    somebody who has been forgotten, the file's number and the id; these are in neither.
    """

    files: tuple[StagedFile, ...]
    typed: dict[Kind, Path]
    rejects: pa.Table
    reasons: Mapping[int, Mapping[str, int]]
    suppressed: Sequence[tuple[int, str]] = ()

    def files_of(self, kind: Kind) -> list[StagedFile]:
        """The files of a kind, without those refused whole."""
        return [staged for staged in self.files if staged.file.kind == kind and staged.parsed.refused is None]

    def counts(self) -> list[tuple[int, str, date | None, int]]:
        """Numbers of typed rows: (file number, reason or '' for good rows, local date of plays and events, rows)."""
        counts = []
        for kind, folder in self.typed.items():
            occurrence = tables.OCCURRENCES.get(kind)
            # a bad record's date may be outside the years that Python has
            day = f"case when reason is null then {occurrence.date} end" if occurrence else "null::date"
            counts += query(
                folder,
                f"select _file, coalesce(reason, ''), {day}, count(*) from read_parquet(?) group by all order by all",
                [f"{folder}/**/*.parquet"],
            )
        return counts

    def files_with_users(self) -> list[Path]:
        """The Parquet files of its typed records that have a user_id."""
        return [
            file for kind in sorted(self.typed.keys() - {"tracks"}) for file in self.typed[kind].glob("*/*.parquet")
        ]

    def forgotten_ids(self) -> list[str]:
        """The distinct user ids of its records of people who have been forgotten."""
        ids = {user_id for _, user_id in self.suppressed}
        for kind in self.typed.keys() - {"tracks"}:
            rows = query(
                self.typed[kind],
                "select distinct user_id from read_parquet(?) where reason = ?",
                [f"{self.typed[kind]}/**/*.parquet", SUPPRESSED],
            )
            ids |= {user_id for (user_id,) in rows}
        return sorted(ids)


def parts(typed: Path) -> list[str]:
    """The directories of typed rows that an engine is to read."""
    return [str(part) for part in sorted(typed.iterdir())]


def query(folder: Path, query: str, values: list) -> list[tuple]:
    """DuckDB's rows for a query over staged files; what does not fit in memory goes beside `folder`."""
    with duckdb.connect(config={"temp_directory": str(folder.with_name("spill"))}) as connection:
        return connection.execute(query, values).fetchall()
