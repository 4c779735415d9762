"""Sources: what umg.toml says of the files an exporter drops, and the SQL expressions over their columns."""

import difflib
import hashlib
import re
from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from umg_assets import tables
from umg_assets.expressions import check_over_text, columns_of, parse_expression
from umg_assets.tables import Kind

Format = Literal["csv", "tsv", "jsonl", "parquet"]


def _checked_expression(text: str) -> str:
    parse_expression(text)
    return text


def _checked_delivery_pattern(text: str) -> str:
    try:
        groups = re.compile(text).groups
    except re.error as error:
        raise ValueError(f"not a regular expression ({error}): {text!r}") from None
    if groups != 1:
        raise ValueError(f"expected a regular expression with one group that holds the date, got {groups}: {text!r}")
    return text


Expression = Annotated[str, AfterValidator(_checked_expression)]


class Source(BaseModel):
    """One way in which an exporter writes one kind of files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="", description="what messages call it; default: its kind and position")
    files: str = Field(description="glob under landing/, or absolute")
    format: Format | None = Field(default=None, description="default: by the file's suffix")
    schema_: str | None = Field(default=None, alias="schema", description="Spark DDL, for nested JSON")
    delivered_on: Annotated[str, AfterValidator(_checked_delivery_pattern)] | None = Field(
        default=None, description="regular expression on the path whose group is the delivery date"
    )
    where: Expression | None = Field(default=None, description="records to take; the others are counted as filtered")
    columns: dict[str, Expression] = Field(description="contract column = Spark SQL expression")

    _kind: Kind | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _fits_its_format(self) -> "Source":
        from umg_assets.resources.parsing import Layout, format_of

        form = self.format or format_of(self.files) or ("jsonl" if self.schema_ else None)
        Layout(form or "csv", self.file_columns, self.schema_)
        if self.schema_ is None and form in ("csv", "tsv", "jsonl"):
            expressions = {f"columns.{name}": text for name, text in self.columns.items()}
            for key, text in (expressions | ({"where": self.where} if self.where else {})).items():
                try:
                    check_over_text(text)
                except ValueError as error:
                    raise ValueError(f"{key}: {error}") from None
        return self

    def check_contract(self, kind: Kind) -> None:
        """Raises ValueError when `columns` names what the contract has not, or leaves out what it needs."""
        known = tables.SOURCE_COLUMNS[kind]
        for column in self.columns:
            if column not in known:
                near = difflib.get_close_matches(column, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ValueError(f"columns.{column}: {kind} have no such column{hint} (known: {', '.join(known)})")
        missing = [column for column in tables.REQUIRED[kind] if column not in self.columns]
        if missing:
            raise ValueError(f"columns: {kind} need an expression for {', '.join(missing)}")

    @property
    def file_columns(self) -> tuple[str, ...]:
        """The columns of the file that its expressions use."""
        texts = [*self.columns.values(), *([self.where] if self.where else [])]
        return tuple(dict.fromkeys(column for text in texts for column in columns_of(text)))

    @property
    def definition_hash(self) -> str:
        """SHA-256 of what decides the rows: a changed definition reads its files again."""
        deciding = self.model_dump(mode="json", exclude={"name", "files"})
        return hashlib.sha256(repr(sorted(deciding.items())).encode()).hexdigest()[:16]

    def delivery_date(self, path: str, modified_on: date) -> date:
        """The UTC delivery day of a file: by `delivered_on` from its path, else the day it was modified.

        Raises ValueError when the path has no date where `delivered_on` looks for one.
        """
        if self.delivered_on is None:
            return modified_on
        found = re.search(self.delivered_on, str(PurePosixPath(path)))
        if not found:
            raise ValueError(f"{path}: delivered_on = {self.delivered_on!r} finds no date in the path")
        digits = re.sub(r"\D", "", found.group(1) or "")
        try:
            return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
        except ValueError:
            raise ValueError(
                f"{path}: delivered_on = {self.delivered_on!r} gives {found.group(1)!r}, expected year, month and day"
            ) from None


class Sources(BaseModel):
    """All sources, by kind: any number each, also none of users, tracks or events."""

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
