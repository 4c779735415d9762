"""The rows of an experiment's file: whose they are, and what an empty value of a metric means."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Literal

from scipy.stats import chi2_contingency

from umg_assets.experiments.file_options import ROWS, FileError, MetricOption, ordered
from umg_assets.experiments.file_table import FileTable
from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.trust import ALARM, Finding

Missing = Literal["zero", "drop", "error"]
MISSING_HELP = (
    "--missing zero counts them as 0, which fits what did not happen; --missing drop leaves these rows out, which fits "
    "what was not measured, and makes the means those of different people, which the readout tests"
)


class UnitRows:
    """The rows of a file, in table `taken` with columns umg_unit, umg_variant, umg_day; NULL without a column of days.

    unit, variant: names of columns, read as text; rows in which either is empty are counted and left out.
    days: a column with the day of each row, YYYY-MM-DD with or without a time.
    missing: what an empty value of a metric means. caps: metric = the largest value of its numerator in a row.

    Raises FileError if the file cannot be read, lacks a column, or a day is no day.
    """

    def __init__(
        self,
        file: Path,
        unit: str,
        variant: str,
        *,
        days: str | None = None,
        missing: Missing = "error",
        caps: Mapping[str, float] | None = None,
    ) -> None:
        self.table, self.missing, self.caps = FileTable(file), missing, dict(caps or {})
        self.variant = variant
        day = day_of(self.table, days) if days else "CAST(NULL AS DATE)"
        self.table.base.execute(
            f"CREATE TEMP TABLE named AS SELECT *, {self.table.text(unit)} AS umg_unit, {self.table.text(variant)} AS "
            f"umg_variant, {day} AS umg_day FROM file"
        )
        self.table.base.execute(
            "CREATE TEMP TABLE taken AS FROM named WHERE umg_unit IS NOT NULL AND umg_variant IS NOT NULL"
        )

    def variants(self) -> tuple[str, ...]:
        """The variant column's values, one named like a control first.

        Raises FileError unless there are 2 to 20, or if some differ by case or blanks only.
        """
        rows = self.table.rows("SELECT umg_variant, count(*) FROM taken GROUP BY 1")
        return checked_variants(self.table.file, self.variant, dict(rows))

    def days(self) -> tuple[date, date] | None:
        """The first and the last day of a unit's first row; None without a column of days."""
        units = "SELECT min(umg_day) AS umg_day FROM taken GROUP BY umg_unit"
        first, last = self.table.rows(f"SELECT min(umg_day), max(umg_day) FROM ({units})")[0]
        return (first, last) if first is not None else None

    def last_day(self) -> date | None:
        """The last day of any row; None without a column of days."""
        return self.table.value("SELECT max(umg_day) FROM taken")

    def numerator(self, experiment: Experiment, name: str) -> str:
        """A metric's numerator of a row in SQL, capped; NULL where it is empty and stays so."""
        value = self.number(experiment.metric(name).numerator)
        return f"least({value}, {self.caps[name]!r})" if name in self.caps else value

    def number(self, column: str) -> str:
        """A column, or ROWS, as a number in SQL; NULL where it is empty and stays so."""
        if column == ROWS:
            return "CAST(1 AS DOUBLE)"
        number = self.table.number(column)
        return f"coalesce({number}, 0)" if self.missing == "zero" else number

    def measured(self, experiment: Experiment, name: str) -> str:
        """Whether a row has all values of a metric, in SQL."""
        metric = experiment.metric(name)
        parts = [column for column in (metric.numerator, metric.denominator) if column not in (None, ROWS)]
        return " AND ".join(f"{self.number(column)} IS NOT NULL" for column in parts if column) or "true"

    def check(self, option: MetricOption) -> None:
        """Raises FileError if a metric's columns are missing or no numbers."""
        for column in (option.numerator, option.denominator):
            if column not in (None, ROWS):
                self.table.number(column)

    def refuse_empty_values(self, experiment: Experiment) -> None:
        """Raises FileError, with the count and the first place, if a metric has empty values that mean nothing yet."""
        if self.missing != "error":
            return
        for name in experiment.metric_names:
            metric = experiment.metric(name)
            for column in (metric.numerator, metric.denominator):
                if column in (None, ROWS):
                    continue
                number = self.table.number(column)
                query = f"SELECT count(*), min(umg_row) FROM taken WHERE {number} IS NULL"
                count, first = self.table.rows(query)[0]
                if count:
                    raise FileError(
                        f"{self.table.file}: expected a number in every row of {column}, got {count:,} empty values, "
                        f"the first in {self.table.place(first)}: {MISSING_HELP}"
                    )

    def empty_values(self, experiment: Experiment, covariates: Mapping[str, MetricOption]) -> tuple[Finding, ...]:
        """A finding for each metric and covariate with empty values; of those that are left out, whether alike."""
        findings = []
        for name in experiment.metric_names:
            metric = experiment.metric(name)
            columns = [column for column in (metric.numerator, metric.denominator) if column not in (None, ROWS)]
            empty = " OR ".join(f"{self.table.number(column)} IS NULL" for column in columns if column) or "false"
            findings += self._finding(experiment, name, empty, dropped=self.missing == "drop")
            if (before := covariates.get(name)) is not None and before.numerator != ROWS:
                empty = f"{self.table.number(before.numerator)} IS NULL"
                findings += self._finding(experiment, f"{name}'s covariate", empty, dropped=False)
        return tuple(findings)

    def _finding(self, experiment: Experiment, name: str, empty: str, *, dropped: bool) -> list[Finding]:
        rows = self.table.rows(
            f"SELECT umg_variant, count(*) FILTER (empty), count(*) FILTER (NOT empty) FROM (SELECT umg_unit, "
            f"any_value(umg_variant) AS umg_variant, bool_and({empty}) AS empty FROM taken GROUP BY 1) GROUP BY 1"
        )
        values = self.table.value(f"SELECT count(*) FROM taken WHERE {empty}")
        if not values:
            return []
        units = {variant: (lost, kept) for variant, lost, kept in rows}
        counts = ", ".join(
            f"{units[variant][0]:,} of {sum(units[variant]):,} in {variant}"
            for variant in experiment.variants
            if variant in units
        )
        if not dropped:
            text = f"{values:,} empty values of {name} are counted as 0 (units without any value: {counts})."
            return [Finding("empty values", "warning", text)]
        text = f"{values:,} rows without {name} are left out (units without any value: {counts})."
        pairs = list(units.values())
        p = float(chi2_contingency(pairs, correction=False).pvalue) if all(map(sum, zip(*pairs, strict=True))) else 1.0  # pyright: ignore
        if p >= ALARM:
            return [Finding("empty values", "warning", f"{text} The shares are alike (p = {p:.3g}).", p)]
        return [
            Finding(
                "empty values",
                "hold",
                f"{text} The shares differ (p = {p:.2g}, below {ALARM}): the means are those of different people.",
                p,
                ("what is not measured depends on the variant: count it as 0 if it did not happen (--missing zero)",),
            )
        ]

    def capped_values(self, experiment: Experiment) -> tuple[str, ...]:
        """A sentence for each cap: how many rows were above it."""
        notes = []
        for name, cap in self.caps.items():
            value = self.number(experiment.metric(name).numerator)
            count = self.table.value(f"SELECT count(*) FROM taken WHERE {value} > {cap!r}")
            notes.append(f"{name}: each row counts at most {cap:g}; {count:,} rows were above that.")
        return tuple(notes)


def checked_variants(file: Path, column: str, rows: Mapping[str, int]) -> tuple[str, ...]:
    """The variants in order; rows: how many each has.

    Raises FileError unless there are 2 to 20, or if some differ by case or blanks only.
    """
    alike: dict[str, list[str]] = {}
    for name in rows:
        alike.setdefault("".join(name.split()).casefold(), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            counts = ", ".join(f"{name!r} ({rows[name]:,} rows)" for name in sorted(names))
            raise FileError(
                f"{file}: expected different variants in {column}, got {counts}, which differ by case or blanks only: "
                "write them alike"
            )
    if len(rows) < 2:
        raise FileError(f"{file}: expected two or more variants in {column}, got {list(rows)}")
    if len(rows) > 20:
        raise FileError(f"{file}: {column} has {len(rows)} values: is it the variant's column?")
    return ordered(rows)


def day_of(table: FileTable, column: str) -> str:
    """A column of days as DATE in SQL. Raises FileError, with the count and the first place, if a value is no day."""
    text = f"trim({table.text(column)})"
    day = (
        f"CASE WHEN regexp_full_match({text}, '\\d{{4}}-\\d{{2}}-\\d{{2}}([T ].*)?') "
        f"THEN TRY_CAST({text}[1:10] AS DATE) END"
    )
    query = f"SELECT count(*), min(umg_row), arg_min({text}, umg_row) FROM file WHERE {day} IS NULL"
    count, first, value = table.rows(query)[0]
    if count:
        raise FileError(
            f"{table.file}: expected days YYYY-MM-DD in {column}, got {value!r} in {table.place(first)}, the first of "
            f"{count:,} values that are none"
        )
    return day
