"""Published aggregates as evidence: a row a variant (and day, and metric) with users and their moments."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from umg_assets.experiments.file_options import FileError
from umg_assets.experiments.file_table import FileTable
from umg_assets.experiments.unit_rows import checked_variants
from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.moments import Evidence, Trust, UserMoments

_FIRST = date(2000, 1, 1)  # of files whose days are numbers: a placeholder that no page shows
Sums = tuple[float, float, float]


@dataclass(frozen=True)
class Series:
    """The days of a file. days: in order, one if the file has none. labels: day = what the file calls it."""

    days: tuple[date, ...]
    labels: Mapping[date, str]


class AggregateFile:
    """A file with columns of the variant, users, and mean and variance (n - 1), or sum and sum_squares.

    variant, day: names of columns; days are YYYY-MM-DD, or numbers such as days since the start. metrics: the names to
    read of column `metric`; a file without that column holds one metric, of any name.
    each_day: rows hold the users who are new on a day alone, and are added up; else all users up to the day.

    Raises FileError if the file cannot be read, lacks a column, or if a value cannot be what its column says.
    """

    def __init__(
        self, file: Path, variant: str, metrics: Sequence[str], *, day: str | None = None, each_day: bool = False
    ) -> None:
        self.table, self.variant, self.metrics = FileTable(file), variant, metrics
        self._sums: dict[tuple[str, str], dict[str, Sums]] = {}
        labels = self._read(day)
        self.series = self._series(day, labels)
        self._check(day)
        if each_day:
            self._add_up()
        else:
            self._refuse_falling()

    def variants(self) -> tuple[str, ...]:
        """The variants; see `checked_variants`."""
        counts: dict[str, int] = {}
        for _, variant in self._sums:
            counts[variant] = counts.get(variant, 0) + 1
        return checked_variants(self.table.file, self.variant, counts)

    def evidence(self, experiment: Experiment) -> tuple[Evidence, ...]:
        """The evidence through each day; the last one completes it."""
        return tuple(
            Evidence(
                through=day,
                settled=True,
                complete=day == self.series.days[-1],
                trust=Trust(
                    exposed={
                        variant: int(self._sums[experiment.primary[0], variant][label][0])
                        for variant in experiment.variants
                    }
                ),
                moments=tuple(
                    _moments(metric, variant, self._sums[metric, variant][label])
                    for metric in experiment.metric_names
                    for variant in experiment.variants
                ),
            )
            for day, label in zip(self.series.days, self._labels, strict=True)
        )

    def _read(self, day: str | None) -> set[str]:
        """Reads the sums; returns the file's own names of its days."""
        table = self.table
        if has_moments := {"mean", "variance"} <= set(table.types):
            first, second = table.number("mean"), table.number("variance")
        else:
            first, second = table.number("sum"), table.number("sum_squares")
        metric = table.text("metric") if "metric" in table.types else "NULL"
        single = self.metrics[0]
        if metric == "NULL" and len(self.metrics) > 1:
            raise FileError(f"{table.file}: expected a column 'metric' for {len(self.metrics)} metrics, got none")
        rows = table.rows(
            f"SELECT umg_row, {metric}, {table.text(self.variant)}, {table.text(day) if day else repr('')}, "
            f"{table.number('users')}, {first}, {second} FROM file ORDER BY umg_row"
        )
        labels = set()
        for row, name, variant, label, users, left, right in rows:
            name = single if metric == "NULL" else name
            if name not in self.metrics:
                continue
            where = (
                f"{table.file}: {table.place(row) if None in (variant, label, users, left, right) else f'row {row}'}"
            )
            if None in (variant, label, users, left, right):
                raise FileError(f"{where}: expected a variant, a day and numbers, got an empty value")
            if users < 0 or users != int(users):
                raise FileError(f"{where}: expected users to be a whole number, got {users:g}")
            sums = _sums_of(users, left, right) if has_moments else (users, left, right)
            if right < 0 or sums[2] * users < sums[1] ** 2 * (1 - 1e-9):
                raise FileError(f"{where}: expected a variance of 0 or more, got less: are the columns what they say?")
            of_day = self._sums.setdefault((name, variant), {})
            if label in of_day:
                raise FileError(
                    f"{where}: expected one row for {name} in {variant}{f' on {label}' if day else ''}, got another: "
                    "keep one experiment and one metric of the file, or name its days by --days"
                )
            of_day[label] = sums
            labels.add(label)
        if lacking := [name for name in self.metrics if not any(name == metric for metric, _ in self._sums)]:
            raise FileError(f"{table.file}: expected rows of metric {', '.join(lacking)}, got none")
        return labels

    def _series(self, column: str | None, labels: set[str]) -> Series:
        if column is None:
            self._labels = [""]
            return Series((_FIRST,), {})
        with suppress(ValueError):
            days = {date.fromisoformat(label): label for label in labels}
            self._labels = [days[day] for day in sorted(days)]
            return Series(tuple(sorted(days)), days)
        try:
            self._labels = sorted(labels, key=float)
        except ValueError:
            expected = f"expected days YYYY-MM-DD or numbers in {column}"
            raise FileError(f"{self.table.file}: {expected}, got {min(labels)!r}") from None
        days = {_FIRST + timedelta(days=at): f"{column} {label}" for at, label in enumerate(self._labels)}
        return Series(tuple(days), days)

    def _check(self, column: str | None) -> None:
        variants = {variant for _, variant in self._sums}
        for metric in self.metrics:
            for variant in sorted(variants):
                lacking = [label for label in self._labels if label not in self._sums.get((metric, variant), {})]
                if lacking:
                    where = f" on {lacking[0]}" if column else ""
                    raise FileError(f"{self.table.file}: expected a row of {metric} in {variant}{where}, got none")

    def _add_up(self) -> None:
        for of_day in self._sums.values():
            total: Sums = (0.0, 0.0, 0.0)
            for label in self._labels:
                users, first, second = of_day[label]
                total = (total[0] + users, total[1] + first, total[2] + second)
                of_day[label] = total

    def _refuse_falling(self) -> None:
        for (metric, variant), of_day in self._sums.items():
            for before, label in zip(self._labels, self._labels[1:], strict=False):
                if of_day[label][0] < of_day[before][0]:
                    raise FileError(
                        f"{self.table.file}: expected all users up to each day, got {of_day[label][0]:,.0f} of "
                        f"{metric} in {variant} on {label} after {of_day[before][0]:,.0f} on {before}: if a row holds "
                        "the users who are new on its day alone, add --each-day"
                    )


def _sums_of(users: float, mean: float, variance: float) -> Sums:
    return users, users * mean, max(users - 1, 0) * variance + users * mean * mean


def _moments(metric: str, variant: str, sums: Sums) -> UserMoments:
    users, first, second = sums
    return UserMoments(metric, variant, int(users), n=first, d=users, nn=second, nd=first, dd=users)
