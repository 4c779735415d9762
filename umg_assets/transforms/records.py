"""Typed records from staged text: a source's expressions evaluated, and a reason for each bad record."""

from collections.abc import Mapping, Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType, StructType

from umg_assets import tables
from umg_assets.files.staged import FILE_PATH
from umg_assets.settings.portable import has_other_value, null_on_bad_cast
from umg_assets.settings.silence import is_conversion, says_nothing
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
    """Staged rows of one source -> typed records, each with its reason if it is bad.

    staged: the columns of the file, `_record` (number in the file), `_file` (INT) and `_delivery_date` (DATE).
    columns: contract column -> Spark SQL expression over the file's columns; a contract column without one is NULL.
    where: SQL condition of the records to keep, None for all. first_day: the first local day that is taken.

    Out: `_file`, `record`, the contract's columns as tables.SOURCE_COLUMNS types them, `play_date` for plays and
    `event_date` for events (local, in time_zone), and `reason`. An empty text becomes NULL, and so does a date or an
    instant outside the years 1 to 9999, which some readers cannot hold.

    reason is NULL for a good record, else the first of these that applies: filtered (`where` is not true);
    unparsable_X (a cast or function turns a text that is not empty into NULL; an expression may choose an empty text or
    NULL, or take a part that is not there; of required columns, and of dates and instants that are a column's or a part
    of it, a value of any type; a date or an instant outside the years 1 to 9999) and missing_X (NULL in a column that
    tables.REQUIRED names) of the required columns, in their order; unparsable_X of the other columns;
    negative_duration; duration_over_24h; starts_after_delivery (its UTC date is after the day that follows the delivery
    date); before_first_day. Raises if an expression does not parse or resolve; some expressions raise on the engine
    for single values (an overflow), when the rows are read.
    """
    typed = {
        name: _value(columns[name], type_) if name in columns else F.lit(None).cast(type_)
        for name, type_ in tables.SOURCE_COLUMNS[kind].items()
    }
    kept = F.expr(null_on_bad_cast(where)) if where else F.lit(True)
    silent = {
        name: _says_nothing(staged.schema, text, tables.SOURCE_COLUMNS[kind][name], name in tables.REQUIRED[kind])
        for name, text in columns.items()
    }
    values = staged.select(
        "_file",
        F.col("_record").alias("record"),
        "_delivery_date",
        *(value.alias(name) for name, value in typed.items()),
        F.coalesce(kept, F.lit(False)).alias("_kept"),
        *(is_silent.alias(f"_silent_{name}") for name, is_silent in silent.items()),
    )
    occurrence = tables.OCCURRENCES.get(kind)
    if occurrence:
        values = values.withColumn(occurrence.date, F.from_utc_timestamp(occurrence.at, time_zone).cast("date"))
    reason = F.coalesce(
        F.when(~F.col("_kept"), F.lit("filtered")), *_faults(kind, columns, first_day), F.lit(None).cast("string")
    )
    names = [*typed, *([occurrence.date] if occurrence else [])]
    return values.select("_file", "record", *names, reason.alias("reason"))


def _faults(kind: Kind, columns: Mapping[str, str], first_day: date) -> list[Column]:
    faults = []
    for name in (*tables.REQUIRED[kind], *(name for name in columns if name not in tables.REQUIRED[kind])):
        lost = F.col(name).isNull() & ~F.col(f"_silent_{name}")
        faults.append(F.when(lost, F.lit(f"unparsable_{name}")))
        if name in tables.REQUIRED[kind]:
            faults.append(F.when(F.col(name).isNull(), F.lit(f"missing_{name}")))
    for name in tables.DURATIONS[kind]:
        faults.append(F.when(F.col(name) < 0, F.lit("negative_duration")))
        faults.append(F.when(F.col(name) > DAY_MS, F.lit("duration_over_24h")))
    occurrence = tables.OCCURRENCES.get(kind)
    if occurrence:
        delivered = F.date_add(F.col("_delivery_date"), 1)
        faults.append(F.when(F.col(occurrence.at).cast("date") > delivered, F.lit("starts_after_delivery")))
        faults.append(F.when(F.col(occurrence.date) < F.lit(first_day), F.lit("before_first_day")))
    return faults


def _value(text: str, type_: str) -> Column:
    value = F.expr(null_on_bad_cast(text, type_))
    if type_ == "string":
        return F.when(value != "", value)
    if type_ in _DATED:
        return F.when(value.between(*(F.lit(end).cast(type_) for end in _DATED_WITHIN)), value)
    return value


def _says_nothing(schema: StructType, text: str, type_: str, required: bool) -> Column:
    """Whether a record says nothing of a value of this type.

    Columns of other types than text have a say if it is required, or a date or an instant that a column is converted
    to. An expression whose value is there, but no date of the years 1 to 9999, does not say nothing.
    """
    of_all = required or (type_ in _DATED and is_conversion(text))

    def condition(path: list[str], column: str) -> str | None:
        if isinstance(_type_at(schema, path), StringType):
            return f"coalesce({column} = '', true)"
        return f"{column} is null" if of_all else None

    silent = F.expr(says_nothing(text, condition))
    return silent & ~F.expr(has_other_value(text, type_)) if type_ in _DATED and not required else silent


def _type_at(schema: StructType, path: list[str]) -> DataType | None:
    type_: DataType | None = schema
    for name in path:
        fields = type_.fields if isinstance(type_, StructType) else []
        type_ = next((field.dataType for field in fields if field.name.casefold() == name.casefold()), None)
    return type_


def with_file_path(staged: DataFrame, path: Column) -> DataFrame:
    """The staged rows with `file_path` (STRING), which expressions may name.

    A record's own value of a column of that name goes first: it is not hidden.
    """
    name = next((name for name in staged.columns if name.casefold() == FILE_PATH), None)
    return staged.withColumn(FILE_PATH, path if name is None else F.coalesce(F.col(name).cast("string"), path))


def spread_ids(delivered: DataFrame, copies: DataFrame) -> DataFrame:
    """The delivered ids that occur on more than one day: `_hash` (xxhash64 of the id), each once.

    In: delivered (id, date) of the records that a delivery brings or replaces; copies (id, date) of all raw rows, the
    delivered ones included. Dates are local. Ids whose hashes collide may come out although each is on one day.
    """
    spans = delivered.groupBy(F.xxhash64("id").alias("_hash")).agg(
        F.min("date").alias("_first"), F.max("date").alias("_last")
    )
    both = spans.join(copies.select("date", F.xxhash64("id").alias("_hash")), "_hash")
    return both.where("date <> _first or date <> _last").select("_hash").distinct()


def other_copies(delivered: DataFrame, copies: DataFrame, spread: DataFrame, correction_days: int) -> DataFrame:
    """The other days on which copies of delivered records lie.

    In: delivered (`_file`, id, date) of the records that a delivery brings or replaces; copies (id, date) of all raw
    rows, the delivered ones included; spread, the result of spread_ids. Out, each once: `_file`, date, other_date: two
    different local dates, at most correction_days days apart, that share an id.
    """
    # the small side is the left one, from which Sail builds its hash table
    concerned = F.broadcast(spread).join(delivered.withColumn("_hash", F.xxhash64("id")), "_hash").drop("_hash")
    others = copies.select("id", F.col("date").alias("other_date"), F.xxhash64("id").alias("_hash"))
    few = F.broadcast(spread).join(others, "_hash").drop("_hash")
    apart = F.abs(F.datediff("date", "other_date"))
    pairs = concerned.join(few, "id").where((apart > 0) & (apart <= correction_days))
    return pairs.select("_file", "date", "other_date").distinct()


def without_records(rows: DataFrame, gone: DataFrame, place: Sequence[str]) -> DataFrame:
    """Rows with a `record` (number in its file) -> the rows without some records; those after them move up.

    gone: the columns `place`, which tell files apart, `record`: of records that are rows and of others, and `stays`
    (BOOLEAN): whether the file still holds it, so that none moves up for it. Number 0, of a file refused whole, stays.
    """
    key = [*place, "record"]
    marks = gone.where("record > 0").select(*key, F.when(F.col("stays"), 0).otherwise(1).alias("_moves"))
    types = dict(rows.dtypes)
    empty = [F.lit(None).cast(types[name]).alias(name) for name in rows.columns if name not in key]
    # Sail cannot aggregate a union of columns with and without comments; computed columns have none
    bare = [F.coalesce(name, F.lit(None)).alias(name) for name in rows.columns]
    kept = rows.select(*bare).join(marks, key, "left_anti").withColumns({"_moves": F.lit(0), "_gone": F.lit(0)})
    both = kept.unionByName(marks.select(*key, *empty, "_moves", F.lit(1).alias("_gone")))
    before = Window.partitionBy(*place).orderBy("record").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    moved = both.withColumn("record", F.col("record") - F.sum("_moves").over(before)).where("_gone = 0")
    return moved.select(*rows.columns)


def with_text_of_refused(rows: DataFrame, gone: DataFrame, text: str) -> DataFrame:
    """Rows of tables.QUARANTINE -> the same, with `text` for files refused whole of which `gone` has record 0."""
    key = ["source", "delivery_date", "source_file", "record"]
    refused = F.broadcast(gone.where("record = 0").select(*key, F.lit(True).alias("_refused")))
    replaced = F.when(F.col("_refused"), F.lit(text)).otherwise(F.col("text"))
    return rows.join(refused, key, "left").withColumn("text", replaced).select(*rows.columns)
