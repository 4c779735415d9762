"""Sums of one experiment: by user and day, by user through a day, and by user and metric. Times are in milliseconds."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from umg_assets.settings.experiment import QUANTITIES, Experiment

OF_VISITS = ("sessions", "session_ms", "listening_ms", "plays", "skips", "completes")
OF_EVENTS = ("impressions", "clicks", "section_plays")
RETURN_MS = 24 * 3600 * 1000
SLICES = ("country", "age_group", "tenure")


def capped(cap_ms: int | None) -> Column:
    """The play time of a visit in milliseconds, at most cap_ms (None: no cap)."""
    listened = F.col("listening_ms")
    return listened if cap_ms is None else F.least(listened, F.lit(cap_ms).cast("bigint"))


def _of_visits(cap_ms: int | None) -> list[Column]:
    sums = [F.sum(name).alias(name) for name in ("listening_ms", "plays", "skips", "completes")]
    return [F.count(F.lit(1)).alias("sessions"), F.sum(capped(cap_ms)).alias("session_ms"), *sums]


def daily_sums(
    after: DataFrame, exposure_days: DataFrame, name: str, first: DataFrame, cap_ms: int | None
) -> DataFrame:
    """Visits and events of exposed users -> their sums by user and day, from the first exposure on.

    In: after (visits_after); exposure_days (tables.EXPOSURE_DAYS of the experiment's days); name of the experiment;
    first (first_exposures). Out: user_key, day, and OF_VISITS and OF_EVENTS as columns (0 if there is nothing to sum).
    session_ms is the play time of visits, each capped at cap_ms. Events whose name ends in _impressed are impressions,
    those in _click are clicks; section_plays are the play_start events that are section_events.
    """
    zero = F.lit(0).cast("bigint")
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
        .agg(*(F.coalesce(F.sum(value), zero).alias(name) for name, value in sums.items()))
    )
    both = visits.select("*", *(zero.alias(name) for name in OF_EVENTS)).unionByName(
        events.select("*", *(zero.alias(name) for name in OF_VISITS))
    )
    return both.groupBy("user_key", "day").agg(*(F.sum(name).alias(name) for name in (*OF_VISITS, *OF_EVENTS)))


def pre_period_sums(visits: DataFrame, first: DataFrame, experiment: Experiment, cap_ms: int | None) -> DataFrame:
    """Visits -> the sums of exposed users over the pre-period, without the visit of the exposure and later ones.

    In: visits (tables.VISITS) of the pre-period; first (first_exposures). Out: user_key, and c_NAME for each NAME of
    OF_VISITS.
    """
    start, end = experiment.pre_period
    in_period = visits.where(F.col("visit_date").between(F.lit(start), F.lit(end))).join(
        first.select("user_key", "visit_at"), "user_key"
    )
    sums = in_period.where("started_at < visit_at").groupBy("user_key").agg(*_of_visits(cap_ms))
    return sums.withColumnsRenamed({name: f"c_{name}" for name in OF_VISITS})


def user_sums(
    first: DataFrame, after: DataFrame, daily: DataFrame, before: DataFrame, throughs: DataFrame
) -> DataFrame:
    """Sums by user and day -> for each day `through` and each user exposed by then, the sums up to and including it.

    In: first (first_exposures); after (visits_after); daily (daily_sums); before (pre_period_sums); throughs (through
    DATE, cutoff TIMESTAMP: the end of that local day). Users of whom two variants were logged by a day are left out of
    it. Out: through, the columns of `first`, QUANTITIES, and c_NAME for each of them (0 for users without a
    pre-period). returnable: 1 if RETURN_MS have passed since the end of the exposure's visit by the cutoff; returned: 1
    if in addition another visit began within that time.
    """
    zero = F.lit(0).cast("bigint")
    back = after.where("started_at > visit_end").groupBy("user_key").agg(F.min("started_at").alias("_back"))
    with_covariates = first.join(back, "user_key", "left").join(before, "user_key", "left")
    exposed = with_covariates.crossJoin(F.broadcast(throughs)).where(
        "exposure_date <= through and (two_arms_from is null or two_arms_from > through)"
    )
    sums = (
        daily.join(F.broadcast(throughs.select("through")), F.col("day") <= F.col("through"))
        .groupBy("through", "user_key")
        .agg(*(F.sum(name).alias(name) for name in (*OF_VISITS, *OF_EVENTS)))
    )
    returnable = F.unix_millis("visit_end") + RETURN_MS <= F.unix_millis("cutoff")
    returned = returnable & (F.unix_millis("_back") <= F.unix_millis("visit_end") + RETURN_MS)
    quantities = {
        "returnable": returnable.cast("bigint"),
        "returned": F.coalesce(returned, F.lit(False)).cast("bigint"),
        **{name: F.coalesce(name, zero) for name in (*OF_VISITS, *OF_EVENTS)},
    }
    covariates = {name: F.coalesce(f"c_{name}", zero) if name in OF_VISITS else zero for name in QUANTITIES}
    return exposed.join(sums, ["through", "user_key"], "left").select(
        "through",
        *first.columns,
        *(quantities[name].alias(name) for name in QUANTITIES),
        *(covariates[name].alias(f"c_{name}") for name in QUANTITIES),
    )


def by_metric(sums: DataFrame, experiment: Experiment, metrics: Sequence[str]) -> DataFrame:
    """Rows of user_sums -> one row for each of them and each metric.

    Out: through, user_key, variant, SLICES, metric, n and d (numerator and denominator), cn and cd (the same over the
    pre-period). A metric without a denominator has d = cd = 1.
    """
    unit = F.lit(1).cast("bigint")
    named = sums.withColumn("metric", F.explode(F.array(*(F.lit(name) for name in metrics))))
    parts: dict[str, list[Column]] = {"n": [], "d": [], "cn": [], "cd": []}
    for name in metrics:
        above, below = experiment.metric(name).numerator, experiment.metric(name).denominator
        values_of_metric = {"n": F.col(above), "cn": F.col(f"c_{above}")}
        values_of_metric |= {"d": F.col(below) if below else unit, "cd": F.col(f"c_{below}") if below else unit}
        for part, value in values_of_metric.items():
            parts[part].append(F.when(F.col("metric") == name, value))
    # an array of structs would be simpler, but Sail 0.7.2 fails if a field is nullable in only some of them
    values = (F.coalesce(*whens).alias(part) for part, whens in parts.items())
    return named.select("through", "user_key", "variant", *SLICES, "metric", *values)


def by_day_since(first: DataFrame, daily: DataFrame, experiment: Experiment, throughs: Sequence[date]) -> DataFrame:
    """The users exposed in the first week, on each day since their exposure: for novelty effects.

    In: first (first_exposures); daily (daily_sums). Out: through, user_key, variant, value (days since the exposure, as
    text), n and d of the first primary metric on that day alone. Only days since exposure that every user of the first
    week has had through the day are given: none before the second week. Users of two variants are left out.
    """
    metric, unit = experiment.metric(experiment.primary[0]), F.lit(1).cast("bigint")
    week = F.date_add(F.lit(experiment.first_day), 6)
    pairs = [
        F.struct(F.lit(through).alias("through"), F.lit(since).alias("since"))
        for through in throughs
        for since in range(1, (through - experiment.first_day).days - 5)
    ]
    no_pair = F.struct(F.lit(None).cast("date").alias("through"), F.lit(None).cast("int").alias("since"))
    cohort = (
        first.where(F.col("exposure_date") <= week)
        .select("*", F.explode(F.array(*(pairs or [no_pair]))).alias("_of"))
        .select("user_key", "variant", "exposure_date", "two_arms_from", "_of.through", "_of.since")
        .where("through is not null and (two_arms_from is null or two_arms_from > through)")
        .withColumn("day", F.date_add("exposure_date", F.col("since")))
    )
    zero = F.lit(0).cast("bigint")
    known = (*OF_VISITS, *OF_EVENTS)
    n = F.coalesce(metric.numerator, zero) if metric.numerator in known else zero
    below = metric.denominator
    d = unit if below is None else F.coalesce(below, zero) if below in known else zero
    return cohort.join(daily, ["user_key", "day"], "left").select(
        "through", "user_key", "variant", F.col("since").cast("string").alias("value"), n.alias("n"), d.alias("d")
    )
