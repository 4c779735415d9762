"""From staged text to typed records: a source's expressions evaluated, each record with its reason if it is bad."""

from collections.abc import Mapping
from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType, StructType
from sqlglot import exp

from umg_assets import tables
from umg_assets.expressions import null_on_bad_cast, parse_expression
from umg_assets.tables import Kind

DAY_MS = 24 * 3600 * 1000
_DATED, _DATED_WITHIN = ("date", "timestamp"), ("0001-01-02", "9999-12-30")


def type_records(
    staged: DataFrame,
    kind: Kind,
    columns: Mapping[str, str],
    where: str | None,
    time_zone: str,
    first_day: date,
) -> DataFrame:
    """Staged rows of one source -> typed records.

    staged: the columns of the file, `_record` (number in the file), `_file` (INT) and `_delivery_date` (DATE).
    columns: contract column -> Spark SQL expression; a contract column without one is NULL.
    Out: `_file`, `record`, the contract's columns as tables.SOURCE_COLUMNS types them, for plays `play_date` and for
    events `event_date` (local, in time_zone), and `reason`: NULL for a good record, else the first that holds of
    missing_X (a column that the contract needs), unparsable_X (a text, not empty, of which the expression makes NULL,
    or an instant or date outside the years 1 to 9999, which not every reader can hold), negative_duration,
    duration_over_24h, starts_after_delivery (more than a day after), before_first_day; `filtered` where the
    `where` does not hold. An empty text is NULL.
    """
    typed = {
        name: _value(columns[name], type_) if name in columns else F.lit(None).cast(type_)
        for name, type_ in tables.SOURCE_COLUMNS[kind].items()
    }
    kept = F.expr(null_on_bad_cast(where)) if where else F.lit(True)
    given = {name: _given(staged.schema, text, name in tables.REQUIRED[kind]) for name, text in columns.items()}
    values = staged.select(
        "_file",
        F.col("_record").alias("record"),
        "_delivery_date",
        *(value.alias(name) for name, value in typed.items()),
        F.coalesce(kept, F.lit(False)).alias("_kept"),
        *(has_text.alias(f"_given_{name}") for name, has_text in given.items()),
    )
    moment = tables.MOMENTS.get(kind)
    if moment:
        values = values.withColumn(moment.date, F.from_utc_timestamp(moment.at, time_zone).cast("date"))
    reason = F.coalesce(
        F.when(~F.col("_kept"), F.lit("filtered")), *_faults(kind, columns, first_day), F.lit(None).cast("string")
    )
    names = [*typed, *([moment.date] if moment else [])]
    return values.select("_file", "record", *names, reason.alias("reason"))


def _faults(kind: Kind, columns: Mapping[str, str], first_day: date) -> list[Column]:
    faults = []
    for name in (*tables.REQUIRED[kind], *(name for name in columns if name not in tables.REQUIRED[kind])):
        lost = F.col(name).isNull() & F.col(f"_given_{name}")
        faults.append(F.when(lost, F.lit(f"unparsable_{name}")))
        if name in tables.REQUIRED[kind]:
            faults.append(F.when(F.col(name).isNull(), F.lit(f"missing_{name}")))
    for name in tables.DURATIONS[kind]:
        faults.append(F.when(F.col(name) < 0, F.lit("negative_duration")))
        faults.append(F.when(F.col(name) > DAY_MS, F.lit("duration_over_24h")))
    moment = tables.MOMENTS.get(kind)
    if moment:
        delivered = F.date_add(F.col("_delivery_date"), 1)
        faults.append(F.when(F.col(moment.at).cast("date") > delivered, F.lit("starts_after_delivery")))
        faults.append(F.when(F.col(moment.date) < F.lit(first_day), F.lit("before_first_day")))
    return faults


def _value(text: str, type_: str) -> Column:
    value = F.expr(null_on_bad_cast(f"cast(({text}) as {type_})"))
    if type_ == "string":
        return F.when(value != "", value)
    if type_ in _DATED:
        return F.when(value.between(*(F.lit(end).cast(type_) for end in _DATED_WITHIN)), value)
    return value


def _given(schema: StructType, text: str, required: bool) -> Column:
    """Whether any of the texts that an expression uses is there and not empty; of a required one, any value."""
    there = [F.lit(False)]
    for column in dict.fromkeys(parse_expression(text).find_all(exp.Column)):
        name = column.sql(dialect="databricks")
        if isinstance(_type_at(schema, [part.name for part in column.parts]), StringType):
            there.append(F.coalesce(F.expr(f"{name} <> ''"), F.lit(False)))
        elif required:
            there.append(F.expr(f"{name} is not null"))
    return reduce(Column.__or__, there)


def _type_at(schema: StructType, path: list[str]) -> DataType | None:
    found: DataType | None = schema
    for name in path:
        fields = found.fields if isinstance(found, StructType) else []
        found = next((field.dataType for field in fields if field.name.casefold() == name.casefold()), None)
    return found


def spread_ids(delivered: DataFrame, copies: DataFrame) -> DataFrame:
    """The ids of a delivery that lie on several days: `_hash` (xxhash64 of the id), each once.

    delivered: id, date of records that it brings or replaces; copies: id, date of raw rows, the delivered ones
    included. Two ids of one hash may come out without need.
    """
    spans = delivered.groupBy(F.xxhash64("id").alias("_hash")).agg(
        F.min("date").alias("_first"), F.max("date").alias("_last")
    )
    both = spans.join(copies.select("date", F.xxhash64("id").alias("_hash")), "_hash")
    return both.where("date <> _first or date <> _last").select("_hash").distinct()


def other_copies(delivered: DataFrame, copies: DataFrame, spread: DataFrame, correction_days: int) -> DataFrame:
    """Where records that a delivery brings or replaces lie on other days.

    delivered: `_file`, id, date; copies: id, date of raw rows, the delivered ones included; spread: `spread_ids`.
    Out, each once: `_file`, date, other_date: local dates at most correction_days apart that share an id.
    """
    # the small side stands left, where Sail builds its hash table
    concerned = F.broadcast(spread).join(delivered.withColumn("_hash", F.xxhash64("id")), "_hash").drop("_hash")
    others = copies.select("id", F.col("date").alias("other_date"), F.xxhash64("id").alias("_hash"))
    few = F.broadcast(spread).join(others, "_hash").drop("_hash")
    apart = F.abs(F.datediff("date", "other_date"))
    found = concerned.join(few, "id").where((apart > 0) & (apart <= correction_days))
    return found.select("_file", "date", "other_date").distinct()
