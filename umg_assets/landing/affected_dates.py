"""The local dates that a delivery of plays or events affects: of rows it brings and replaces, and of other copies."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.landing.chunk import Chunk, parts
from umg_assets.landing.scan import LandingFile
from umg_assets.planning.entry import Entry
from umg_assets.planning.history import History, delivery_days_of
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.slices import Slice
from umg_assets.tables import Kind
from umg_assets.transforms.records import other_copies, spread_ids


def with_affected_dates(
    entries: Sequence[Entry],
    kind: Kind,
    chunk: Chunk,
    history: History,
    lakehouse: Lakehouse,
    correction_days: int,
    folder: Path,
) -> list[Entry]:
    """The entries; those of a kind (plays or events) with `play_dates`, the dates they affect, and `repeats`.

    `repeats` are the pairs of dates that share an id. Of the current raw rows, only those within correction_days of a
    date that is brought or replaced are read, and only their ids and dates.
    folder: for what is computed once and read twice.
    """
    occurrence = tables.OCCURRENCES[kind]
    copy = [F.col(occurrence.id).alias("id"), F.col(occurrence.date).alias("date")]
    files = {staged.number: staged.file for staged in chunk.files_of(kind)}
    of_files = history.about({(kind, file.path) for file in files.values()})
    earlier = _earlier(kind, files.values(), of_files)
    affected = _replaced_dates(kind, files.values(), earlier, of_files)
    new = lakehouse.spark.read.parquet(*parts(chunk.typed[kind])).where("reason is null")
    delivered = new.select("_file", *copy)
    copies = delivered.select("id", "date")
    if earlier:
        delivered = delivered.unionByName(_replaced(kind, files, earlier, lakehouse).select("_file", *copy))
    days = {day for entry in entries for day in entry.brought}.union(*affected.values())
    near = {day + timedelta(days=off) for day in days for off in range(-correction_days, correction_days + 1)}
    deliveries = delivery_days_of(history, near, kind)
    if deliveries:
        current = lakehouse.read_now(tables.RAW[kind], Slice.days("delivery_date", deliveries))
        current = current.where(Slice.days(occurrence.date, near).predicate)
        copies = copies.unionByName(current.select(*copy))
    pairs: dict[str, set[str]] = {}
    rows = []
    if days:
        spread = lakehouse.once(spread_ids(delivered, copies), folder / f"spread-{kind}")
        rows = other_copies(delivered, copies, spread, correction_days).collect()
    for row in rows:
        path = files[row["_file"]].path
        affected[path].add(row["other_date"])
        low, high = sorted((row["date"], row["other_date"]))
        pairs.setdefault(path, set()).add(f"{low}/{high}")
    return [
        replace(
            entry,
            play_dates=sorted({*entry.brought, *affected[entry.path]}),
            repeats=sorted(pairs.get(entry.path, ())),
        )
        if entry.source == kind and entry.path in affected
        else entry
        for entry in entries
    ]


def _earlier(kind: Kind, files: Collection[LandingFile], history: History) -> list[Entry]:
    """Every entry, also of a crashed run, whose rows these files may replace."""
    slices = {(file.path, file.delivery_date) for file in files}
    return [
        entry
        for entry in history.entries
        if entry.source == kind and (entry.path, entry.delivery_date) in slices and not entry.refused
    ]


def _replaced_dates(
    kind: Kind, files: Collection[LandingFile], earlier: list[Entry], history: History
) -> dict[str, set[date]]:
    """By path, dates of rows this write may delete: current rows, and rows a crashed run may have written."""
    days: dict[str, set[date]] = {file.path: set() for file in files}
    replaced = {entry.sequence for entry in earlier}
    for entry in [*history.standing(kind), *history.unfinished()]:
        if entry.sequence in replaced:
            days[entry.path] |= set(entry.brought)
            days[entry.path] |= set(entry.play_dates if entry.state == "staged" else ())
    return days


def _replaced(kind: Kind, files: dict[int, LandingFile], earlier: list[Entry], lakehouse: Lakehouse) -> DataFrame:
    """The raw rows that the files replace, each with the `_file` that replaces it."""
    numbers = lakehouse.spark.createDataFrame(
        [(number, file.delivery_date, file.path) for number, file in files.items()],
        "_file int, delivery_date date, source_file string",
    )
    rows = lakehouse.read(tables.RAW[kind], Slice.files((entry.delivery_date, entry.path) for entry in earlier))
    return rows.join(F.broadcast(numbers), ["delivery_date", "source_file"])
