"""How a chart moved from month to month."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from umg_assets import tables


def movements(chart: DataFrame) -> DataFrame:
    """Top tracks by country, all months -> each entry's movement as of its month (tables.CHART_MOVEMENTS).

    chart: tables.TOP_TRACKS_BY_COUNTRY, every month of the countries in it. previous_rank is that of the calendar
    month before; peak_rank and months_on_chart count up to the month itself. movement: new, re-entry (was on the chart
    before, not in the month before), up, down or same; NULL in a chart's first month, which has nothing before it.
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
