"""Exposures: each user's first exposure in an experiment, and the visit in which it happened."""

from datetime import date, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from umg_assets.settings.experiment import BUCKETS, Experiment
from umg_assets.statistics.assignment import (
    HOLDOUT_SALT,
    holdout_buckets,
    traffic_buckets,
    traffic_salt,
    variant_buckets,
)


def bucket_of(salt: str, user_id: str = "user_id") -> Column:
    """The bucket (0 to 9,999) of the user ids in a column, as statistics.assignment.bucket computes it."""
    digest = F.sha2(F.concat(F.lit(f"{salt}:"), F.col(user_id)).cast("binary"), 256)
    return F.conv(F.substring(digest, 1, 8), 16, 10).cast("bigint") % BUCKETS


def assigned_variants(users: DataFrame, experiment: Experiment) -> DataFrame:
    """Users (user_id, user_key; each once) -> user_key, assigned: the variant that hashing gives the user.

    assigned is NULL for users outside the experiment's traffic and for those in the holdout.
    """
    bucket, outside = bucket_of(experiment.salt), F.lit(None).cast("string")
    variants = [F.when(_within(bucket, buckets), F.lit(name)) for name, buckets in variant_buckets(experiment).items()]
    takes_part = _within(bucket_of(traffic_salt(experiment)), traffic_buckets(experiment))
    if experiment.holdout:
        takes_part = takes_part & ~_within(bucket_of(HOLDOUT_SALT), holdout_buckets(experiment))
    return users.select("user_key", F.when(takes_part, F.coalesce(*variants, outside)).alias("assigned"))


def exposures_of(exposure_days: DataFrame, name: str, experiment: Experiment) -> DataFrame:
    """First events by day -> the experiment's exposures: its exposure events, of eligible users.

    In: tables.EXPOSURE_DAYS of the experiment's days. Out: exposure_date, user_key, first_at, session_id, variant,
    other_variant.
    """
    return exposure_days.where(
        (F.col("experiment") == name) & (F.col("event_name") == experiment.exposure_event) & F.col("is_eligible")
    ).select("exposure_date", "user_key", "first_at", "session_id", "variant", "other_variant")


def exposures_by_assignment(visits: DataFrame, assigned: DataFrame, first_day: date) -> DataFrame:
    """Visits -> exposures, for an experiment whose exposure is not logged in both arms.

    In: tables.VISITS; assigned (user_key, assigned). Every visit from first_day on by a user with an assigned variant
    counts as an exposure to that variant, at the visit's start. Out: as exposures_of, other_variant NULL.
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
    """Exposures of all days -> each user's first exposure, with the visit in which it happened.

    In: exposures (exposures_of); visits (tables.VISITS) from visit_days(first day) on, and of the pre-period; assigned
    (user_key, assigned). Out, one row for each user:
    user_key, exposure_date, first_at, variant (of the first exposure; ties by variant), assigned;
    two_arms_from: the first day on which another variant was logged for the user, NULL if none was;
    visit_at, visit_end: start and end of the visit with the exposure's session_id that began last, at or before the
    exposure; the instant of the exposure if there is no such visit;
    country, age_group: of that visit, or `unknown`;
    tenure: `returning` if the user had a visit in the pre-period, else `new`.
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
    """Visits of exposed users, from the visit of the first exposure (all of it) on, joined with first_exposures.

    In: tables.VISITS; first (first_exposures). Out: the columns of both; country and age_group are those of `first`,
    and there is no session_id.
    """
    measures = visits.drop("country", "age_group", "session_id")
    return measures.join(first, "user_key").where("started_at >= visit_at")


def visit_days(first_day: date) -> date:
    """The first day on which a visit with an exposure can have begun: the day before, as visits run past midnight."""
    return first_day - timedelta(days=1)


def _within(value: Column, buckets: range) -> Column:
    if not buckets:
        return F.lit(False)
    return reduce(Column.__and__, (value >= buckets.start, value < buckets.stop))
