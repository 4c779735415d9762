"""A CSV or Parquet file as a table of DuckDB whose values are what the file says: nothing is guessed from its head.

Every column of a CSV is text; a column becomes a number only where it is asked for as one, over all its rows.
"""

import csv
import difflib
import gzip
import io
import math
import re
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from umg_assets.experiments.file_options import FileError

_MOST = "1e90"  # sums of cubes must be finite
_REASON = re.compile(
    r"^(?:Expected Number of Columns: \d+ Found: \d+|Value with unterminated quote found)", re.MULTILINE
)
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"


class FileTable:
    """The file's rows in table `file`, numbered from 1 by column umg_row. CSV: UTF-8, a header, one of , ; tab |.

    Raises FileError if the file cannot be read.
    """

    def __init__(self, file: Path) -> None:
        if not file.is_file():
            raise FileError(f"{file}: expected a CSV or Parquet file, found none")
        self.file, self.base = file, duckdb.connect()
        self._parquet = file.suffix.lower() in (".parquet", ".pq")
        try:
            self._read()
        except duckdb.Error as error:
            raise FileError(f"{file}: cannot be read: {_told(error)}") from None
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FileError(f"{file}: expected a whole gzip file by its name, got other bytes ({error})") from None
        columns = self.rows("DESCRIBE file")
        self.types = {name: str(kind) for name, kind, *_ in columns if name != "umg_row"}
        self._numbers: dict[str, str] = {}

    def rows(self, query: str, values: Any = None) -> list[Any]:
        """The rows of a query."""
        return self.base.execute(query, values).fetchall()

    def value(self, query: str, values: Any = None) -> Any:
        """The first value of a query's only row."""
        return self.rows(query, values)[0][0]

    @cached_property
    def count(self) -> int:
        """How many rows the file has."""
        return self.value("SELECT count(*) FROM file")

    def column(self, name: str) -> str:
        """A column, quoted for SQL. Raises FileError if there is none of this name."""
        if name not in self.types:
            near = difflib.get_close_matches(name, self.types, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise FileError(f"{self.file}: expected a column {name!r}, got {', '.join(self.types)}{hint}")
        return '"' + name.replace('"', '""') + '"'

    def text(self, name: str) -> str:
        """A column as text in SQL, as the file has it; NULL where there is none but blanks."""
        cast = f"CAST({self.column(name)} AS VARCHAR)"
        return f"CASE WHEN trim({cast}) = '' THEN NULL ELSE {cast} END"

    def number(self, name: str) -> str:
        """A column as DOUBLE in SQL; NULL where it is empty. A column of true and false alone is 1 and 0.

        Raises FileError, with the count and the first place, if a value is no finite number.
        """
        if name not in self._numbers:
            self._numbers[name] = self._number(name)
        return self._numbers[name]

    def place(self, row: int) -> str:
        """Where a row is: the line of a CSV at which it begins, the row of a Parquet file."""
        if self._parquet:
            return f"row {row:,}"
        with self._open() as text:
            reader = csv.reader(text, delimiter=self._delimiter)
            records = 0
            line = reader.line_num + 1
            for record in reader:
                if record:
                    if records == row:
                        break
                    records += 1
                line = reader.line_num + 1
        return f"line {line:,}"

    def _number(self, name: str) -> str:
        text = f"trim({self.text(name)})"
        if self.types[name] == "BOOLEAN" or not self.rows(
            f"SELECT 1 FROM file WHERE lower({text}) NOT IN ('true', 'false') LIMIT 1"
        ):
            return f"CASE lower({text}) WHEN 'true' THEN 1.0::DOUBLE WHEN 'false' THEN 0.0::DOUBLE END"
        number = f"CASE WHEN regexp_full_match({text}, '{_NUMBER}') THEN TRY_CAST({text} AS DOUBLE) END"
        bad = f"{text} IS NOT NULL AND NOT coalesce(abs({number}) < {_MOST}, false)"
        count, first, value = self.rows(
            f"SELECT count(*), min(umg_row), arg_min({text}, umg_row) FROM file WHERE {bad}"
        )[0]
        if count:
            comma = re.fullmatch(r"[+-]?\d+,\d+", value)
            large = re.fullmatch(_NUMBER, value) and math.isfinite(float(value))
            hint = "; write decimal points, not commas" if comma else f"; {_MOST} is too large" if large else ""
            raise FileError(
                f"{self.file}: expected numbers in {name}, got {self.types[name]} such as {value!r}: {count:,} of "
                f"{self.count:,} values are no finite numbers, the first in {self.place(first)}{hint}"
            )
        return number

    def _read(self) -> None:
        numbered = "CREATE TEMP TABLE file AS SELECT row_number() OVER () AS umg_row, * FROM"
        if self._parquet:
            self.base.execute(f"{numbered} read_parquet(?)", [str(self.file)])
            return
        names = self._header()
        self.base.execute(
            f"{numbered} read_csv(?, auto_detect = false, header = true, columns = ?, delim = ?, quote = '\"', "
            "escape = '\"', nullstr = '')",
            [str(self.file), dict.fromkeys(names, "VARCHAR"), self._delimiter],
        )

    def _header(self) -> list[str]:
        try:
            with self._open() as text:
                names = next(csv.reader(text, delimiter=self._delimiter), [])
        except UnicodeDecodeError:
            raise FileError(f"{self.file}: expected UTF-8 text or Parquet, got other bytes: save it as UTF-8") from None
        if names and names[0].lstrip()[:1] in ("{", "["):
            raise FileError(f"{self.file}: expected CSV or Parquet, got JSON: save it as CSV")
        twice = sorted({name for name in names if names.count(name) > 1})
        if not names or twice:
            raise FileError(f"{self.file}: expected a header of different names, got {', '.join(names) or 'nothing'}")
        return names

    @cached_property
    def _delimiter(self) -> str:
        with self._open() as text:
            line = text.readline()
        return max(",;\t|", key=line.count)

    def _open(self) -> io.TextIOWrapper:
        zipped = self.file.suffix.lower() == ".gz"
        opened = gzip.GzipFile(self.file) if zipped else io.FileIO(self.file)
        return io.TextIOWrapper(io.BufferedReader(opened), encoding="utf-8-sig", newline="")  # pyright: ignore[reportArgumentType]


def _told(error: duckdb.Error) -> str:
    """Of what DuckDB says, what kind of error it is and where: it also says the line, which may be a person's."""
    text = str(error)
    first = re.sub(r"""(["']).*\1""", "...", text.partition("\n")[0])
    return ": ".join([first, *_REASON.findall(text)])
