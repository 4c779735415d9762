"""Tries out a source on some of its files: what `umg doctor` reports on its expressions. Writes no table."""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.files.layout import Layout
from umg_assets.files.misfits import misfits
from umg_assets.files.parse import RECORD, Parsed, parse_file
from umg_assets.files.rejects import INTERNAL_ERROR, sentence_of
from umg_assets.files.schema_types import types_of
from umg_assets.landing.file_names import name_of
from umg_assets.resources.engine_errors import first_line, kind_of, lacks_cast
from umg_assets.settings.model import Settings
from umg_assets.settings.portable import null_on_bad_cast
from umg_assets.settings.sources import Source
from umg_assets.tables import Kind
from umg_assets.transforms.records import type_records, with_file_path

RECORDS = 1_000
"""Records of a file that are tried."""

_LOOKED_AT: dict[Kind, tuple[str, ...]] = {
    kind: (*columns, *(("play_id", "user_id", "country") if kind == "plays" else ()))
    for kind, columns in tables.DURATIONS.items()
}
"""By kind, the columns whose single values say something of a source."""


@dataclass
class Trial:
    """The result of a source trial.

    troubles: a line for each expression that fails. refused: by file name, why it was refused whole. files: names of
    those that were read. records: how many were tried, of which `good` would land. reasons: by reason, how many would
    be set aside (`filtered`: left out by the source's where). empty: contract columns that had no value in any of the
    good records. misfits: sentences on settings that the files speak against. lengths: by column of milliseconds, the
    values of good records. countries: of good plays, how many are of each. users_of: by play_id of good plays, the
    users that have it.
    """

    troubles: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    records: int = 0
    good: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    empty: set[str] = field(default_factory=set)
    misfits: list[str] = field(default_factory=list)
    lengths: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    countries: Counter[str | None] = field(default_factory=Counter)
    users_of: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    @property
    def shared_ids(self) -> int:
        """The number of play_ids that several users have."""
        return sum(len(users) > 1 for users in self.users_of.values())


def try_source(
    spark: SparkSession, settings: Settings, kind: Kind, source: Source, files: Mapping[Path, date]
) -> Trial:
    """Evaluates each expression of a source on the first 1,000 records of each file.

    files: with their delivery dates. Without a file, on no records: columns are of the source's schema,
    or else text.
    """
    trial, filled = Trial(), set[str]()
    with tempfile.TemporaryDirectory(prefix="umg-doctor-") as folder:
        staged = Path(folder, "rows.parquet")
        if not files:
            pq.write_table(_no_records(source), staged)
            trial.troubles = list(_failing(spark.read.parquet(str(staged)), kind, source))
        for number, (file, delivered) in enumerate(files.items()):
            staged = Path(folder, f"rows-{number}.parquet")
            layout = source.layout(file.name)
            try:
                parsed = parse_file(file, layout, staged, RECORDS, limits=settings.limits.in_bytes)
            except Exception as error:
                trial.refused[file.name] = f"{INTERNAL_ERROR}: {type(error).__name__}"
                continue
            if parsed.refused:
                why = sentence_of(parsed.rejects.column("text")[0].as_py())
                trial.refused[file.name] = f"{parsed.refused}: {why[:300]}"
                continue
            rows = spark.read.parquet(str(staged)).where(f"{RECORD} <= {RECORDS}")
            rows = with_file_path(rows, F.lit(name_of(settings.landing, file)))
            if troubles := list(_failing(rows, kind, source)):
                trial.troubles = troubles
                return trial
            trial.files.append(file.name)
            trial.records += min(parsed.records, RECORDS)
            numbers = zip(*(parsed.rejects.column(name).to_pylist() for name in ("record", "reason")), strict=True)
            trial.reasons.update(reason for record, reason in numbers if record <= RECORDS)
            trial.misfits += [text for text in _misfits(layout, parsed) if text not in trial.misfits]
            typed = _typed(rows, settings, kind, source, delivered)
            for row in typed.where("reason is null").select(*_LOOKED_AT[kind]).collect() if _LOOKED_AT[kind] else ():
                for name in tables.DURATIONS[kind]:
                    trial.lengths[name] += [row[name]] if row[name] is not None else []
                if kind == "plays":
                    trial.users_of[row["play_id"]].add(row["user_id"])
                    trial.countries[row["country"]] += 1
            for row in _summed(typed, source):
                if row["reason"]:
                    trial.reasons[row["reason"]] += row["records"]
                else:
                    trial.good += row["records"]
                    filled |= {name for name in source.columns if row[name]}
    trial.empty = {*source.columns} - filled if trial.good else set()
    return trial


def _misfits(layout: Layout, parsed: Parsed) -> list[str]:
    rejects = zip(*(parsed.rejects.column(name).to_pylist() for name in ("reason", "text")), strict=True)
    return misfits(layout, parsed.records, list(rejects))


def _typed(rows: DataFrame, settings: Settings, kind: Kind, source: Source, delivered: date) -> DataFrame:
    dated = rows.withColumn("_file", F.lit(0)).withColumn("_delivery_date", F.lit(delivered))
    return type_records(dated, kind, source.columns, source.where, settings.time_zone, settings.first_day)


def _summed(typed: DataFrame, source: Source) -> list[Row]:
    """By reason, the number of records, and by contract column, how many of them have a value."""
    values = [F.count(name).alias(name) for name in source.columns]
    return typed.groupBy("reason").agg(F.count(F.lit(1)).alias("records"), *values).collect()


def _failing(rows: DataFrame, kind: Kind, source: Source) -> Iterator[str]:
    types = {f"columns.{name}": type_ for name, type_ in tables.SOURCE_COLUMNS[kind].items()} | {"where": "boolean"}
    for key, text in source.expressions.items():
        if raised := _raised(rows, null_on_bad_cast(text, types[key])):
            yield f"{key} = {text!r}: {raised}"


def _raised(rows: DataFrame, expression: str) -> str | None:
    """What the engine raises for an expression; None if nothing.

    Its words are told only where it raises them on no records, too, or lacks a cast: else they may quote a record.
    """
    evaluated = F.count(F.expr(expression))
    try:
        rows.select(evaluated).collect()
        return None
    except Exception as error:
        kind, words = kind_of(error), first_line(error) if lacks_cast(error) else None
    try:
        rows.where("false").select(evaluated).collect()
    except Exception as error:
        words = words or first_line(error)
    return words[:200] if words else f"{kind}, on a record of the file"


def _no_records(source: Source) -> pa.Table:
    known = types_of(source.schema_) if source.schema_ else {}
    types = {name: known[name].arrow if name in known else pa.string() for name in source.file_columns}
    return pa.schema([*types.items(), (RECORD, pa.int64())]).empty_table()
