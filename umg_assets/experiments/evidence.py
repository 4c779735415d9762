"""Evidence of an experiment, computed on the engine. Only its window and pre-period are read; only sums leave."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.calendar import days_between, end_of
from umg_assets.planning.history import History, delivery_days_of
from umg_assets.privacy.seals import Seals
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.slices import Slice
from umg_assets.settings.experiment import Experiment
from umg_assets.settings.model import Settings
from umg_assets.statistics.moments import (
    BucketSums,
    Evidence,
    RankSums,
    SessionBin,
    SessionMoments,
    Trust,
    UserMoments,
)
from umg_assets.transforms import exposures, moment_sums, user_sums

CAP_QUANTILE = 0.999
"""Session play time is capped at this quantile of the pre-period's sessions with a play."""

_Rows = dict[date, list[dict[str, Any]]]


@dataclass(frozen=True)
class _Users:
    """Staged tables, from which all sums are computed.

    first: users with their first exposure. daily: their sums by day. sums: their sums through each day asked for.
    by_metric: the same as numerators and denominators. sessions: their sessions through each day.
    """

    first: DataFrame
    daily: DataFrame
    sums: DataFrame
    by_metric: DataFrame
    sessions: DataFrame


class EvidenceReader:
    """Reads the evidence of experiments from visits and exposure_days, and recomputes variants from the raw tables."""

    def __init__(self, settings: Settings, lakehouse: Lakehouse, history: History) -> None:
        self._settings, self._lakehouse, self._history = settings, lakehouse, history

    def read(
        self, name: str, experiment: Experiment, throughs: Sequence[date], frozen: Mapping[str, Any] | None
    ) -> list[Evidence]:
        """The evidence through each of the days `throughs`.

        frozen: the definition kept at the first exposure; None before it. A day through which nobody is exposed has
        evidence without users. `settled` is always False: whoever reads the evidence decides it by the current day.
        """
        start, last = experiment.pre_period[0], max(throughs)
        earliest = min(start, exposures.visit_days(experiment.first_day))
        visits = self._lakehouse.read_now(tables.VISITS, Slice.days("visit_date", days_between(earliest, last)))
        window = days_between(experiment.first_day, last)
        exposure_days = self._lakehouse.read_now(tables.EXPOSURE_DAYS, Slice.days("exposure_date", window))
        cap_ms = self._cap(visits, experiment)
        with self._staged(name, experiment, throughs, visits, exposure_days, cap_ms) as users:
            return self._evidence(name, experiment, throughs, exposure_days, users, cap_ms, frozen)

    def _cap(self, visits: DataFrame, experiment: Experiment) -> int | None:
        start, end = experiment.pre_period
        played = visits.where(F.col("visit_date").between(F.lit(start), F.lit(end)) & (F.col("plays") > 0))
        cap = played.agg(F.expr(f"percentile(listening_ms, {CAP_QUANTILE})").alias("cap")).collect()[0]["cap"]
        return None if cap is None else round(cap)

    def _assigned(self, name: str, experiment: Experiment, last: date, folder: Path) -> DataFrame:
        """user_key and assigned variant of users with events of the experiment; by assignment, of all active ones."""
        days = days_between(experiment.first_day, last)
        ids = [self._user_ids("events", days)]
        if not experiment.exposure_event:
            ids.append(self._user_ids("plays", days_between(exposures.visit_days(experiment.first_day), last)))
            users = ids[0].unionByName(ids[1])
        else:
            users = ids[0].where(F.col("experiment") == name)
        users = self._opened(users.select("user_id", "user_key").distinct(), folder)
        return exposures.assigned_variants(users, experiment)

    def _opened(self, users: DataFrame, folder: Path) -> DataFrame:
        """Users with their ids opened, each once, in Parquet in a staging folder: what hashing is done over."""
        seals, sealed, opened = Seals(self._lakehouse.home), folder / "sealed", folder / "opened.parquet"
        clear = any(seals.may_be_clear(table) for table in (tables.RAW_PLAYS, tables.RAW_APP_EVENTS))
        self._lakehouse.once(users, sealed)
        schema = pa.schema([("user_id", pa.string()), ("user_key", pa.string())])
        with pq.ParquetWriter(opened, schema) as file:
            for part in sorted(sealed.rglob("*.parquet")):
                for batch in pq.ParquetFile(part).iter_batches(columns=schema.names):
                    ids, keys = (batch.column(name).to_pylist() for name in schema.names)
                    file.write_table(pa.table([seals.open_ids(ids, clear), keys], schema=schema))
        # while a rotation of keys is not done, an id may be sealed under both
        return self._lakehouse.spark.read.parquet(str(opened)).distinct()

    def _user_ids(self, kind: tables.Kind, days: list[date]) -> DataFrame:
        table, occurrence = tables.RAW[kind], tables.OCCURRENCES[kind]
        delivered = delivery_days_of(self._history, days, kind) or days[:1]
        rows = self._lakehouse.read_now(table, Slice.days("delivery_date", delivered))
        experiment = F.col("experiment") if kind == "events" else F.lit(None).cast("string")
        # Sail cannot aggregate a union of columns with and without comments; computed columns have none
        bare = (F.coalesce(column, F.lit(None)).alias(column) for column in ("user_id", "user_key"))
        return rows.where(Slice.days(occurrence.date, days).predicate).select(*bare, experiment.alias("experiment"))

    @contextmanager
    def _staged(
        self,
        name: str,
        experiment: Experiment,
        throughs: Sequence[date],
        visits: DataFrame,
        exposure_days: DataFrame,
        cap_ms: int | None,
    ) -> Iterator[_Users]:
        """The tables from which all sums are computed, written to a staging folder and discarded at the end."""
        folder = self._lakehouse.staging()
        spark = self._lakehouse.spark

        def once(what: str, rows: DataFrame) -> DataFrame:
            return self._lakehouse.once(rows, folder / what)

        try:
            zone = self._settings.time_zone
            ends = spark.createDataFrame(
                [(day, end_of(day, zone)) for day in throughs], "through date, cutoff timestamp"
            )
            assigned = once("assigned", self._assigned(name, experiment, max(throughs), folder))
            if not experiment.exposure_event:
                exposed = exposures.exposures_by_assignment(visits, assigned, experiment.first_day)
            else:
                exposed = exposures.exposures_of(exposure_days, name, experiment)
            first = once("first", exposures.first_exposures(exposed, visits, assigned, experiment))
            known = first.where(F.col("variant").isin(*experiment.variants))
            after = once("after", exposures.visits_after(visits, known))
            daily = once("daily", user_sums.daily_sums(after, exposure_days, name, known, cap_ms))
            before = user_sums.pre_period_sums(visits, known, experiment, cap_ms)
            sums = once("sums", user_sums.user_sums(known, after, daily, before, ends))
            metrics = once("metrics", user_sums.by_metric(sums, experiment, experiment.metric_names))
            users = sums.select("through", "user_key")
            sessions = after.select("user_key", "variant", "visit_date", user_sums.capped(cap_ms).alias("session_ms"))
            sessions = sessions.join(users, "user_key").where("visit_date <= through")
            yield _Users(first, daily, sums, metrics, once("sessions", sessions))
        finally:
            self._lakehouse.discard(folder)

    def _evidence(
        self,
        name: str,
        experiment: Experiment,
        throughs: Sequence[date],
        exposure_days: DataFrame,
        users: _Users,
        cap_ms: int | None,
        frozen: Mapping[str, Any] | None,
    ) -> list[Evidence]:
        primary = experiment.primary[0]
        weeks = [day for day in throughs if ((day - experiment.first_day).days + 1) % 7 == 0]
        of_weeks = F.col("through").isin(*weeks) if weeks else F.lit(False)
        primary_of_weeks = users.by_metric.where(F.col("metric").isin(*experiment.primary) & of_weeks)
        arms = experiment.control, experiment.treatments
        since = user_sums.by_day_since(
            users.first.where(F.col("variant").isin(*experiment.variants)), users.daily, experiment, throughs
        )
        played = users.sessions.select(
            "through", F.lit(primary).alias("metric"), "variant", F.col("session_ms").alias("value")
        )
        moments = _by_through(moment_sums.moments_of(users.by_metric))
        novelty = _by_through(moment_sums.moments_by_day_since(since, primary))
        sessions = _by_through(moment_sums.session_moments(users.sessions))
        ranks = _by_through(moment_sums.rank_sums(moment_sums.user_values(users.by_metric), *arms))
        literal = _by_through(moment_sums.rank_sums(played, *arms))
        buckets = _by_through(moment_sums.bucket_sums(primary_of_weeks)) if weeks else {}
        bins = _by_through(moment_sums.session_bins(users.sessions.where(of_weeks))) if weeks else {}
        top = _by_through(moment_sums.top_users(users.by_metric, primary))
        counts = _Counts(users, exposure_days, name, experiment, throughs)
        evidence = []
        for day in throughs:
            of_day = tuple(UserMoments(**row) for row in (*moments.get(day, ()), *novelty.get(day, ())))
            session_sums = tuple(SessionMoments(**row) for row in sessions.get(day, ()))
            trust = counts.trust(day, of_day, {row["variant"]: (row["users"], row["n"]) for row in top.get(day, ())})
            evidence.append(
                Evidence(
                    through=day,
                    settled=False,
                    complete=experiment.is_complete(day, {sums.variant: sums.sessions for sums in session_sums}),
                    trust=trust,
                    moments=of_day,
                    sessions=session_sums,
                    ranks=(
                        *(RankSums(**row) for row in ranks.get(day, ())),
                        *(RankSums(**row, unit="session") for row in literal.get(day, ())),
                    ),
                    buckets=BucketSums.from_rows(buckets.get(day, ())),
                    session_bins=tuple(SessionBin(**row) for row in bins.get(day, ())),
                    frozen=frozen if frozen is not None or not trust.exposed else experiment.frozen(),
                    by_assignment=not experiment.exposure_event,
                    cap_ms=cap_ms,
                )
            )
        return evidence


class _Counts:
    """The counts of Trust, for each day through which evidence is read."""

    def __init__(
        self, users: _Users, exposure_days: DataFrame, name: str, experiment: Experiment, throughs: Sequence[date]
    ) -> None:
        self._primary = experiment.primary[0]
        logged = bool(experiment.exposure_event)
        facts = users.first.groupBy(
            "exposure_date",
            "two_arms_from",
            "variant",
            F.col("variant").eqNullSafe(F.col("assigned")).alias("as_assigned"),
        ).agg(F.count(F.lit(1)).alias("users"))
        self._exposed: dict[date, dict[date, Counter[str]]] = {day: defaultdict(Counter) for day in throughs}
        self._two_arms, self._checked, self._mismatched = (Counter[date]() for _ in range(3))
        for row in facts.collect():
            for day in (day for day in throughs if row["exposure_date"] <= day):
                self._checked[day] += row["users"] if logged else 0
                self._mismatched[day] += row["users"] if logged and not row["as_assigned"] else 0
                if row["two_arms_from"] is not None and row["two_arms_from"] <= day:
                    self._two_arms[day] += row["users"]
                elif row["variant"] in experiment.variants:
                    self._exposed[day][row["exposure_date"]][row["variant"]] += row["users"]
        events = (
            exposure_days.where(F.col("experiment") == name)
            .groupBy("event_name", "user_key")
            .agg(F.min("exposure_date").alias("day"))
            .join(users.first.select("user_key", F.col("variant").alias("arm")), "user_key")
            .groupBy("event_name", "arm", "day")
            .agg(F.count(F.lit(1)).alias("users"))
        )
        self._events = [row.asDict() for row in events.collect() if row["arm"] in experiment.variants]

    def trust(self, day: date, moments: Iterable[UserMoments], top: Mapping[str, tuple[int, int]]) -> Trust:
        """Trust through a day. moments: of that day, for the segments; top: each variant's top users."""
        by_day = {first: dict(sorted(counts.items())) for first, counts in sorted(self._exposed[day].items())}
        segments: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        for row in moments:
            if row.slice in user_sums.SLICES and row.metric == self._primary:
                segments[row.slice, row.value][row.variant] = row.users
        events: dict[str, Counter[str]] = defaultdict(Counter)
        for row in self._events:
            if row["day"] <= day:
                events[row["event_name"]][row["arm"]] += row["users"]
        return Trust(
            exposed=dict(sorted(sum((Counter(counts) for counts in by_day.values()), Counter()).items())),
            exposed_by_day=by_day,
            exposed_by_segment=dict(sorted(segments.items())),
            two_arms=self._two_arms[day],
            checked=self._checked[day],
            mismatched=self._mismatched[day],
            events={event: dict(sorted(counts.items())) for event, counts in sorted(events.items())},
            top_users=dict(sorted(top.items())),
        )


def _by_through(rows: DataFrame) -> _Rows:
    """Aggregated rows by their column `through`, in a fixed order; decimals become Python's integers."""
    by_day: _Rows = defaultdict(list)
    for row in rows.collect():
        plain: dict[str, Any] = {
            name: int(value) if isinstance(value, Decimal) else value for name, value in row.asDict().items()
        }
        by_day[plain.pop("through")].append(plain)
    return {day: sorted(of_day, key=repr) for day, of_day in by_day.items()}
