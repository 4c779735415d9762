"""Users and tracks: users' history by day, and the catalogue, each as its deliveries say.

Forward deliveries are merged, others make the table anew from raw. What a change touches goes into the ledger.
"""

import dagster as dg

from umg_assets import tables
from umg_assets.assets.table_asset import table_asset
from umg_assets.planning import NEVER, WHOLE, Stamp
from umg_assets.resources.dimensions import Dimensions, Update
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.stamps import data_version, read_stamps
from umg_assets.settings import Settings


def build_dimension_assets() -> list[dg.AssetsDefinition]:
    """`users` and `tracks`, unpartitioned."""

    @table_asset(
        tables.USERS,
        "dimensions",
        __doc__,
        deps=["raw_users"],
    )
    def users(
        context: dg.AssetExecutionContext,
        settings: dg.ResourceParam[Settings],
        lakehouse: dg.ResourceParam[Lakehouse],
        ledger: dg.ResourceParam[Ledger],
    ) -> dg.MaterializeResult:
        seen = _seen(context, "users")
        return _result(lakehouse, tables.USERS, Dimensions(settings, lakehouse, ledger).update_users(seen))

    @table_asset(
        tables.TRACKS,
        "dimensions",
        __doc__,
        deps=["raw_tracks"],
    )
    def tracks(
        context: dg.AssetExecutionContext,
        settings: dg.ResourceParam[Settings],
        lakehouse: dg.ResourceParam[Lakehouse],
        ledger: dg.ResourceParam[Ledger],
    ) -> dg.MaterializeResult:
        seen = _seen(context, "tracks")
        return _result(lakehouse, tables.TRACKS, Dimensions(settings, lakehouse, ledger).update_tracks(seen))

    return [users, tracks]


def _seen(context: dg.AssetExecutionContext, name: str) -> int:
    return read_stamps(context.instance, (name,))[name].get(WHOLE, NEVER).sequence


def _result(lakehouse: Lakehouse, table: tables.Table, update: Update) -> dg.MaterializeResult:
    commit, touched = update.commit, update.touched
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(lakehouse.rows(table).values()),
            **({"play_dates_touched": len(touched.play_dates)} if touched else {}),
            **({"chart_months_touched": len(touched.chart_months)} if touched else {}),
            **({"window_dates_touched": len(touched.window_dates)} if touched else {}),
            **({"chart_dates_touched": len(touched.chart_dates)} if touched else {}),
            **(commit.metadata if commit else {}),
        },
        data_version=data_version(Stamp(update.sequence)),
    )
