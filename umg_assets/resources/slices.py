"""A slice: the part of a table that one write replaces, stated from partition keys."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date


def literal(value: str | date) -> str:
    """A Spark SQL literal; quotes and backslashes in a text are escaped."""
    if isinstance(value, date):
        return f"date'{value.isoformat()}'"
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _one_of(column: str, values: Iterable[str | date]) -> str:
    return f"{column} in ({', '.join(literal(value) for value in sorted(set(values)))})"


def _any_of(conditions: Sequence[str]) -> str:
    """The conditions, of which one has to hold, as a balanced tree: in a chain of 480 Sail runs out of stack."""
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    return f"({_any_of(conditions[:half])} or {_any_of(conditions[half:])})"


@dataclass(frozen=True)
class Slice:
    """A predicate in Spark SQL over a table's columns, never empty: a write outside it is refused.

    partitions: the partition values it covers, as the table's partition columns order them, so that an emptied
    partition is counted as one of 0 rows. Raises ValueError for a predicate that names no values.
    """

    predicate: str
    partitions: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if not self.partitions or "'" not in self.predicate:
            raise ValueError(f"a slice that names no values ({self.predicate!r}): nothing may be replaced")

    @classmethod
    def days(cls, column: str, days: Iterable[date]) -> "Slice":
        """The days (or months) of a date column. Raises ValueError when there are none."""
        wanted = sorted(set(days))
        if not wanted:
            raise ValueError(f"a slice of {column} without a single day: nothing may be replaced")
        # Spark 4.2 with Delta 4.4 cannot resolve BETWEEN in a replaceWhere.
        unbroken = len(wanted) > 1 and (wanted[-1] - wanted[0]).days == len(wanted) - 1
        predicate = f"{column} >= {literal(wanted[0])} and {column} <= {literal(wanted[-1])}"
        return cls(predicate if unbroken else _one_of(column, wanted), tuple((day.isoformat(),) for day in wanted))

    @classmethod
    def markets(cls, markets: Iterable[str]) -> "Slice":
        """The markets of a table by country. Raises ValueError when there are none."""
        wanted = sorted(set(markets))
        if not wanted:
            raise ValueError("a slice of markets without a single one: nothing may be replaced")
        return cls(_one_of("country", wanted), tuple((market,) for market in wanted))

    @classmethod
    def months_of_markets(cls, months: Iterable[date], markets: Iterable[str]) -> "Slice":
        """The rectangle of months and markets. Raises ValueError when either is empty."""
        rows, columns = sorted(set(months)), sorted(set(markets))
        if not rows or not columns:
            raise ValueError("a slice without a month or without a market: nothing may be replaced")
        return cls(
            f"{_one_of('month', rows)} and {_one_of('country', columns)}",
            tuple((month.isoformat(), market) for month in rows for market in columns),
        )

    @classmethod
    def days_of(cls, experiment: str, days: Iterable[date]) -> "Slice":
        """Days of one experiment, no sibling's. Raises ValueError when there are none."""
        wanted = sorted(set(days))
        if not wanted:
            raise ValueError(f"a slice of {experiment} without a single day: nothing may be replaced")
        return cls(
            f"experiment = {literal(experiment)} and {_one_of('through_date', wanted)}",
            tuple((experiment, day.isoformat()) for day in wanted),
        )

    @classmethod
    def files(cls, files: Iterable[tuple[date, str]], source: str | None = None) -> "Slice":
        """Files (delivery date, path), of one source's kind if given: their own rows, no sibling's.

        Raises ValueError when there are none.
        """
        by_day: dict[date, list[str]] = {}
        for day, path in sorted(set(files)):
            by_day.setdefault(day, []).append(path)
        if not by_day:
            raise ValueError("a slice of files without a single file: nothing may be replaced")
        of_source = f"source = {literal(source)} and " if source else ""
        of_days = [
            f"({of_source}delivery_date = {literal(day)} and {_one_of('source_file', paths)})"
            for day, paths in by_day.items()
        ]
        return cls(_any_of(of_days), tuple((day.isoformat(),) for day in by_day))

    def __or__(self, other: "Slice") -> "Slice":
        return Slice(
            f"{self.predicate} or {other.predicate}", tuple(dict.fromkeys((*self.partitions, *other.partitions)))
        )
