"""What a delivery of plays touches: the play dates of what it brings and replaces, and of other copies of those."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.planning import delivery_days_of
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.landing import LandingFile
from umg_assets.resources.ledger import Entry, History
from umg_assets.resources.slices import Slice
from umg_assets.resources.staging import Chunk, parts
from umg_assets.transforms.records import other_copies


def touched(
    entries: Sequence[Entry], chunk: Chunk, history: History, lakehouse: Lakehouse, correction_days: int
) -> list[Entry]:
    """The entries; those of plays with the play dates that they touch and the pairs of dates that share a play_id.

    Of the raw plays that stand, only those within correction_days of a touched day are read, and only play_id.
    """
    own = {one.number: one.file for one in chunk.files if one.file.kind == "plays" and one.parsed.refused is None}
    earlier = _earlier(own.values(), history)
    left = _replaced_days(own.values(), earlier, history)
    new = lakehouse.spark.read.parquet(*parts(chunk.typed["plays"])).where("reason is null")
    delivered = new.select("_file", "play_id", "play_date")
    copies = delivered.select("play_id", "play_date")
    if earlier:
        delivered = delivered.unionByName(_replaced(own, earlier, lakehouse))
    days = {day for entry in entries for day in entry.brought}.union(*left.values())
    near = {day + timedelta(days=off) for day in days for off in range(-correction_days, correction_days + 1)}
    deliveries = delivery_days_of(history, near)
    if deliveries:
        standing = lakehouse.read(tables.RAW_PLAYS, Slice.days("delivery_date", deliveries))
        standing = standing.where(Slice.days("play_date", near).predicate)
        copies = copies.unionByName(standing.select("play_id", "play_date"))
    pairs: dict[str, set[str]] = {}
    for row in other_copies(delivered, copies, correction_days).collect() if days else ():
        path = own[row["_file"]].path
        left[path].add(row["other_date"])
        low, high = sorted((row["play_date"], row["other_date"]))
        pairs.setdefault(path, set()).add(f"{low}/{high}")
    return [
        replace(
            entry,
            play_dates=sorted({*entry.brought, *left[entry.path]}),
            repeats=sorted(pairs.get(entry.path, ())),
        )
        if entry.source == "plays" and entry.path in left
        else entry
        for entry in entries
    ]


def _earlier(own: Collection[LandingFile], history: History) -> list[Entry]:
    """Every entry, also of a run that died, whose rows these files may replace."""
    slices = {(file.path, file.delivery_date) for file in own}
    return [
        entry
        for entry in history.entries
        if entry.source == "plays" and (entry.path, entry.delivery_date) in slices and not entry.refused
    ]


def _replaced_days(own: Collection[LandingFile], earlier: list[Entry], history: History) -> dict[str, set[date]]:
    """By path, the play dates of rows that may go: of what stands, and of what a run that died may have written."""
    days: dict[str, set[date]] = {file.path: set() for file in own}
    for entry in [*history.standing("plays"), *history.unfinished()]:
        if entry in earlier:
            days[entry.path] |= set(entry.brought)
            days[entry.path] |= set(entry.play_dates if entry.state == "staged" else ())
    return days


def _replaced(own: dict[int, LandingFile], earlier: list[Entry], lakehouse: Lakehouse) -> DataFrame:
    """`_file`, play_id, play_date of the raw rows that the files replace."""
    files = lakehouse.spark.createDataFrame(
        [(number, file.delivery_date, file.path) for number, file in own.items()],
        "_file int, delivery_date date, source_file string",
    )
    rows = lakehouse.read(tables.RAW_PLAYS, Slice.files((entry.delivery_date, entry.path) for entry in earlier))
    return rows.join(F.broadcast(files), ["delivery_date", "source_file"]).select("_file", "play_id", "play_date")
