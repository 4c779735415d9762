"""Exports: the charts as files, switched as one set."""

import dagster as dg

from umg_assets.catalogue import Catalogue
from umg_assets.resources.exporting import export_charts
from umg_assets.resources.snapshots import Snapshots
from umg_assets.resources.watermarks import data_version, watermark_of
from umg_assets.settings.model import Settings


def exports(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    catalogue: dg.ResourceParam[Catalogue],
    snapshots: dg.ResourceParam[Snapshots],
) -> dg.MaterializeResult:
    """The last three months' charts, as one CSV and as Parquet by country, and the newest window charts: one set.

    Each file says through which date it is complete. See UMG_HOME/exports/current.
    """
    snapshot = snapshots.of(context)
    watermark = watermark_of(context.instance, catalogue["exports"], [], catalogue, snapshot)
    exported = export_charts(settings, snapshot.history)
    return dg.MaterializeResult(metadata=exported, data_version=data_version(watermark))
