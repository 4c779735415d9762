"""Sessions: one row a session, by the local day on which it began.

Reads the plays of three days before and one after: a session may have begun before midnight, or go on past it.
"""

from datetime import date, timedelta

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets import tables
from umg_assets.assets.table_asset import table_asset
from umg_assets.partitions import SESSION_DAYS_AFTER, SESSION_DAYS_BEFORE, Calendar, days_between
from umg_assets.resources.io_manager import Chunks
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.slices import Slice
from umg_assets.settings import Settings
from umg_assets.transforms.sessions import sessions_of


def build_session_assets(calendar: Calendar) -> list[dg.AssetsDefinition]:
    """`sessions`, by local day."""

    @table_asset(
        tables.SESSIONS,
        "plays",
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
    )
    def sessions(
        context: dg.AssetExecutionContext,
        plays: DataFrame,
        settings: dg.ResourceParam[Settings],
        ledger: dg.ResourceParam[Ledger],
    ) -> Chunks:
        return Chunks.of_days(
            context.partition_keys, ledger.read(), settings.chunk_plays, lambda days: _sessions_of(plays, days)
        )

    return [sessions]


def _sessions_of(plays: DataFrame, days: list[date]) -> DataFrame:
    around = days_between(min(days) - timedelta(SESSION_DAYS_BEFORE), max(days) + timedelta(SESSION_DAYS_AFTER))
    found = sessions_of(plays.where(Slice.days("play_date", around).predicate))
    return found.where(Slice.days("session_date", days).predicate)
