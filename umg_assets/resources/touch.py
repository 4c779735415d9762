"""What a delivery of plays or events touches: the dates of what it brings and replaces, and of other copies."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.planning import delivery_days_of
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.landing import LandingFile
from umg_assets.resources.ledger import Entry, History
from umg_assets.resources.slices import Slice
from umg_assets.resources.staging import Chunk, parts
from umg_assets.tables import Kind
from umg_assets.transforms.records import other_copies, spread_ids


def touched(
    entries: Sequence[Entry],
    kind: Kind,
    chunk: Chunk,
    history: History,
    lakehouse: Lakehouse,
    correction_days: int,
    folder: Path,
) -> list[Entry]:
    """The entries; those of a kind (plays or events) with the dates that they touch and the pairs that share an id.

    Of the raw rows that stand, only those within correction_days of a touched day are read, and only their ids.
    folder: for what is computed once and read twice.
    """
    moment = tables.MOMENTS[kind]
    copy = [F.col(moment.id).alias("id"), F.col(moment.date).alias("date")]
    own = {one.number: one.file for one in chunk.files if one.file.kind == kind and one.parsed.refused is None}
    earlier = _earlier(kind, own.values(), history)
    left = _replaced_days(kind, own.values(), earlier, history)
    new = lakehouse.spark.read.parquet(*parts(chunk.typed[kind])).where("reason is null")
    delivered = new.select("_file", *copy)
    copies = delivered.select("id", "date")
    if earlier:
        delivered = delivered.unionByName(_replaced(kind, own, earlier, lakehouse).select("_file", *copy))
    days = {day for entry in entries for day in entry.brought}.union(*left.values())
    near = {day + timedelta(days=off) for day in days for off in range(-correction_days, correction_days + 1)}
    deliveries = delivery_days_of(history, near, kind)
    if deliveries:
        standing = lakehouse.read(tables.RAW[kind], Slice.days("delivery_date", deliveries))
        standing = standing.where(Slice.days(moment.date, near).predicate)
        copies = copies.unionByName(standing.select(*copy))
    pairs: dict[str, set[str]] = {}
    rows = []
    if days:
        spread = lakehouse.once(spread_ids(delivered, copies), folder / f"spread-{kind}")
        rows = other_copies(delivered, copies, spread, correction_days).collect()
    for row in rows:
        path = own[row["_file"]].path
        left[path].add(row["other_date"])
        low, high = sorted((row["date"], row["other_date"]))
        pairs.setdefault(path, set()).add(f"{low}/{high}")
    return [
        replace(
            entry,
            play_dates=sorted({*entry.brought, *left[entry.path]}),
            repeats=sorted(pairs.get(entry.path, ())),
        )
        if entry.source == kind and entry.path in left
        else entry
        for entry in entries
    ]


def _earlier(kind: Kind, own: Collection[LandingFile], history: History) -> list[Entry]:
    """Every entry, also of a run that died, whose rows these files may replace."""
    slices = {(file.path, file.delivery_date) for file in own}
    return [
        entry
        for entry in history.entries
        if entry.source == kind and (entry.path, entry.delivery_date) in slices and not entry.refused
    ]


def _replaced_days(
    kind: Kind, own: Collection[LandingFile], earlier: list[Entry], history: History
) -> dict[str, set[date]]:
    """By path, the dates of rows that may go: of what stands, and of what a run that died may have written."""
    days: dict[str, set[date]] = {file.path: set() for file in own}
    for entry in [*history.standing(kind), *history.unfinished()]:
        if entry in earlier:
            days[entry.path] |= set(entry.brought)
            days[entry.path] |= set(entry.play_dates if entry.state == "staged" else ())
    return days


def _replaced(kind: Kind, own: dict[int, LandingFile], earlier: list[Entry], lakehouse: Lakehouse) -> DataFrame:
    """The raw rows that the files replace, with the `_file` that replaces each."""
    files = lakehouse.spark.createDataFrame(
        [(number, file.delivery_date, file.path) for number, file in own.items()],
        "_file int, delivery_date date, source_file string",
    )
    rows = lakehouse.read(tables.RAW[kind], Slice.files((entry.delivery_date, entry.path) for entry in earlier))
    return rows.join(F.broadcast(files), ["delivery_date", "source_file"])
