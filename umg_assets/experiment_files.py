"""Evidence out of any CSV or Parquet file: DuckDB reads it and aggregates to moments. No engine, no lake."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from umg_assets.experiments.definition import Experiment, Metric
from umg_assets.experiments.moments import (
    USER_BUCKETS,
    VARIABLES,
    BucketSums,
    Evidence,
    RankSums,
    SessionMoments,
    Trust,
    UserMoments,
)

ROWS = "1"
"""As a denominator: the number of the unit's rows."""


class FileError(ValueError):
    """A file that cannot be analysed as asked; the message says what was expected, what came, and where."""


@dataclass(frozen=True)
class MetricOption:
    """NAME=numerator[/denominator] over a file's columns; without a denominator, a mean a unit."""

    name: str
    numerator: str
    denominator: str | None

    @classmethod
    def parse(cls, text: str) -> "MetricOption":
        """Raises FileError when the text is no NAME=numerator[/denominator]."""
        found = re.fullmatch(r"\s*([^=\s]+)\s*=\s*([^/]+?)\s*(?:/\s*([^/]+?)\s*)?", text)
        if not found:
            raise FileError(f"expected NAME=numerator[/denominator], such as duration=seconds/1, got {text!r}")
        return cls(found[1], found[2], found[3])


def experiment_of(
    metrics: Sequence[MetricOption], variants: Mapping[str, int], minimum_effect: float, alpha: float
) -> Experiment:
    """The definition under which a file is read: a fixed sample that ends now; the first metric decides."""
    return Experiment(
        hypothesis="a file's variants differ",
        owner="whoever asks",
        salt="file",
        variants=dict(variants),
        first_day=date(2000, 1, 1),
        weeks=1,
        primary=(metrics[0].name,),
        secondary=tuple(one.name for one in metrics[1:]),
        metrics={one.name: Metric(numerator=one.numerator, denominator=one.denominator) for one in metrics},
        minimum_effect=minimum_effect,
        alpha=alpha,
    )


class ExperimentFile:
    """A file with a row a unit, or many rows a unit, and a column with the unit's variant."""

    def __init__(self, file: Path, unit: str, variant: str) -> None:
        if not file.is_file():
            raise FileError(f"{file}: expected a CSV or Parquet file, found none")
        self.file, self.base = file, duckdb.connect()
        reader = "read_parquet" if file.suffix.lower() in (".parquet", ".pq") else "read_csv"
        try:
            self.base.execute(f"CREATE TEMP TABLE file AS SELECT * FROM {reader}(?)", [str(file)])
        except duckdb.Error as error:
            raise FileError(f"{file}: cannot be read: {str(error).splitlines()[0]}") from None
        described = self.base.execute("DESCRIBE file").fetchall()
        self.types = {name: str(kind) for name, kind, *_ in described}
        self.unit, self.variant = self._column(unit), self._column(variant)
        self.base.execute(f"CREATE TEMP TABLE taken AS SELECT *, {self.unit} AS umg_unit, "
                          f"CAST({self.variant} AS VARCHAR) AS umg_variant FROM file "
                          f"WHERE {self.unit} IS NOT NULL AND {self.variant} IS NOT NULL")  # fmt: skip

    def variants(self) -> tuple[str, ...]:
        """The variant column's values, one named like a control first. Raises FileError where they are no variants."""
        rows = self.base.execute("SELECT DISTINCT umg_variant FROM taken ORDER BY 1").fetchall()
        names = [name for (name,) in rows]
        if len(names) < 2:
            raise FileError(f"{self.file}: expected two or more variants in {self.variant}, got {names}")
        if len(names) > 20:
            raise FileError(f"{self.file}: {self.variant} has {len(names)} values: is it the variant's column?")
        return tuple(sorted(names, key=lambda name: not re.match(r"(?i)control|a$|0$|off$", name)))

    def evidence(self, experiment: Experiment, covariates: Mapping[str, MetricOption]) -> Evidence:
        """The file as evidence; units in two variants are counted, and left out."""
        self._units(experiment, covariates)
        exposed = self._counts("SELECT umg_variant, count(*) FROM units GROUP BY 1")
        (twice,) = self.base.execute("SELECT count(*) FROM many").fetchone() or (0,)
        names = experiment.metric_names
        return Evidence(
            through=experiment.last_day,
            settled=True,
            complete=True,
            trust=Trust(exposed=exposed, two_arms=twice),
            moments=tuple(row for at, name in enumerate(names) for row in self._moments(at, name)),
            sessions=self._rows_as_sessions(experiment),
            ranks=tuple(self._ranks(experiment)),
            buckets=tuple(row for at, name in enumerate(names) for row in self._buckets(at, name)),
        )

    def _column(self, name: str) -> str:
        if name not in self.types:
            near = difflib.get_close_matches(name, self.types, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise FileError(f"{self.file}: expected a column {name!r}, got {', '.join(self.types)}{hint}")
        return '"' + name.replace('"', '""') + '"'

    def _number(self, name: str) -> str:
        """A column as a number; NULL counts 0."""
        if name == ROWS:
            return "CAST(1 AS DOUBLE)"
        quoted = self._column(name)
        if not re.match(r"(?i)u?(tiny|small|big|huge)?int|bool|float|double|decimal|hugeint|real", self.types[name]):
            raise FileError(f"{self.file}: expected numbers in {name}, got {self.types[name]}")
        return f"coalesce(CAST({quoted} AS DOUBLE), 0)"

    def _units(self, experiment: Experiment, covariates: Mapping[str, MetricOption]) -> None:
        sums = []
        for at, name in enumerate(experiment.metric_names):
            metric, covariate = experiment.metric(name), covariates.get(name)
            sums.append(f"sum({self._number(metric.numerator)}) AS n{at}")
            sums.append(f"{self._denominator(metric.denominator)} AS d{at}")
            sums.append(
                f"{f'sum({self._number(covariate.numerator)})' if covariate else 'CAST(0 AS DOUBLE)'} AS cn{at}"
            )
            sums.append(f"{self._denominator(covariate.denominator) if covariate else 'CAST(0 AS DOUBLE)'} AS cd{at}")
        self.base.execute(
            "CREATE TEMP TABLE many AS SELECT umg_unit FROM taken GROUP BY 1 HAVING count(DISTINCT umg_variant) > 1"
        )
        self.base.execute(
            f"CREATE TEMP TABLE units AS SELECT umg_unit, min(umg_variant) AS umg_variant, {', '.join(sums)} "
            "FROM taken ANTI JOIN many USING (umg_unit) GROUP BY umg_unit"
        )

    def _denominator(self, name: str | None) -> str:
        return "CAST(1 AS DOUBLE)" if name is None else f"sum({self._number(name)})"

    def _counts(self, query: str) -> dict[str, int]:
        return dict(self.base.execute(query).fetchall())

    def _moments(self, at: int, name: str) -> list[UserMoments]:
        pairs = [(a, b) for i, a in enumerate(VARIABLES) for b in VARIABLES[i:]]
        sums = [f"sum({one}{at})" for one in VARIABLES] + [f"sum({a}{at} * {b}{at})" for a, b in pairs]
        sums += [f"sum({a}{at} * {b}{at} * d{at})" for a, b in ("nn", "nd", "dd")]
        rows = self.base.execute(
            f"SELECT umg_variant, count(*), {', '.join(sums)} FROM units GROUP BY 1 ORDER BY 1"
        ).fetchall()
        keys = [*VARIABLES, *(a + b for a, b in pairs), "nnd", "ndd", "ddd"]
        return [UserMoments(name, row[0], row[1], **_named(keys, row[2:])) for row in rows]

    def _buckets(self, at: int, name: str) -> tuple[BucketSums, ...]:
        rows = self.base.execute(
            f"SELECT umg_variant, hash(CAST(umg_unit AS VARCHAR)) % {USER_BUCKETS}, count(*), sum(n{at}), sum(d{at}) "
            "FROM units GROUP BY ALL"
        ).fetchall()
        keys = ("variant", "bucket", "users", "n", "d")
        return BucketSums.from_rows({"metric": name, **_named(keys, row)} for row in rows)

    def _ranks(self, experiment: Experiment) -> list[RankSums]:
        found = []
        for at, name in enumerate(experiment.metric_names):
            for treatment in experiment.treatments:
                found.append(
                    self._rank_sums(experiment, treatment, name, f"n{at} / d{at}", f"units WHERE d{at} > 0", "user")
                )
        first = experiment.metric(experiment.primary[0])
        if self._has_sessions(experiment):
            for treatment in experiment.treatments:
                rows = "taken ANTI JOIN many USING (umg_unit) WHERE true"
                value = self._number(first.numerator)
                found.append(self._rank_sums(experiment, treatment, experiment.primary[0], value, rows, "session"))
        return found

    def _rank_sums(
        self, experiment: Experiment, treatment: str, metric: str, value: str, rows: str, unit: str
    ) -> RankSums:
        row = self.base.execute(
            f"WITH values AS (SELECT umg_variant = $treatment AS treated, {value} AS x FROM {rows} "
            "AND umg_variant IN ($control, $treatment)), "
            "ties AS (SELECT x, count(*) AS t, count(*) FILTER (treated) AS treated FROM values GROUP BY x), "
            "ranked AS (SELECT *, 2 * sum(t) OVER (ORDER BY x ROWS UNBOUNDED PRECEDING) - t + 1 AS twice FROM ties) "
            "SELECT sum(t - treated), sum(treated), sum(treated * twice), sum(CAST(t AS HUGEINT) ** 3 - t) FROM ranked",
            {"control": experiment.control, "treatment": treatment},
        ).fetchone() or (0, 0, 0, 0)
        control, treated, twice, ties = (int(one or 0) for one in row)
        return RankSums(metric, treatment, control, treated, twice, ties, unit)

    def _has_sessions(self, experiment: Experiment) -> bool:
        """Whether the first metric is an average over rows: what the literal test would run over."""
        return experiment.metric(experiment.primary[0]).denominator == ROWS

    def _rows_as_sessions(self, experiment: Experiment) -> tuple[SessionMoments, ...]:
        if not self._has_sessions(experiment):
            return ()
        value = self._number(experiment.metric(experiment.primary[0]).numerator)
        rows = self.base.execute(
            f"SELECT umg_variant, count(*), sum({value}), sum({value} * {value}) "
            "FROM taken ANTI JOIN many USING (umg_unit) GROUP BY 1"
        ).fetchall()
        return tuple(SessionMoments(*row) for row in rows)


def _named(keys: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(keys, values, strict=True))
