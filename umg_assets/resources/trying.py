"""A source tried out on one of its files: what `umg doctor` says of its expressions. Writes no table."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.expressions import null_on_bad_cast
from umg_assets.partitions import utc_today
from umg_assets.resources.parsing import RECORD, Layout, format_of, parse_file
from umg_assets.resources.parsing_types import types_of
from umg_assets.settings import Settings
from umg_assets.sources import Source
from umg_assets.tables import Kind
from umg_assets.transforms.records import type_records


@dataclass(frozen=True)
class Trial:
    """What came of it.

    troubles: a line for each expression that fails, or for the file if it is refused whole. records: those read;
    reasons: by reason, those that would be set aside (`filtered`: left out by the source's where).
    """

    troubles: list[str] = field(default_factory=list)
    records: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


def try_source(spark: SparkSession, settings: Settings, kind: Kind, source: Source, file: Path | None) -> Trial:
    """Every expression of a source, tried on the file; with no file, on no record, columns without a schema as text."""
    with tempfile.TemporaryDirectory(prefix="umg-doctor-") as folder:
        staged = Path(folder, "rows.parquet")
        reasons: Counter[str] = Counter()
        records = 0
        if file is None:
            pq.write_table(_no_records(source), staged)
        else:
            layout = Layout(source.format or format_of(file.name) or "csv", source.file_columns, source.schema_)
            parsed = parse_file(file, layout, staged)
            if parsed.refused:
                return Trial([f"{file.name}: {parsed.refused}: {parsed.rejects.column('text')[0].as_py()[:300]}"])
            records = parsed.records
            reasons.update(parsed.rejects.column("reason").to_pylist())
        rows = spark.read.parquet(str(staged))
        if troubles := list(_failing(rows, kind, source)):
            return Trial(troubles, records)
        whole = rows.withColumn("_file", F.lit(0)).withColumn("_delivery_date", F.lit(utc_today()))
        typed = type_records(whole, kind, source.columns, source.where, settings.time_zone, settings.first_day)
        for row in typed.where("reason is not null").groupBy("reason").count().collect():
            reasons[row["reason"]] += row["count"]
        return Trial([], records, dict(reasons))


def _failing(rows: DataFrame, kind: Kind, source: Source) -> Iterator[str]:
    types = tables.SOURCE_COLUMNS[kind]
    asked = {f"columns.{name}": (text, types[name]) for name, text in source.columns.items()}
    if source.where:
        asked["where"] = (source.where, "boolean")
    for key, (text, type_) in asked.items():
        with _told(key, text) as troubles:
            rows.select(F.count(F.expr(null_on_bad_cast(f"cast(({text}) as {type_})")))).collect()
        yield from troubles


@contextmanager
def _told(key: str, text: str) -> Iterator[list[str]]:
    """What the engine raises inside, as a line."""
    troubles: list[str] = []
    try:
        yield troubles
    except Exception as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:200]
        troubles.append(f"{key} = {text!r}: {said}")


def _no_records(source: Source) -> pa.Table:
    known = types_of(source.schema_) if source.schema_ else {}
    types = {name: known[name].arrow if name in known else pa.string() for name in source.file_columns}
    return pa.schema([*types.items(), (RECORD, pa.int64())]).empty_table()
