"""Sessions: one row a session, by the local day on which it began."""

from datetime import date

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets.graph import SESSION_LOOKBACK
from umg_assets.resources.io_manager import Chunks
from umg_assets.resources.partition_keys import partition_keys
from umg_assets.resources.slices import Slice
from umg_assets.resources.snapshots import Snapshots
from umg_assets.settings.model import Settings
from umg_assets.transforms.sessions import sessions_of


def sessions(
    context: dg.AssetExecutionContext,
    plays: DataFrame,
    settings: dg.ResourceParam[Settings],
    snapshots: dg.ResourceParam[Snapshots],
) -> Chunks:
    """Reads the plays of three days before and one after: a session may begin before midnight, or go on past it."""

    def of_days(days: list[date]) -> DataFrame:
        around = SESSION_LOOKBACK.read_for(days)
        rows = sessions_of(plays.where(Slice.days("play_date", around).predicate))
        return rows.where(Slice.days("session_date", days).predicate)

    return Chunks.of_days(partition_keys(context), snapshots.of(context).history, settings.chunk_plays, of_days)
