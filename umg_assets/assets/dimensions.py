"""Users and tracks: users' history by day, and the catalogue of tracks, each as its deliveries say.

Forward deliveries are merged, others rebuild the table from raw. What a change affects goes into the ledger.
"""

import dagster as dg

from umg_assets import tables
from umg_assets.catalogue import Catalogue
from umg_assets.graph import WHOLE
from umg_assets.landing.dimensions import Dimensions, Update
from umg_assets.planning.watermark import NEVER, Watermark
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.watermarks import data_version, read_watermarks
from umg_assets.settings.model import Settings


def users(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    catalogue: dg.ResourceParam[Catalogue],
    lakehouse: dg.ResourceParam[Lakehouse],
    ledger: dg.ResourceParam[Ledger],
) -> dg.MaterializeResult:
    """Merges deliveries that only go forward; others rebuild the history from raw. A change goes into the ledger."""
    seen = _seen(context, catalogue, "users")
    return _result(lakehouse, tables.USERS, Dimensions(settings, lakehouse, ledger).update_users(seen))


def tracks(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    catalogue: dg.ResourceParam[Catalogue],
    lakehouse: dg.ResourceParam[Lakehouse],
    ledger: dg.ResourceParam[Ledger],
) -> dg.MaterializeResult:
    """Merges deliveries that only go forward; others rebuild the table from raw. A change goes into the ledger."""
    seen = _seen(context, catalogue, "tracks")
    return _result(lakehouse, tables.TRACKS, Dimensions(settings, lakehouse, ledger).update_tracks(seen))


def _seen(context: dg.AssetExecutionContext, catalogue: Catalogue, name: str) -> int:
    """The last ledger sequence that the table has been brought up to date with."""
    return read_watermarks(context.instance, [catalogue[name]]).get(name, {}).get(WHOLE, NEVER).sequence


def _result(lakehouse: Lakehouse, table: tables.Table, update: Update) -> dg.MaterializeResult:
    commit, affected = update.commit, update.affected
    columns = ("play_dates", "chart_months", "window_dates", "chart_dates") if affected else ()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(lakehouse.rows(table).values()),
            **{f"{column}_affected": len(getattr(affected, column)) for column in columns},
            **(commit.metadata if commit else {}),
        },
        data_version=data_version(Watermark(update.sequence)),
    )
