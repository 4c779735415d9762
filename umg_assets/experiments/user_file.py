"""Evidence from any CSV or Parquet file, which DuckDB reads and aggregates. No engine, no lakehouse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from umg_assets.experiments.covariates import Covariates
from umg_assets.experiments.file_options import ROWS, FileError, MetricOption
from umg_assets.experiments.unit_rows import Missing, UnitRows
from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.moments import (
    USER_BUCKETS,
    VARIABLES,
    BucketSums,
    Evidence,
    RankSums,
    SessionMoments,
    Trust,
    UserMoments,
)
from umg_assets.statistics.trust import Finding


@dataclass(frozen=True)
class FileEvidence:
    """What a file says.

    evidence: its sums. findings: of its empty values. notes: what was done to it, a sentence each.
    """

    evidence: Evidence
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


class ExperimentFile:
    """A file with one or many rows a unit, and a column with the unit's variant. The arguments are those of UnitRows.

    A unit's day is that of its first row.

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
        self.rows = UnitRows(file, unit, variant, days=days, missing=missing, caps=caps)

    def variants(self) -> tuple[str, ...]:
        """The variant column's values; see UnitRows."""
        return self.rows.variants()

    def days(self) -> tuple[date, date] | None:
        """The first and the last day on which a unit begins; None without a column of days."""
        return self.rows.days()

    def read(self, experiment: Experiment, covariates: Mapping[str, MetricOption]) -> FileEvidence:
        """The evidence with what was noticed on the way; units in two variants are counted and left out.

        covariates: metric = columns from before the experiment, see Covariates; empty ones are 0. Raises FileError if a
        column is missing, is no number, has empty values that `missing` does not allow, if a variant has no value of a
        metric, or if a covariate cannot be from before.
        """
        before = Covariates(self.rows, covariates)
        before.check(experiment)
        findings, notes = self.rows.empty_values(experiment, covariates), self.rows.capped_values(experiment)
        evidence = self._evidence(experiment, covariates, before)
        return FileEvidence(evidence, findings, (*notes, *before.notes))

    def _evidence(self, experiment: Experiment, covariates: Mapping[str, MetricOption], before: Covariates) -> Evidence:
        self.rows.refuse_empty_values(experiment)
        self._sum_units(experiment, covariates, before)
        names = experiment.metric_names
        return Evidence(
            through=self.rows.last_day() or experiment.last_day,
            settled=True,
            complete=True,
            trust=self._trust(),
            moments=tuple(row for i, name in enumerate(names) for row in self._moments(i, name, experiment)),
            sessions=self._rows_as_sessions(experiment),
            ranks=tuple(self._ranks(experiment)),
            buckets=tuple(row for i, name in enumerate(names) for row in self._buckets(i, name)),
        )

    def _trust(self) -> Trust:
        by_day: dict[date, dict[str, int]] = {}
        for day, variant, count in self.rows.table.rows(
            "SELECT umg_day, umg_variant, count(*) FROM units WHERE umg_day IS NOT NULL GROUP BY ALL ORDER BY ALL"
        ):
            by_day.setdefault(day, {})[variant] = count
        without_variant, without_unit = self.rows.table.rows(
            "SELECT count(*) FILTER (umg_variant IS NULL), count(*) FILTER (umg_unit IS NULL) FROM named"
        )[0]
        return Trust(
            exposed=dict(self.rows.table.rows("SELECT umg_variant, count(*) FROM units GROUP BY 1")),
            exposed_by_day=by_day,
            two_arms=self.rows.table.value("SELECT count(*) FROM many"),
            rows=self.rows.table.count,
            without_variant=without_variant,
            without_unit=without_unit,
        )

    def _sum_units(self, experiment: Experiment, covariates: Mapping[str, MetricOption], before: Covariates) -> None:
        """Creates the tables `many` (units in several variants) and `units` (all others, with sums for each metric).

        A unit without a value of a metric has NULL for its sums.
        """
        self.rows.table.base.execute(
            "CREATE OR REPLACE TEMP TABLE many AS SELECT umg_unit FROM taken GROUP BY 1 "
            "HAVING count(DISTINCT umg_variant) > 1"
        )
        sums = []
        for i, name in enumerate(experiment.metric_names):
            covariate, measured = covariates.get(name), self.rows.measured(experiment, name)
            denominator = experiment.metric(name).denominator
            of_rows = f"sum({self.rows.number(denominator)})" if denominator else "CAST(1 AS DOUBLE)"
            sums.append(f"sum({self.rows.numerator(experiment, name)}) FILTER ({measured}) AS n{i}")
            sums.append(f"{f'{of_rows} FILTER ({measured})' if denominator else of_rows} AS d{i}")
            sums.append(f"{before.of_unit(covariate.numerator) if covariate else 'CAST(0 AS DOUBLE)'} AS cn{i}")
            divisor = covariate.denominator if covariate else None
            none = "CAST(1 AS DOUBLE)" if covariate else "CAST(0 AS DOUBLE)"
            sums.append(f"{before.of_unit(divisor) if divisor else none} AS cd{i}")
        self.rows.table.base.execute(
            f"CREATE OR REPLACE TEMP TABLE units AS SELECT umg_unit, min(umg_variant) AS umg_variant, min(umg_day) AS "
            f"umg_day, {', '.join(sums)} FROM taken ANTI JOIN many USING (umg_unit) GROUP BY umg_unit"
        )

    def _moments(self, i: int, name: str, experiment: Experiment) -> list[UserMoments]:
        pairs = [(a, b) for first, a in enumerate(VARIABLES) for b in VARIABLES[first:]]
        sums = [f"sum({variable}{i})" for variable in VARIABLES] + [f"sum({a}{i} * {b}{i})" for a, b in pairs]
        sums += [f"sum({a}{i} * {b}{i} * d{i})" for a, b in ("nn", "nd", "dd")]
        rows = self.rows.table.rows(
            f"SELECT umg_variant, count(*), {', '.join(sums)} FROM units WHERE n{i} IS NOT NULL GROUP BY 1 ORDER BY 1"
        )
        keys = [*VARIABLES, *(a + b for a, b in pairs), "nnd", "ndd", "ddd"]
        if lacking := set(experiment.variants) - {row[0] for row in rows}:
            file, variants = self.rows.table.file, ", ".join(sorted(lacking))
            raise FileError(f"{file}: expected values of {name} in every variant, got none in {variants}")
        return [UserMoments(name, row[0], row[1], **_named(keys, row[2:])) for row in rows]

    def _buckets(self, i: int, name: str) -> tuple[BucketSums, ...]:
        rows = self.rows.table.rows(
            f"SELECT umg_variant, hash(umg_unit) % {USER_BUCKETS}, count(*), sum(n{i}), sum(d{i}) "
            f"FROM units WHERE n{i} IS NOT NULL GROUP BY ALL"
        )
        keys = ("variant", "bucket", "users", "n", "d")
        return BucketSums.from_rows({"metric": name, **_named(keys, row)} for row in rows)

    def _ranks(self, experiment: Experiment) -> list[RankSums]:
        ranks = []
        for i, name in enumerate(experiment.metric_names):
            for treatment in experiment.treatments:
                ranks.append(
                    self._rank_sums(experiment, treatment, name, f"n{i} / d{i}", f"units WHERE d{i} > 0", "user")
                )
        first = experiment.primary[0]
        if self._has_sessions(experiment):
            for treatment in experiment.treatments:
                rows = f"taken ANTI JOIN many USING (umg_unit) WHERE {self.rows.measured(experiment, first)}"
                value = self.rows.numerator(experiment, first)
                ranks.append(self._rank_sums(experiment, treatment, first, value, rows, "session"))
        return ranks

    def _rank_sums(
        self, experiment: Experiment, treatment: str, metric: str, value: str, rows: str, unit: str
    ) -> RankSums:
        row = self.rows.table.rows(
            f"WITH values AS (SELECT umg_variant = $treatment AS treated, {value} AS x FROM {rows} "
            "AND umg_variant IN ($control, $treatment)), "
            "ties AS (SELECT x, count(*) AS t, count(*) FILTER (treated) AS treated FROM values GROUP BY x), "
            "ranked AS (SELECT *, 2 * sum(t) OVER (ORDER BY x ROWS UNBOUNDED PRECEDING) - t + 1 AS twice FROM ties) "
            "SELECT sum(t - treated), sum(treated), sum(treated * twice), sum(CAST(t AS HUGEINT) ** 3 - t) FROM ranked",
            {"control": experiment.control, "treatment": treatment},
        )[0]
        control, treated, twice, ties = (int(count or 0) for count in row)
        return RankSums(metric, treatment, control, treated, twice, ties, unit)

    def _has_sessions(self, experiment: Experiment) -> bool:
        """Whether the first metric is an average over rows, so that the literal test can treat rows as sessions."""
        return experiment.metric(experiment.primary[0]).denominator == ROWS

    def _rows_as_sessions(self, experiment: Experiment) -> tuple[SessionMoments, ...]:
        if not self._has_sessions(experiment):
            return ()
        first = experiment.primary[0]
        value = self.rows.numerator(experiment, first)
        rows = self.rows.table.rows(
            f"SELECT umg_variant, count(*), sum({value}), sum({value} * {value}) "
            f"FROM taken ANTI JOIN many USING (umg_unit) WHERE {self.rows.measured(experiment, first)} GROUP BY 1"
        )
        return tuple(SessionMoments(*row) for row in rows)


def _named(keys: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(keys, values, strict=True))
