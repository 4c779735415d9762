"""How the entries of a chart move from month to month."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from umg_assets import tables


def movements(chart: DataFrame) -> DataFrame:
    """Chart entries of all months -> each entry's movement as of its month.

    In: tables.TOP_TRACKS_BY_COUNTRY with every month of each country that occurs. Out: tables.CHART_MOVEMENTS.
    previous_rank is the rank in the previous calendar month, NULL if the track was not on the chart then. peak_rank
    (the best rank) and months_on_chart cover all months up to and including the entry's own. movement is new (first
    time on the chart), re-entry (on the chart earlier, but not in the previous month), up, down or same; NULL in the
    chart's first month, which has no predecessor.
    """
    track = Window.partitionBy("country", "criterion", "track_id").orderBy("month")
    so_far = track.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    beginning = Window.partitionBy("country", "criterion")
    seen = (
        chart.withColumn("_first", F.min("month").over(beginning))
        .withColumn("_last_month", F.lag("month").over(track))
        .withColumn("_last_rank", F.lag("rank").over(track))
        .withColumn("peak_rank", F.min("rank").over(so_far))
        .withColumn("months_on_chart", F.count(F.lit(1)).over(so_far))
    )
    adjacent = F.col("_last_month") == F.add_months("month", -1)
    moved = seen.withColumn("previous_rank", F.when(adjacent, F.col("_last_rank")))
    movement = (
        F.when(F.col("month") == F.col("_first"), F.lit(None).cast("string"))
        .when(F.col("_last_month").isNull(), F.lit("new"))
        .when(F.col("previous_rank").isNull(), F.lit("re-entry"))
        .when(F.col("rank") < F.col("previous_rank"), F.lit("up"))
        .when(F.col("rank") > F.col("previous_rank"), F.lit("down"))
        .otherwise(F.lit("same"))
    )
    return moved.withColumn("movement", movement).select(*tables.CHART_MOVEMENTS.names)
