"""Plays and their sums: one row a play by local play date, summed by day and by month."""

from collections.abc import Iterable, Iterator
from datetime import date

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets import tables
from umg_assets.calendar import month_days, parse_day
from umg_assets.graph import EVENT_LOOKBACK
from umg_assets.planning.history import History, chunks, delivery_days_of, with_repeats
from umg_assets.resources.app_events import events_of
from umg_assets.resources.io_manager import Chunks
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.partition_keys import partition_keys
from umg_assets.resources.slices import Slice
from umg_assets.resources.snapshots import Snapshots
from umg_assets.settings.model import Settings
from umg_assets.transforms.event_plays import outcomes, pair_plays, plays_from_events, with_event_plays
from umg_assets.transforms.plays import enrich_plays, latest_copies, sum_by_day, sum_by_month, users_during
from umg_assets.transforms.pseudonyms import pseudonymous


def plays(
    context: dg.AssetExecutionContext,
    users: DataFrame,
    tracks: DataFrame,
    settings: dg.ResourceParam[Settings],
    lakehouse: dg.ResourceParam[Lakehouse],
    snapshots: dg.ResourceParam[Snapshots],
) -> Chunks:
    """Reads the raw copies of a day's plays, wherever they were delivered, with the users and tracks of that day."""
    history = snapshots.with_raw(context, "plays").history
    for day, metadata in _counted(partition_keys(context), history, settings, lakehouse):
        context.add_asset_metadata(metadata, "plays", day.isoformat())

    def of_days(days: list[date]) -> DataFrame:
        return plays_of(days, history, users, tracks, settings, lakehouse)

    return Chunks.of_days(partition_keys(context), history, settings.chunk_plays, of_days)


def daily_track_plays(
    context: dg.AssetExecutionContext,
    plays: DataFrame,
    settings: dg.ResourceParam[Settings],
    snapshots: dg.ResourceParam[Snapshots],
) -> Chunks:
    """Reads the plays of the day."""

    def of_days(days: list[date]) -> DataFrame:
        of_day = plays.where(Slice.days("play_date", days).predicate)
        return sum_by_day(of_day, settings.charts.favourites_section)

    return Chunks.of_days(partition_keys(context), snapshots.of(context).history, settings.chunk_plays, of_days)


def monthly_track_plays(context: dg.AssetExecutionContext, plays: DataFrame) -> Chunks:
    """Reads the plays of the month, for its exact listeners; a month at a time."""
    months = [parse_day(key) for key in partition_keys(context)]
    return Chunks(
        ([month], sum_by_month(plays.where(Slice.days("play_date", month_days([month])).predicate))) for month in months
    )


def _counted(
    keys: Iterable[str], history: History, settings: Settings, lakehouse: Lakehouse
) -> Iterator[tuple[date, dict[str, int]]]:
    """By day, the raw copies of plays; where plays are made of events, what became of their starts and ends."""
    days = [parse_day(key) for key in keys]
    counts = {day: {"raw_copies": rows} for day, rows in history.rows_by_day("plays").items() if day in days}
    for chunk in chunks(history, days, settings.chunk_plays) if settings.event_plays else ():
        for row in outcomes(_paired_events(chunk, history, settings, lakehouse)).collect():
            if row["event_date"] in chunk:
                counts.setdefault(row["event_date"], {})[f"events_{row['outcome']}"] = row["events"]
    yield from counts.items()


def _paired_events(chunk: list[date], history: History, settings: Settings, lakehouse: Lakehouse) -> DataFrame:
    """Starts and ends of plays on a chunk of days and the days beside them."""
    around = EVENT_LOOKBACK.read_for(chunk)
    return pair_plays(events_of(around, history, lakehouse, settings.correction_days))


def plays_of(
    chunk: list[date],
    history: History,
    users: DataFrame,
    tracks: DataFrame,
    settings: Settings,
    lakehouse: Lakehouse,
) -> DataFrame:
    """The plays of a chunk of days: their raw copies, and those on other days that the ledger pairs with them."""
    read_days = with_repeats(history, chunk)
    delivered = delivery_days_of(history, read_days) or read_days
    copies = lakehouse.read_now(tables.RAW_PLAYS, Slice.days("delivery_date", delivered)).where(
        Slice.days("play_date", read_days).predicate
    )
    latest = latest_copies(copies, settings.correction_days).where(Slice.days("play_date", chunk).predicate)
    latest = pseudonymous(latest, "plays")
    if settings.event_plays:
        of_events = plays_from_events(_paired_events(chunk, history, settings, lakehouse))
        latest = with_event_plays(latest, of_events.where(Slice.days("play_date", chunk).predicate))
    limits, known = settings.thresholds, users_during(users, min(chunk), max(chunk))
    return enrich_plays(latest, known, tracks, limits.stream_ms, limits.complete_percent)
