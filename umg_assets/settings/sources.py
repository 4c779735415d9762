"""Sources ([[sources...]]): which files an exporter drops, and the SQL expressions for the raw tables' columns."""

import contextlib
import difflib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import date
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from umg_assets import tables
from umg_assets.files.dialect import Dialect
from umg_assets.files.layout import Format, Layout, dialect_of, format_of, is_zip
from umg_assets.settings.expressions import check_over_text, columns_of, parse_expression
from umg_assets.tables import Kind
from umg_assets.text import visible

_NEVER_HASHED = {"name", "files", "folder_is_delivery", "follow_links"}
_ALWAYS_HASHED = {"format", "schema_", "delivered_on", "where", "columns"}
_DATE_PARTS = ("year", "month", "day")
_FIRST_YEAR = 1900
"""Seconds since 1970 look like a date of an earlier year."""


def _check_expression(text: str) -> str:
    parse_expression(text)
    return text


def _check_delivery_pattern(text: str) -> str:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression ({error}): {text!r}") from None
    if pattern.groupindex and set(pattern.groupindex) != set(_DATE_PARTS):
        raise ValueError(
            f"expected the named groups year, month and day, got {', '.join(pattern.groupindex)}: {text!r}"
        )
    if not pattern.groupindex and pattern.groups != 1:
        raise ValueError(
            f"expected a regular expression with one group that holds the date, got {pattern.groups}: {text!r}"
        )
    return text


Expression = Annotated[str, AfterValidator(_check_expression)]


class Source(BaseModel):
    """One layout in which an exporter writes files of one kind (plays, users, tracks or events)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="", description="what messages call it; default: its kind and position")
    files: str = Field(description="glob under landing/, or absolute")
    format: Format | None = Field(default=None, description="default: by the file's suffix")
    schema_: str | None = Field(default=None, alias="schema", description="Spark DDL, for nested JSON")
    delimiter: str | None = Field(default=None, description='text: between fields; default: "," or a tab, by format')
    quote: str = Field(default='"', description='text: "" where quotes are part of the values')
    escape: str | None = Field(default=None, description="text: such as a backslash; default: quotes are doubled")
    encoding: str = Field(default="utf-8", description="text, JSON: cp1250 ...; a byte order mark goes over it")
    header: bool = Field(default=True, description="text: false needs column_names")
    column_names: tuple[str, ...] = Field(default=(), description="text without a header: its columns, in order")
    skip_lines: int = Field(default=0, ge=0, description="text: lines before the header")
    delivered_on: Annotated[str, AfterValidator(_check_delivery_pattern)] | None = Field(
        default=None, description="regular expression on the path whose group(s) are the delivery date"
    )
    records: str | None = Field(
        default=None, description="JSON whose records lie in an array in an object: its keys, like items or data.items"
    )
    members: str | None = Field(default=None, description="glob that takes members of .zip archives; default: all")
    folder_is_delivery: bool = Field(
        default=False, description="a folder is one delivery: a file that is no longer in it is withdrawn"
    )
    follow_links: bool = Field(default=False, description="links may lead out of landing/")
    where: Expression | None = Field(default=None, description="records to take; the others are counted as filtered")
    columns: dict[str, Expression] = Field(description="contract column = Spark SQL expression")

    _kind: Kind | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _fits_its_format(self) -> "Source":
        form = self.format or format_of(self.files) or ("json" if self.schema_ or self.records else None)
        layout = Layout(form or "csv", self.file_columns, self.schema_, self.records, self.members, self.dialect)
        if self.members is not None and format_of(self.files) is not None and not is_zip(self.files, layout):
            raise ValueError(f"members is for .zip archives; files = {self.files!r} takes none")
        if self.schema_ is None and form in ("csv", "tsv", "json", "jsonl", "xlsx"):
            for key, text in self.expressions.items():
                try:
                    check_over_text(text)
                except ValueError as error:
                    raise ValueError(f"{key}: {error}") from None
        return self

    def check_contract(self, kind: Kind) -> None:
        """Raises ValueError if `columns` names an unknown column or lacks a required one."""
        known = tables.SOURCE_COLUMNS[kind]
        for column in self.columns:
            if column not in known:
                if column in Source.model_fields:
                    raise ValueError(f"columns.{column}: expected above [sources.{kind}.columns], got it below")
                near = difflib.get_close_matches(column, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ValueError(f"columns.{column}: {kind} have no such column{hint} (known: {', '.join(known)})")
        missing = [column for column in tables.REQUIRED[kind] if column not in self.columns]
        if missing:
            raise ValueError(f"columns: {kind} need an expression for {', '.join(missing)}")

    @property
    def expressions(self) -> dict[str, str]:
        """The expressions by what umg.toml calls them: `columns.NAME` and `where`."""
        named = {f"columns.{name}": text for name, text in self.columns.items()}
        return named | ({"where": self.where} if self.where else {})

    @property
    def file_columns(self) -> tuple[str, ...]:
        """The columns of the file that its expressions use, FILE_PATH among them."""
        return tuple(dict.fromkeys(column for text in self.expressions.values() for column in columns_of(text)))

    @property
    def dialect(self) -> Dialect:
        """How its text files are written."""
        return Dialect(**{setting.name: getattr(self, setting.name) for setting in fields(Dialect)})

    @property
    def definition_hash(self) -> str:
        """16 hex digits of the SHA-256 of what decides the rows; if it changes, the source's files are read again.

        A setting beside _ALWAYS_HASHED counts only when set: a new setting leaves the hashes of sources as they were.
        """
        deciding = self.model_dump(mode="json", include=_ALWAYS_HASHED)
        deciding |= self.model_dump(mode="json", exclude={*_NEVER_HASHED, *_ALWAYS_HASHED}, exclude_defaults=True)
        return hashlib.sha256(repr(sorted(deciding.items())).encode()).hexdigest()[:16]

    def layout(self, path: str) -> Layout:
        """How a file of the source is read: as its settings say, else as its suffix says, else as CSV."""
        form = self.format or format_of(path) or "csv"
        layout = Layout(form, self.file_columns, self.schema_, None, self.members, dialect_of(form, self.dialect))
        return replace(layout, records=self.records) if layout.takes_records else layout

    def delivery_date(self, path: str, modified_on: date) -> date:
        """The UTC delivery day of a file: the date that `delivered_on` finds in its path, else `modified_on`.

        Raises ValueError if `delivered_on` finds no date in the path.
        """
        if self.delivered_on is None:
            return modified_on
        match = re.search(self.delivered_on, str(PurePosixPath(path)))
        if not match:
            raise ValueError(f"{visible(path)}: delivered_on = {self.delivered_on!r} finds no date in the path")
        try:
            return _date_in(match)
        except ValueError:
            raise ValueError(
                f"{visible(path)}: delivered_on = {self.delivered_on!r} gives {match.group(0)!r}, expected "
                "year, month and day: 20260305, 2026-03-05, 2026_3_5, or named groups (?P<year>...), "
                "(?P<month>...), (?P<day>...)"
            ) from None


def _date_in(match: re.Match[str]) -> date:
    """The date of a match's named groups, else of its only group: digits without separators have eight of them.

    Raises ValueError if that is no date since 1900, could be several, or is cut out of a longer number.
    """
    if match.re.groupindex:
        for part in _DATE_PARTS:
            if len(match.group(part) or "") == 1 and any(_digits_around(match, part)):
                raise ValueError
        return _date_of([match.group(part) or "" for part in _DATE_PARTS])
    text = match.group(1) or ""
    numbers = re.findall(r"\d+", unquote(text))  # Hive writes a / in a partition's value as %2F
    delivered = _date_of(numbers)
    before, after = _digits_around(match, 1)
    has_separators = len(numbers[0]) == 4
    if has_separators and (before or (after and len(numbers) == 3 and (after % 2 or len(numbers[2]) == 1))):
        raise ValueError
    for at in range(3 if has_separators else 1, len(numbers)):
        with contextlib.suppress(ValueError):
            if _date_of(numbers[at:]) != delivered:
                break
    else:
        return delivered
    raise ValueError


def _digits_around(match: re.Match[str], group: str | int) -> tuple[int, int]:
    """How many digits stand right before and right after a group of a match."""
    before, after = match.string[: match.start(group)], match.string[match.end(group) :]
    return len(before) - len(before.rstrip("0123456789")), len(after) - len(after.lstrip("0123456789"))


def _date_of(numbers: Sequence[str]) -> date:
    """The date that numbers begin with. Raises ValueError if they begin with none."""
    joined = "".join(numbers[:2])
    if numbers and len(numbers[0]) in (8, 10, 12, 14):  # the date, or the date and a time
        numbers = [numbers[0][:4], numbers[0][4:6], numbers[0][6:8]]
    elif [len(number) for number in numbers[:2]] in ([6, 2], [4, 4]):
        numbers = [joined[:4], joined[4:6], joined[6:]]
    year, month, day = numbers[:3]
    if len(year) != 4 or not 1 <= len(month) <= 2 or not 1 <= len(day) <= 2 or int(year) < _FIRST_YEAR:
        raise ValueError
    return date(int(year), int(month), int(day))


class Sources(BaseModel):
    """All sources, by kind; any kind may have none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plays: tuple[Source, ...] = ()
    users: tuple[Source, ...] = ()
    tracks: tuple[Source, ...] = ()
    events: tuple[Source, ...] = ()

    @model_validator(mode="after")
    def _fit_the_contract(self) -> "Sources":
        for kind in tables.KINDS:
            for position, source in enumerate(self.of(kind)):
                try:
                    source.check_contract(kind)
                except ValueError as error:
                    raise ValueError(f"sources.{kind}[{position}].{error}") from None
        return self

    def of(self, kind: Kind) -> tuple[Source, ...]:
        """The sources of a kind, in the order of umg.toml."""
        return getattr(self, kind)
