"""Exports: the charts as files, switched as one set."""

import dagster as dg

from umg_assets.resources.exporting import CURRENT, export_charts
from umg_assets.resources.snapshots import Snapshots
from umg_assets.resources.watermarks import data_version
from umg_assets.settings.model import Settings


def exports(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    snapshots: dg.ResourceParam[Snapshots],
) -> dg.MaterializeResult:
    """The charts as files: the last months' top tracks and movements, and the newest window charts.

    They lie in UMG_HOME/exports/current, which is switched as one set; each says through which date it is complete.
    """
    snapshot = snapshots.of(context)
    folder = dg.MetadataValue.path(settings.home / "exports" / CURRENT)
    exported = export_charts(settings, snapshot.history)
    watermark = snapshots.watermark_of(context, "exports")
    return dg.MaterializeResult(metadata={"path": folder, **exported}, data_version=data_version(watermark))
