"""Rankings by several criteria, with ties broken the same way every time."""

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def rank_by(figures: DataFrame, criteria: Mapping[Any, str], within: Sequence[str], tie: str, size: int) -> DataFrame:
    """Rows of figures -> the top `size` rows of each chart and criterion, with `criterion` and `rank` added.

    criteria: name of a criterion -> the column that holds its figure. within: the columns that identify a chart.
    rank is an integer from 1, without gaps or shared ranks: figures descend, ties break by plays (descending), then by
    the column `tie` (ascending). A row whose figure is NULL or 0 is not ranked, so a criterion without data gives no
    rows. A row ranked by several criteria comes out once for each.
    """
    ranks = {name: f"_rank_{at}" for at, name in enumerate(criteria)}
    for name, column in criteria.items():
        order = [F.col(column).desc(), F.col("plays").desc(), F.col(tie).asc()]
        figures = figures.withColumn(ranks[name], F.row_number().over(Window.partitionBy(*within).orderBy(*order)))
    at_top = figures.where(" or ".join(f"{rank} <= {size}" for rank in ranks.values()))
    by_criterion = [
        F.struct(F.lit(name).alias("criterion"), F.col(ranks[name]).alias("rank"), F.col(column).alias("figure"))
        for name, column in criteria.items()
    ]
    entries = at_top.withColumn("_entry", F.explode(F.array(*by_criterion)))
    ranked = entries.where(f"_entry.rank <= {size} and _entry.figure > 0")
    return ranked.select("*", "_entry.criterion", "_entry.rank").drop("_entry", *ranks.values())
