"""How the files of a source are written: format, wanted columns, and what a format leaves open."""

from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Literal

from umg_assets.files.blocks import COMPRESSIONS
from umg_assets.files.dialect import Dialect
from umg_assets.files.schema_types import types_of
from umg_assets.files.staged import FILE_PATH, RECORD

Format = Literal["csv", "tsv", "json", "jsonl", "parquet", "avro", "orc", "xlsx", "zip"]
"""json: objects in any framing, JSON lines among them. jsonl: one object a line, nothing else. zip: each member by its
own suffix."""
TEXT_FORMATS: tuple[Format, ...] = ("csv", "tsv", "zip")
"""The formats that a Dialect is for: in a zip archive, for its delimited members. Of a Dialect, JSON takes the encoding
alone."""
_JSON: tuple[Format, ...] = ("json", "jsonl")
_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".parquet": "parquet",
    ".avro": "avro",
    ".orc": "orc",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".zip": "zip",
}


@dataclass(frozen=True)
class Layout:
    """How files are read: format, wanted columns, a Spark DDL schema (for JSON), a dialect (for delimited text).

    records: for JSON whose records lie in an array within an object: the dotted path of its keys. members: a glob that
    takes members of a zip archive; None: all of them. Of the columns, FILE_PATH need not be in the file.
    Raises ValueError if columns are equal without case or named like RECORD, if the schema is wrong, if it or the names
    of the dialect lack a column, or if `records` or the dialect does not fit the format.
    """

    format: Format
    columns: tuple[str, ...]
    schema: str | None = None
    records: str | None = None
    members: str | None = None
    dialect: Dialect = field(default_factory=Dialect)

    def __post_init__(self) -> None:
        names = [column.casefold() for column in self.columns]
        if len(set(names)) < len(names) or RECORD in names:
            raise ValueError(f"columns must differ, also without case, and none be {RECORD}: {', '.join(self.columns)}")
        if self.schema is not None and self.format not in ("json", "jsonl", "zip"):
            raise ValueError(f"a schema is for json and jsonl; {self.format} files have columns of their own")
        if self.records is not None and not self.takes_records:
            raise ValueError(f'records is for format = "json"; the format is {self.format}')
        if self.records is not None and not all(self.records.split(".")):
            raise ValueError(f"records = {self.records!r}: expected keys separated by dots, like items or data.items")
        if self.schema is not None and (
            unknown := [c for c in self.columns if c not in types_of(self.schema) and c != FILE_PATH]
        ):
            raise ValueError(f"schema {self.schema!r}: no type for {', '.join(unknown)}")
        if self.dialect != Dialect():
            self._check_dialect()

    def _check_dialect(self) -> None:
        if beyond := self._beyond_format():
            text = "csv, tsv and JSON" if beyond == "encoding" else "csv and tsv"
            raise ValueError(f"{beyond}: only for {text}, and the format is {self.format}")
        if self.format in _JSON:
            return
        unknown = [c for c in self.columns if c not in self.dialect.column_names and c != FILE_PATH]
        if not self.dialect.header and unknown:
            raise ValueError(f"column_names: expected every column that expressions use, got none {', '.join(unknown)}")
        if self.delimiter in (self.dialect.quote, self.dialect.escape):
            raise ValueError(f"delimiter: {self.format} files have {self.delimiter!r}, which is also quote or escape")

    def _beyond_format(self) -> str | None:
        """A setting of the dialect that the format has no use for; None if there is none."""
        if self.format in TEXT_FORMATS:
            return None
        changed = [s.name for s in fields(Dialect) if getattr(self.dialect, s.name) != s.default]
        return next((name for name in changed if name != "encoding" or self.format not in _JSON), None)

    @property
    def delimiter(self) -> str:
        """The delimiter of delimited text, unless the file itself names one."""
        return self.dialect.delimiter or ("\t" if self.format == "tsv" else ",")

    @property
    def takes_records(self) -> bool:
        """Whether `records` fits the format."""
        return self.format in ("json", "zip")

    @property
    def typed_by_file(self) -> bool:
        """Whether the exporter decides the columns' types, not the source."""
        return self.format in ("parquet", "avro", "orc", "zip")

    def of_member(self, name: str) -> "Layout":
        """The layout of a member of a zip archive: by its suffix, unless the source declares another format."""
        if self.format != "zip":
            return self
        form = format_of(name) or "csv"
        return Layout(
            form,
            self.columns,
            schema=self.schema if form in ("json", "jsonl") else None,
            records=self.records if form == "json" else None,
            dialect=dialect_of(form, self.dialect),
        )


def dialect_of(form: Format, dialect: Dialect) -> Dialect:
    """What a format takes of a dialect: all of it, its encoding (JSON), or nothing."""
    if form in TEXT_FORMATS:
        return dialect
    return Dialect(encoding=dialect.encoding) if form in _JSON else Dialect()


def is_zip(name: str, layout: Layout) -> bool:
    """Whether a file is a zip archive of landing files: by its suffix, or as declared."""
    return layout.format == "zip" or name.lower().endswith(".zip")


def is_taken(member: str, pattern: str | None) -> bool:
    """Whether a member of a zip archive is data: the glob takes its path or name, and it is not hidden.

    Hidden are names that begin with `.`, and what macOS adds below __MACOSX. A glob without `/` is for the name.
    """
    parts = PurePosixPath(member).parts
    if member.endswith("/") or not parts or "__MACOSX" in parts or any(part.startswith(".") for part in parts):
        return False
    return pattern is None or fnmatchcase(member if "/" in pattern else parts[-1], pattern)


def format_of(path: str) -> Format | None:
    """The format by a path's suffix, ignoring .gz, .zst and .bz2; None if unknown."""
    name = Path(path.lower())
    return _SUFFIXES.get((Path(name.stem) if name.suffix in COMPRESSIONS else name).suffix)
