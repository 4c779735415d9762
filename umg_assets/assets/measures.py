"""What every experiment reads, by local day: visits, their sums by user, and users' first events in experiments.

Built where umg.toml has experiments, of raw_app_events and plays: of all users, whoever is in which experiment.
"""

from datetime import date

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets.graph import SESSION_LOOKBACK
from umg_assets.resources.app_events import events_of
from umg_assets.resources.io_manager import Chunks
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.partition_keys import partition_keys
from umg_assets.resources.slices import Slice
from umg_assets.resources.snapshots import Snapshots
from umg_assets.settings.model import Settings
from umg_assets.transforms.plays import users_during
from umg_assets.transforms.visits import first_events, sum_visits, visits_of


def visits(
    context: dg.AssetExecutionContext,
    plays: DataFrame,
    users: DataFrame,
    settings: dg.ResourceParam[Settings],
    lakehouse: dg.ResourceParam[Lakehouse],
    snapshots: dg.ResourceParam[Snapshots],
) -> Chunks:
    """Reads plays and events of the app of three days before and one after, as sessions do."""
    history = snapshots.with_raw(context, "visits").history

    def of_days(days: list[date]) -> DataFrame:
        around = SESSION_LOOKBACK.read_for(days)
        events = events_of(around, history, lakehouse, settings.correction_days)
        known = users_during(users, around[0], around[-1])
        rows = visits_of(plays.where(Slice.days("play_date", around).predicate), events, known)
        return rows.where(Slice.days("visit_date", days).predicate)

    return Chunks.of_days(partition_keys(context), history, settings.chunk_plays, of_days)


def user_days(
    context: dg.AssetExecutionContext,
    visits: DataFrame,
    settings: dg.ResourceParam[Settings],
    snapshots: dg.ResourceParam[Snapshots],
) -> Chunks:
    """Reads the visits that began on the day."""

    def of_days(days: list[date]) -> DataFrame:
        return sum_visits(visits.where(Slice.days("visit_date", days).predicate))

    return Chunks.of_days(partition_keys(context), snapshots.of(context).history, settings.chunk_plays, of_days)


def exposure_days(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    lakehouse: dg.ResourceParam[Lakehouse],
    snapshots: dg.ResourceParam[Snapshots],
) -> Chunks:
    """Reads the app's events of the day, wherever they were delivered."""
    history = snapshots.with_raw(context, "exposure_days").history

    def of_days(days: list[date]) -> DataFrame:
        events = events_of(days, history, lakehouse, settings.correction_days)
        return first_events(events, settings.charts.favourites_section)

    return Chunks.of_days(partition_keys(context), history, settings.chunk_plays, of_days)
