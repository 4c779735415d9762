"""A slice: the part of a table that one write replaces, stated by values of its columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime


def spark_literal(value: str | date) -> str:
    """A Spark SQL literal; quotes and backslashes in a text are escaped."""
    if isinstance(value, date):
        return f"date'{value.isoformat()}'"
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@dataclass(frozen=True)
class _Condition:
    """A condition in Spark SQL over checked values; only the functions below create one."""

    sql: str


def _days(column: str, values: Iterable[date]) -> list[date]:
    """The distinct days, in order. Raises ValueError when there are none, or one is a datetime or no date at all."""
    days = list(values)
    for day in days:
        if not isinstance(day, date) or isinstance(day, datetime):
            raise ValueError(f"a slice of {column}: expected days, got {day!r}: nothing may be replaced")
    if not days:
        raise ValueError(f"a slice of {column} without a single day: nothing may be replaced")
    return sorted(set(days))


def _texts(column: str, values: Iterable[str]) -> list[str]:
    """The distinct texts, in order. Raises ValueError when there are none, or one is empty, holds NUL or is no str."""
    if isinstance(values, str):  # its characters are no values
        raise ValueError(f"a slice of {column}: expected several texts, got {values!r}: nothing may be replaced")
    texts = list(values)
    for text in texts:
        if not isinstance(text, str) or not text or "\0" in text:
            raise ValueError(
                f"a slice of {column}: expected texts that are neither empty nor hold NUL, got {text!r}: "
                "nothing may be replaced"
            )
    if not texts:
        raise ValueError(f"a slice of {column} without a single value: nothing may be replaced")
    return sorted(set(texts))


def _one_of(column: str, values: Iterable[str | date]) -> str:
    return f"{column} in ({', '.join(spark_literal(value) for value in values)})"


def _any_of(conditions: Sequence[str]) -> str:
    """True where any condition holds, as a balanced tree: a chain of 480 makes Sail run out of stack."""
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    return f"({_any_of(conditions[:half])} or {_any_of(conditions[half:])})"


@dataclass(frozen=True)
class Slice:
    """A predicate over a table's columns, never without values: a write of rows outside it is refused.

    Built by its class methods, from values that they check. partitions: the partition values it covers, ordered as
    the table's partition columns are, so that an emptied partition is counted as one of 0 rows.
    """

    condition: _Condition
    partitions: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if not isinstance(self.condition, _Condition) or not self.condition.sql.strip():
            raise ValueError(f"a slice that names no values ({self.condition!r}): nothing may be replaced")
        if not self.partitions or not all(self.partitions):
            raise ValueError(f"a slice without partitions ({self.condition.sql}): nothing may be replaced")

    @property
    def predicate(self) -> str:
        """The slice in Spark SQL."""
        return self.condition.sql

    @classmethod
    def days(cls, column: str, days: Iterable[date]) -> "Slice":
        """The days (or first days of months) of a date column. Raises ValueError when there are none."""
        values = _days(column, days)
        # Spark 4.2 with Delta 4.4 cannot resolve BETWEEN in a replaceWhere.
        unbroken = len(values) > 1 and (values[-1] - values[0]).days == len(values) - 1
        within = f"{column} >= {spark_literal(values[0])} and {column} <= {spark_literal(values[-1])}"
        predicate = within if unbroken else _one_of(column, values)
        return cls(_Condition(predicate), tuple((day.isoformat(),) for day in values))

    @classmethod
    def markets(cls, markets: Iterable[str]) -> "Slice":
        """The markets of a table by country. Raises ValueError when there are none."""
        values = _texts("country", markets)
        return cls(_Condition(_one_of("country", values)), tuple((market,) for market in values))

    @classmethod
    def months_of_markets(cls, months: Iterable[date], markets: Iterable[str]) -> "Slice":
        """Every one of the months in every one of the markets. Raises ValueError when either is empty."""
        first_days, countries = _days("month", months), _texts("country", markets)
        return cls(
            _Condition(f"{_one_of('month', first_days)} and {_one_of('country', countries)}"),
            tuple((month.isoformat(), market) for month in first_days for market in countries),
        )

    @classmethod
    def days_of(cls, experiment: str, days: Iterable[date]) -> "Slice":
        """Days of one experiment and of no other. Raises ValueError when there are none."""
        (name,), values = _texts("experiment", [experiment]), _days("through_date", days)
        return cls(
            _Condition(f"experiment = {spark_literal(name)} and {_one_of('through_date', values)}"),
            tuple((name, day.isoformat()) for day in values),
        )

    @classmethod
    def files(cls, files: Iterable[tuple[date, str]], source: str | None = None) -> "Slice":
        """The rows of files (delivery date, path) alone; of one kind of source, if given.

        Raises ValueError when there are none.
        """
        by_day: dict[date, list[str]] = {}
        for day, path in files:
            by_day.setdefault(day, []).append(path)
        of_source = "" if source is None else f"source = {spark_literal(*_texts('source', [source]))} and "
        days = _days("delivery_date", by_day)
        of_days = [
            f"({of_source}delivery_date = {spark_literal(day)} and "
            f"{_one_of('source_file', _texts('source_file', by_day[day]))})"
            for day in days
        ]
        return cls(_Condition(_any_of(of_days)), tuple((day.isoformat(),) for day in days))

    def __or__(self, other: "Slice") -> "Slice":
        return Slice(
            _Condition(f"{self.predicate} or {other.predicate}"),
            tuple(dict.fromkeys((*self.partitions, *other.partitions))),
        )
