"""Plays and their sums: one row a play by local play date, summed by day and by month.

Reads the raw copies of a day's plays, wherever they were delivered, with the users and tracks of that day.
"""

from collections.abc import Iterable, Iterator
from datetime import date

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets import planning, tables
from umg_assets.assets.table_asset import table_asset
from umg_assets.partitions import EVENT_DAYS_AROUND, Calendar, days_around, month_days, parse_day
from umg_assets.resources.app_events import events_of
from umg_assets.resources.io_manager import Chunks
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import History, Ledger
from umg_assets.resources.slices import Slice
from umg_assets.settings import Settings
from umg_assets.transforms.event_plays import outcomes, pair_plays, plays_from_events, with_event_plays
from umg_assets.transforms.plays import latest_copies, stamp_plays, sum_by_day, sum_by_month, users_during


def build_play_assets(calendar: Calendar) -> list[dg.AssetsDefinition]:
    """`plays` and `daily_track_plays` by local day, `monthly_track_plays` by local month."""

    @table_asset(
        tables.PLAYS,
        "plays",
        __doc__,
        partitions_def=calendar.play_days,
        deps=[dg.AssetDep(raw, partition_mapping=dg.AllPartitionMapping()) for raw in ("raw_plays", "raw_app_events")],
    )
    def plays(
        context: dg.AssetExecutionContext,
        users: DataFrame,
        tracks: DataFrame,
        settings: dg.ResourceParam[Settings],
        lakehouse: dg.ResourceParam[Lakehouse],
        ledger: dg.ResourceParam[Ledger],
    ) -> Chunks:
        history = ledger.read()
        for day, metadata in _counted(context.partition_keys, history, settings, lakehouse):
            context.add_asset_metadata(metadata, "plays", day.isoformat())
        return Chunks.of_days(
            context.partition_keys,
            history,
            settings.chunk_plays,
            lambda days: plays_of(days, history, users, tracks, settings, lakehouse),
        )

    @table_asset(
        tables.DAILY_TRACK_PLAYS,
        "plays",
        __doc__,
        partitions_def=calendar.play_days,
    )
    def daily_track_plays(
        context: dg.AssetExecutionContext,
        plays: DataFrame,
        settings: dg.ResourceParam[Settings],
        ledger: dg.ResourceParam[Ledger],
    ) -> Chunks:
        return Chunks.of_days(
            context.partition_keys,
            ledger.read(),
            settings.chunk_plays,
            lambda days: sum_by_day(
                plays.where(Slice.days("play_date", days).predicate), settings.charts.favourites_section
            ),
        )

    @table_asset(
        tables.MONTHLY_TRACK_PLAYS,
        "plays",
        __doc__,
        partitions_def=calendar.play_months,
        ins={
            "plays": dg.AssetIn(
                partition_mapping=dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
            )
        },
    )
    def monthly_track_plays(context: dg.AssetExecutionContext, plays: DataFrame) -> Chunks:
        months = [parse_day(key) for key in context.partition_keys]
        return Chunks(
            ([month], sum_by_month(plays.where(Slice.days("play_date", month_days([month])).predicate)))
            for month in months
        )

    return [plays, daily_track_plays, monthly_track_plays]


def _counted(
    keys: Iterable[str], history: History, settings: Settings, lakehouse: Lakehouse
) -> Iterator[tuple[date, dict[str, int]]]:
    """By day, the raw copies of plays; where plays are made of events, what became of their starts and ends."""
    days = [date.fromisoformat(key) for key in keys]
    found = {day: {"raw_copies": rows} for day, rows in history.rows_by_day("plays").items() if day in days}
    for chunk in planning.chunks(history, days, settings.chunk_plays) if settings.event_plays else ():
        for row in outcomes(_pairs_of(chunk, history, settings, lakehouse)).collect():
            if row["event_date"] in chunk:
                found.setdefault(row["event_date"], {})[f"events_{row['outcome']}"] = row["events"]
    yield from found.items()


def _pairs_of(chunk: list[date], history: History, settings: Settings, lakehouse: Lakehouse) -> DataFrame:
    """Starts and ends of plays on a chunk of days and the days beside them."""
    around = [one for day in chunk for one in days_around(day, -EVENT_DAYS_AROUND, EVENT_DAYS_AROUND)]
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
    read_days = planning.with_repeats(history, chunk)
    delivered = planning.delivery_days_of(history, read_days) or read_days
    copies = lakehouse.read(tables.RAW_PLAYS, Slice.days("delivery_date", delivered)).where(
        Slice.days("play_date", read_days).predicate
    )
    latest = latest_copies(copies, settings.correction_days).where(Slice.days("play_date", chunk).predicate)
    if settings.event_plays:
        made = plays_from_events(_pairs_of(chunk, history, settings, lakehouse))
        latest = with_event_plays(latest, made.where(Slice.days("play_date", chunk).predicate))
    limits, known = settings.thresholds, users_during(users, min(chunk), max(chunk))
    return stamp_plays(latest, known, tracks, limits.stream_ms, limits.complete_percent)
