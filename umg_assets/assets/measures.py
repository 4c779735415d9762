"""What every experiment reads, by local day: visits, their sums by user, and users' first events in experiments.

Made where umg.toml has experiments; of raw_app_events and plays, whoever is in which experiment.
"""

from datetime import date, timedelta

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets import tables
from umg_assets.assets.table_asset import table_asset
from umg_assets.partitions import SESSION_DAYS_AFTER, SESSION_DAYS_BEFORE, Calendar, days_between
from umg_assets.resources.app_events import events_of
from umg_assets.resources.io_manager import Chunks
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import History, Ledger
from umg_assets.resources.slices import Slice
from umg_assets.settings import Settings
from umg_assets.transforms.plays import users_during
from umg_assets.transforms.visits import first_events, sum_visits, visits_of

_RAW_EVENTS = dg.AssetDep("raw_app_events", partition_mapping=dg.AllPartitionMapping())


def build_measure_assets(calendar: Calendar) -> list[dg.AssetsDefinition]:
    """`visits`, `user_days` and `exposure_days`, by local day."""

    @table_asset(
        tables.VISITS,
        "experiments",
        __doc__,
        partitions_def=calendar.play_days,
        ins={
            "plays": dg.AssetIn(
                partition_mapping=dg.TimeWindowPartitionMapping(
                    start_offset=-SESSION_DAYS_BEFORE,
                    end_offset=SESSION_DAYS_AFTER,
                    allow_nonexistent_upstream_partitions=True,
                )
            )
        },
        deps=[_RAW_EVENTS],
    )
    def visits(
        context: dg.AssetExecutionContext,
        plays: DataFrame,
        users: DataFrame,
        settings: dg.ResourceParam[Settings],
        lakehouse: dg.ResourceParam[Lakehouse],
        ledger: dg.ResourceParam[Ledger],
    ) -> Chunks:
        history = ledger.read()
        return Chunks.of_days(
            context.partition_keys,
            history,
            settings.chunk_plays,
            lambda days: _visits_of(days, plays, users, history, settings, lakehouse),
        )

    @table_asset(tables.USER_DAYS, "experiments", __doc__, partitions_def=calendar.play_days)
    def user_days(
        context: dg.AssetExecutionContext,
        visits: DataFrame,
        settings: dg.ResourceParam[Settings],
        ledger: dg.ResourceParam[Ledger],
    ) -> Chunks:
        return Chunks.of_days(
            context.partition_keys,
            ledger.read(),
            settings.chunk_plays,
            lambda days: sum_visits(visits.where(Slice.days("visit_date", days).predicate)),
        )

    @table_asset(tables.EXPOSURE_DAYS, "experiments", __doc__, partitions_def=calendar.play_days, deps=[_RAW_EVENTS])
    def exposure_days(
        context: dg.AssetExecutionContext,
        settings: dg.ResourceParam[Settings],
        lakehouse: dg.ResourceParam[Lakehouse],
        ledger: dg.ResourceParam[Ledger],
    ) -> Chunks:
        history = ledger.read()
        return Chunks.of_days(
            context.partition_keys,
            history,
            settings.chunk_plays,
            lambda days: first_events(
                events_of(days, history, lakehouse, settings.correction_days), settings.charts.favourites_section
            ),
        )

    return [visits, user_days, exposure_days]


def _visits_of(
    days: list[date], plays: DataFrame, users: DataFrame, history: History, settings: Settings, lakehouse: Lakehouse
) -> DataFrame:
    around = days_between(min(days) - timedelta(SESSION_DAYS_BEFORE), max(days) + timedelta(SESSION_DAYS_AFTER))
    events = events_of(around, history, lakehouse, settings.correction_days)
    known = users_during(users, around[0], around[-1])
    found = visits_of(plays.where(Slice.days("play_date", around).predicate), events, known)
    return found.where(Slice.days("visit_date", days).predicate)
