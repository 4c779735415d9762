"""Who was exposed to what, and when: each user's first exposure in one experiment, and the visit that holds it."""

from datetime import date, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from umg_assets.experiments.assignment import (
    HOLDOUT_SALT,
    holdout_buckets,
    traffic_buckets,
    traffic_salt,
    variant_buckets,
)
from umg_assets.experiments.definition import BUCKETS, Experiment


def bucket_of(salt: str, user_id: str = "user_id") -> Column:
    """experiments/assignment.py's bucket of the users in a column: 0 to 9,999."""
    digest = F.sha2(F.concat(F.lit(f"{salt}:"), F.col(user_id)).cast("binary"), 256)
    return F.conv(F.substring(digest, 1, 8), 16, 10).cast("bigint") % BUCKETS


def assigned_variants(users: DataFrame, experiment: Experiment) -> DataFrame:
    """Users (user_id, user_key; each once) -> user_key, assigned: the variant by their hashes, NULL for none."""
    own, outside = bucket_of(experiment.salt), F.lit(None).cast("string")
    variants = [F.when(_within(own, buckets), F.lit(name)) for name, buckets in variant_buckets(experiment).items()]
    takes_part = _within(bucket_of(traffic_salt(experiment)), traffic_buckets(experiment))
    if experiment.holdout:
        takes_part = takes_part & ~_within(bucket_of(HOLDOUT_SALT), holdout_buckets(experiment))
    return users.select("user_key", F.when(takes_part, F.coalesce(*variants, outside)).alias("assigned"))


def exposures_of(exposure_days: DataFrame, name: str, experiment: Experiment) -> DataFrame:
    """First events by day -> those that expose: exposure_date, user_key, first_at, session_id, variant, other_variant.

    exposure_days: tables.EXPOSURE_DAYS of the experiment's days.
    """
    return exposure_days.where(
        (F.col("experiment") == name) & (F.col("event_name") == experiment.exposure_event) & F.col("is_eligible")
    ).select("exposure_date", "user_key", "first_at", "session_id", "variant", "other_variant")


def exposures_by_assignment(visits: DataFrame, assigned: DataFrame, first_day: date) -> DataFrame:
    """Where no exposure is logged in both arms: users with a visit are exposed at its start, to what they are assigned.

    visits: tables.VISITS; assigned: user_key, assigned. Out: as exposures_of.
    """
    active = visits.where(F.col("visit_date") >= F.lit(first_day)).join(assigned, "user_key")
    return active.where("assigned is not null").select(
        F.col("visit_date").alias("exposure_date"),
        "user_key",
        F.col("started_at").alias("first_at"),
        "session_id",
        F.col("assigned").alias("variant"),
        F.lit(None).cast("string").alias("other_variant"),
    )


def first_exposures(exposures: DataFrame, visits: DataFrame, assigned: DataFrame, experiment: Experiment) -> DataFrame:
    """Exposures of all days -> each user's first, with the visit that holds it.

    exposures: as exposures_of gives them; visits: tables.VISITS from the day before the first day, and of the
    pre-period; assigned: user_key, assigned. Out: user_key, exposure_date, first_at, variant, assigned, two_arms_from
    (the first day on which another variant was logged; NULL for none), visit_at and visit_end (of the visit that holds
    the first exposure: the last of its session_id to begin before; the exposure itself where there is none), country
    and age_group of that visit (unknown: `unknown`), tenure (returning: a visit in the pre-period; else new).
    """
    at = F.struct("first_at", "variant")
    first = exposures.groupBy("user_key").agg(
        F.min("exposure_date").alias("exposure_date"),
        F.min("first_at").alias("first_at"),
        F.min_by("variant", at).alias("variant"),
        F.min_by("session_id", at).alias("_session"),
    )
    both = exposures.select("user_key", F.col("exposure_date").alias("_day"), F.col("variant").alias("_other"))
    changed = (
        both.unionByName(
            exposures.where("other_variant is not null").select(
                "user_key", F.col("exposure_date").alias("_day"), F.col("other_variant").alias("_other")
            )
        )
        .join(first.select("user_key", "variant"), "user_key")
        .where("_other <> variant")
        .groupBy("user_key")
        .agg(F.min("_day").alias("two_arms_from"))
    )
    began = visits.select(
        "user_key",
        F.col("session_id").alias("_of"),
        F.col("started_at").alias("_at"),
        F.col("ended_at").alias("_end"),
        "country",
        "age_group",
    )
    holds = F.col("_session").eqNullSafe(F.col("_of")) & (F.col("_at") <= F.col("first_at"))
    holding = (
        first.join(began, "user_key")
        .where(holds)
        .groupBy("user_key")
        .agg(
            F.max("_at").alias("visit_at"),
            *(F.max_by(name, "_at").alias(f"_{name}") for name in ("_end", "country", "age_group")),
        )
    )
    start, end = experiment.pre_period
    known = visits.where(F.col("visit_date").between(F.lit(start), F.lit(end))).select("user_key").distinct()
    joined = (
        first.join(assigned, "user_key", "left")
        .join(changed, "user_key", "left")
        .join(holding, "user_key", "left")
        .join(known.withColumn("_known", F.lit(True)), "user_key", "left")
    )
    return joined.select(
        "user_key",
        "exposure_date",
        "first_at",
        "variant",
        "assigned",
        "two_arms_from",
        F.coalesce("visit_at", "first_at").alias("visit_at"),
        F.coalesce("__end", "first_at").alias("visit_end"),
        F.coalesce("_country", F.lit("unknown")).alias("country"),
        F.coalesce("_age_group", F.lit("unknown")).alias("age_group"),
        F.when(F.col("_known"), "returning").otherwise("new").alias("tenure"),
    )


def visits_after(visits: DataFrame, first: DataFrame) -> DataFrame:
    """Visits from the one that holds a user's first exposure on, that one whole; with the columns of first_exposures.

    visits: tables.VISITS; the columns that both have are the exposure's.
    """
    own = visits.drop("country", "age_group", "session_id")
    return own.join(first, "user_key").where("started_at >= visit_at")


def visit_days(first_day: date) -> date:
    """The first day on which a visit may have begun that holds an exposure: it may have gone on past midnight."""
    return first_day - timedelta(days=1)


def _within(value: Column, buckets: range) -> Column:
    if not buckets:
        return F.lit(False)
    return reduce(Column.__and__, (value >= buckets.start, value < buckets.stop))
