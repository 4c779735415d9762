"""Covariates of a file: columns from before the experiment, which its rows repeat, or each hold a part of."""

from collections.abc import Mapping
from functools import cached_property

from umg_assets.experiments.file_options import ROWS, FileError, MetricOption
from umg_assets.experiments.unit_rows import UnitRows
from umg_assets.settings.experiment import Experiment


class Covariates:
    """The covariates of a file's metrics.

    rows: the file's, with the table `many` of units in several variants. options: metric = its covariate's columns.

    A treatment that changes how many rows a unit has must not change the unit's covariate. So a column that has one
    value in all rows of a unit counts once; where values differ, each row holds a part and they are summed. Empty
    values do not count.
    """

    def __init__(self, rows: UnitRows, options: Mapping[str, MetricOption]) -> None:
        self._rows, self._options = rows, options

    def check(self, experiment: Experiment) -> None:
        """Raises FileError for what was counted or measured during the experiment, and cannot come from before it."""
        for name, option in self._options.items():
            metric = experiment.metric(name)
            columns = (option.numerator, option.denominator)
            if ROWS in columns:
                raise FileError(
                    f"--covariate {name}: expected columns from before the experiment, got 1, which counts the file's "
                    "rows, and these are of the experiment: name a column, or leave the denominator out for a mean "
                    "per unit"
                )
            for column in columns:
                if column is not None and column in (metric.numerator, metric.denominator):
                    raise FileError(
                        f"--covariate {name}: expected columns from before the experiment, got {column}, which the "
                        "metric itself is made of: it would take the effect away"
                    )

    def of_unit(self, column: str) -> str:
        """A covariate's column over the rows of a unit, as an aggregate in SQL; 0 where all are empty.

        Raises FileError if it repeats one value in the rows of most units, but not of all: a sum would then count the
        rows, which are of the experiment.
        """
        number = self._rows.table.number(column)
        return f"coalesce({'sum' if column in self._summed else 'max'}({number}), 0)"

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each column that is summed over several rows of a unit."""
        return tuple(
            f"{column} is summed over each unit's rows, for they differ in {units:,} units: right only if each row was "
            "measured before the experiment."
            for column, units in self._summed.items()
        )

    @cached_property
    def _summed(self) -> dict[str, int]:
        """Column = number of units whose rows differ in it; only columns with such units."""
        columns = {
            column
            for option in self._options.values()
            for column in (option.numerator, option.denominator)
            if column is not None
        }
        return {column: units for column in sorted(columns) if (units := self._units_that_differ(column))}

    def _units_that_differ(self, column: str) -> int:
        table, number = self._rows.table, self._rows.table.number(column)
        differ, first, repeat = table.rows(
            "SELECT count(*) FILTER (least <> most), min(row) FILTER (least <> most), "
            "count(*) FILTER (least = most AND most <> 0 AND times > 1) FROM (SELECT min(x) AS least, max(x) AS most, "
            f"count(x) AS times, min(umg_row) AS row FROM (SELECT umg_unit, umg_row, {number} AS x FROM taken "
            "ANTI JOIN many USING (umg_unit)) GROUP BY umg_unit)"
        )[0]
        if differ and repeat > differ:
            raise FileError(
                f"{table.file}: expected {column} to have one value in all rows of a unit, or to be a part of a sum in "
                f"each, got one value in all rows of {repeat:,} units and several in {differ:,}, the first of which "
                f"begins in {table.place(first)}: make its values alike, or write one row a unit"
            )
        return differ
