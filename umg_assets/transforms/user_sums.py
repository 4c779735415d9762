"""Sums of one experiment: by user and day, by user through a day, and by user and metric."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from umg_assets.experiments.definition import QUANTITIES, Experiment

OF_VISITS = ("sessions", "session_ms", "listening_ms", "plays", "skips", "completes")
OF_EVENTS = ("impressions", "clicks", "section_plays")
RETURN_MS = 24 * 3600 * 1000
SLICES = ("country", "age_group", "tenure")


def capped(cap_ms: int | None) -> Column:
    """A visit's play time, at most the cap."""
    listened = F.col("listening_ms")
    return listened if cap_ms is None else F.least(listened, F.lit(cap_ms).cast("bigint"))


def _of_visits(cap_ms: int | None) -> list[Column]:
    sums = [F.sum(name).alias(name) for name in ("listening_ms", "plays", "skips", "completes")]
    return [F.count(F.lit(1)).alias("sessions"), F.sum(capped(cap_ms)).alias("session_ms"), *sums]


def daily_sums(
    after: DataFrame, exposure_days: DataFrame, name: str, first: DataFrame, cap_ms: int | None
) -> DataFrame:
    """Each exposed user's sums by day -> user_key, day and a column for each of OF_VISITS and OF_EVENTS.

    after: visits_after; exposure_days: tables.EXPOSURE_DAYS of the experiment's days: events whose name ends in
    _impressed are impressions, in _click clicks; first: first_exposures.
    """
    none = F.lit(0).cast("bigint")
    visits = after.groupBy("user_key", F.col("visit_date").alias("day")).agg(*_of_visits(cap_ms))
    seen = exposure_days.where(F.col("experiment") == name).join(
        first.select("user_key", F.col("exposure_date").alias("_from")), "user_key"
    )
    event = F.col("event_name")
    sums = {
        "impressions": F.when(event.endswith("_impressed"), F.col("events")),
        "clicks": F.when(event.endswith("_click"), F.col("events")),
        "section_plays": F.when(event == "play_start", F.col("section_events")),
    }
    events = (
        seen.where("exposure_date >= _from")
        .groupBy("user_key", F.col("exposure_date").alias("day"))
        .agg(*(F.coalesce(F.sum(value), none).alias(name) for name, value in sums.items()))
    )
    both = visits.select("*", *(none.alias(name) for name in OF_EVENTS)).unionByName(
        events.select("*", *(none.alias(name) for name in OF_VISITS))
    )
    return both.groupBy("user_key", "day").agg(*(F.sum(name).alias(name) for name in (*OF_VISITS, *OF_EVENTS)))


def pre_period_sums(visits: DataFrame, first: DataFrame, experiment: Experiment, cap_ms: int | None) -> DataFrame:
    """Each exposed user's sums over the pre-period -> user_key and c_NAME for each of OF_VISITS."""
    start, end = experiment.pre_period
    own = visits.where(F.col("visit_date").between(F.lit(start), F.lit(end))).join(
        first.select("user_key", "visit_at"), "user_key"
    )
    sums = own.where("started_at < visit_at").groupBy("user_key").agg(*_of_visits(cap_ms))
    return sums.withColumnsRenamed({name: f"c_{name}" for name in OF_VISITS})


def user_sums(
    first: DataFrame, after: DataFrame, daily: DataFrame, before: DataFrame, throughs: DataFrame
) -> DataFrame:
    """A row a user exposed through each day, all of QUANTITIES summed through it.

    first: first_exposures; after: visits_after; daily: daily_sums; before: pre_period_sums; throughs: through DATE,
    cutoff TIMESTAMP (the end of that local day). Users of two arms through a day are not in it. Out: through, the
    columns of first, each of QUANTITIES, and c_NAME of each (0 for users without a pre-period).
    """
    none = F.lit(0).cast("bigint")
    back = after.where("started_at > visit_end").groupBy("user_key").agg(F.min("started_at").alias("_back"))
    own = first.join(back, "user_key", "left").join(before, "user_key", "left")
    exposed = own.crossJoin(F.broadcast(throughs)).where(
        "exposure_date <= through and (two_arms_from is null or two_arms_from > through)"
    )
    sums = (
        daily.join(F.broadcast(throughs.select("through")), F.col("day") <= F.col("through"))
        .groupBy("through", "user_key")
        .agg(*(F.sum(name).alias(name) for name in (*OF_VISITS, *OF_EVENTS)))
    )
    returnable = F.unix_millis("visit_end") + RETURN_MS <= F.unix_millis("cutoff")
    returned = returnable & (F.unix_millis("_back") <= F.unix_millis("visit_end") + RETURN_MS)
    made = {
        "returnable": returnable.cast("bigint"),
        "returned": F.coalesce(returned, F.lit(False)).cast("bigint"),
        **{name: F.coalesce(name, none) for name in (*OF_VISITS, *OF_EVENTS)},
    }
    covariates = {name: F.coalesce(f"c_{name}", none) if name in OF_VISITS else none for name in QUANTITIES}
    return exposed.join(sums, ["through", "user_key"], "left").select(
        "through",
        *first.columns,
        *(made[name].alias(name) for name in QUANTITIES),
        *(covariates[name].alias(f"c_{name}") for name in QUANTITIES),
    )


def by_metric(sums: DataFrame, experiment: Experiment, metrics: Sequence[str]) -> DataFrame:
    """user_sums -> a row a user and metric: through, user_key, variant, SLICES, metric, n, d, cn, cd.

    A metric without a denominator has d = cd = 1.
    """
    one = F.lit(1).cast("bigint")
    named = sums.withColumn("metric", F.explode(F.array(*(F.lit(name) for name in metrics))))
    parts: dict[str, list[Column]] = {"n": [], "d": [], "cn": [], "cd": []}
    for name in metrics:
        above, below = experiment.metric(name).numerator, experiment.metric(name).denominator
        own = {"n": F.col(above), "cn": F.col(f"c_{above}")}
        own |= {"d": F.col(below) if below else one, "cd": F.col(f"c_{below}") if below else one}
        for part, value in own.items():
            parts[part].append(F.when(F.col("metric") == name, value))
    # no array of structs: Sail 0.7.2 fails where a field is nullable in one and not in another
    values = (F.coalesce(*whens).alias(part) for part, whens in parts.items())
    return named.select("through", "user_key", "variant", *SLICES, "metric", *values)


def by_day_since(first: DataFrame, daily: DataFrame, experiment: Experiment, throughs: Sequence[date]) -> DataFrame:
    """The first week's users on each day since their exposure that all of them have had: for novelty.

    Out: through, user_key, variant, value (days since, as text), n, d of the first primary metric on that day alone.
    Empty before the second week.
    """
    metric, one = experiment.metric(experiment.primary[0]), F.lit(1).cast("bigint")
    week = F.date_add(F.lit(experiment.first_day), 6)
    pairs = [
        F.struct(F.lit(through).alias("through"), F.lit(since).alias("since"))
        for through in throughs
        for since in range(1, (through - experiment.first_day).days - 5)
    ]
    none = F.struct(F.lit(None).cast("date").alias("through"), F.lit(None).cast("int").alias("since"))
    cohort = (
        first.where(F.col("exposure_date") <= week)
        .select("*", F.explode(F.array(*(pairs or [none]))).alias("_of"))
        .select("user_key", "variant", "exposure_date", "two_arms_from", "_of.through", "_of.since")
        .where("through is not null and (two_arms_from is null or two_arms_from > through)")
        .withColumn("day", F.date_add("exposure_date", F.col("since")))
    )
    zero = F.lit(0).cast("bigint")
    known = (*OF_VISITS, *OF_EVENTS)
    n = F.coalesce(metric.numerator, zero) if metric.numerator in known else zero
    below = metric.denominator
    d = one if below is None else F.coalesce(below, zero) if below in known else zero
    return cohort.join(daily, ["user_key", "day"], "left").select(
        "through", "user_key", "variant", F.col("since").cast("string").alias("value"), n.alias("n"), d.alias("d")
    )
