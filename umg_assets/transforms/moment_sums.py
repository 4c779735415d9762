"""Sums over users for readouts: the rows of statistics/moments.py, for each day `through` which data counts.

All sums are exact: whole numbers or decimals, never floating-point. Lengths are in milliseconds.
"""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from umg_assets.statistics.moments import ALL, BIN_STEPS, USER_BUCKETS, VARIABLES
from umg_assets.transforms.user_sums import SLICES

PRODUCTS = ("nn", "nd", "dd", "ncn", "ncd", "dcn", "dcd", "cncn", "cncd", "cdcd")


def _factors(product: str) -> tuple[str, str]:
    """The two variables of a product: nn -> n, n; ncd -> n, cd; cncd -> cn, cd."""
    first = next(
        name for name in ("cn", "cd", "n", "d") if product.startswith(name) and product[len(name) :] in VARIABLES
    )
    return first, product[len(first) :]


def _wide(name: str) -> Column:
    return F.col(name).cast("decimal(19,0)")


def moments_of(users: DataFrame) -> DataFrame:
    """Rows of by_metric -> UserMoments by through, of all users and of each value of each slice (SLICES).

    Out: through, metric, variant, slice (ALL with value "" for all users), value, users, the sums of n, d, cn and cd,
    and the sums of their PRODUCTS.
    """
    slices = [F.struct(F.lit(ALL).alias("slice"), F.lit("").alias("value"))]
    slices += [F.struct(F.lit(name).alias("slice"), F.col(name).alias("value")) for name in SLICES]
    sliced = users.withColumn("_of", F.explode(F.array(*slices))).select("*", "_of.slice", "_of.value")
    return _summed(sliced, VARIABLES, PRODUCTS)


def moments_by_day_since(users: DataFrame, metric: str) -> DataFrame:
    """Rows of by_day_since -> UserMoments by through, of slice day_since; without covariates, which are 0."""
    named = users.select("*", F.lit(metric).alias("metric"), F.lit("day_since").alias("slice"))
    return _summed(named, ("n", "d"), ("nn", "nd", "dd"))


def _summed(rows: DataFrame, variables: Sequence[str], products: Sequence[str]) -> DataFrame:
    pairs = {name: _factors(name) for name in products}
    return rows.groupBy("through", "metric", "variant", "slice", "value").agg(
        F.count(F.lit(1)).alias("users"),
        *(F.sum(name).alias(name) for name in variables),
        *(F.sum((_wide(a) * _wide(b)).cast("decimal(38,0)")).alias(name) for name, (a, b) in pairs.items()),
    )


def rank_sums(values: DataFrame, control: str, treatments: Sequence[str]) -> DataFrame:
    """Values -> RankSums by through, without its unit: what the Mann-Whitney test needs.

    In: through, metric, variant, value. Out, for each metric and treatment: through, metric, treatment, control_count,
    treatment_count, rank_sum_twice (twice the sum of the treatment's ranks) and ties (sum of t^3 - t over groups of t
    equal values). Control and one treatment are ranked together; equal values share their average rank.
    """
    counts = values.groupBy("through", "metric", "value").agg(
        *(
            F.sum((F.col("variant") == name).cast("bigint")).alias(f"_{at}")
            for at, name in enumerate((control, *treatments))
        )
    )
    arms = [
        F.struct(F.lit(name).alias("treatment"), F.col("_0").alias("c"), F.col(f"_{at}").alias("t"))
        for at, name in enumerate(treatments, 1)
    ]
    both = (
        counts.select("through", "metric", "value", F.explode(F.array(*arms)).alias("_of"))
        .select(
            "through",
            "metric",
            "value",
            "_of.treatment",
            "_of.c",
            "_of.t",
            (F.col("_of.c") + F.col("_of.t")).alias("all"),
        )
        .where("all > 0")
    )
    order = Window.partitionBy("through", "metric", "treatment").orderBy("value")
    ranked = both.withColumn("_so_far", F.sum("all").over(order.rowsBetween(Window.unboundedPreceding, 0)))
    size = F.col("all").cast("decimal(12,0)")
    ties = ((size * size).cast("decimal(24,0)") * size).cast("decimal(38,0)") - F.col("all").cast("decimal(38,0)")
    return ranked.groupBy("through", "metric", "treatment").agg(
        F.sum("c").alias("control_count"),
        F.sum("t").alias("treatment_count"),
        F.sum(F.col("t") * (2 * F.col("_so_far") - F.col("all") + 1)).alias("rank_sum_twice"),
        F.sum(ties.cast("decimal(38,0)")).alias("ties"),
    )


def user_values(users: DataFrame) -> DataFrame:
    """Rows of by_metric -> through, metric, variant, value (n / d), of the users whose d is greater than 0."""
    return users.where("d > 0").select(
        "through", "metric", "variant", (F.col("n").cast("double") / F.col("d")).alias("value")
    )


def user_bucket() -> Column:
    """The bucket (0 to 999) of the column user_key, as statistics.moments.USER_BUCKETS counts them."""
    return (F.conv(F.substring("user_key", 1, 8), 16, 10).cast("bigint") % USER_BUCKETS).cast("int")


def bucket_sums(users: DataFrame) -> DataFrame:
    """Rows of by_metric -> through, metric, variant, bucket (user_bucket), users, and the sums of n and d."""
    return users.groupBy("through", "metric", "variant", user_bucket().alias("bucket")).agg(
        F.count(F.lit(1)).alias("users"), F.sum("n").alias("n"), F.sum("d").alias("d")
    )


def session_moments(sessions: DataFrame) -> DataFrame:
    """Sessions (through, variant, session_ms) -> SessionMoments by through: sessions, sums of ms (n) and ms^2 (nn)."""
    ms = _wide("session_ms")
    return sessions.groupBy("through", "variant").agg(
        F.count(F.lit(1)).alias("sessions"),
        F.sum("session_ms").alias("n"),
        F.sum((ms * ms).cast("decimal(38,0)")).alias("nn"),
    )


def session_bins(sessions: DataFrame) -> DataFrame:
    """Sessions (through, variant, user_key, session_ms) -> SessionBin by through.

    Out: through, variant, bucket (user_bucket), bin (of session_ms, by BIN_STEPS; the last bin is open), sessions.
    """
    bin_, start, first = None, 0, 0
    for end, width in BIN_STEPS:
        inside = F.floor((F.col("session_ms") - start) / width).cast("int") + first
        below = F.col("session_ms") < end
        bin_ = F.when(below, inside) if bin_ is None else bin_.when(below, inside)
        first, start = first + (end - start) // width, end
    assert bin_ is not None
    return sessions.groupBy(
        "through", "variant", user_bucket().alias("bucket"), bin_.otherwise(first).alias("bin")
    ).agg(F.count(F.lit(1)).alias("sessions"))


def top_users(users: DataFrame, metric: str) -> DataFrame:
    """Rows of by_metric -> through, variant, users, n: number and sum of the top 1 % of users by a metric's numerator.

    1 % of each variant's users, rounded up; ties break by user_key.
    """
    arm = Window.partitionBy("through", "variant")
    ranked = users.where(F.col("metric") == metric).select(
        "through",
        "variant",
        "n",
        F.row_number().over(arm.orderBy(F.col("n").desc(), "user_key")).alias("_nth"),
        F.count(F.lit(1)).over(arm).alias("_all"),
    )
    top = ranked.where("(_nth - 1) * 100 < _all")
    return top.groupBy("through", "variant").agg(F.count(F.lit(1)).alias("users"), F.sum("n").alias("n"))
