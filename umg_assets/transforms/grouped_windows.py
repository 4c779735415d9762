"""Grouped windows: one window that runs through many small groups.

A window for each group costs about ten times as much as processing the group's few rows.
"""

from pyspark.sql import Column, Window, WindowSpec
from pyspark.sql import functions as F

_BUCKETS = 16


def bucket_of_group(*by: str) -> Column:
    """The bucket (0 to 15) of the group that the columns `by` identify: all rows of a group share one bucket."""
    return F.pmod(F.xxhash64(*by), F.lit(_BUCKETS))


def grouped_window(*by: str, then: str) -> WindowSpec:
    """One window for all groups of a bucket, ordered by the group's columns `by` and, within a group, by `then`.

    The previous or next row may belong to another group: callers of lag and lead must compare `by`.
    """
    return Window.partitionBy(bucket_of_group(*by)).orderBy(*by, then)
