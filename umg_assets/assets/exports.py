"""Exports: the last three months' chart as one CSV and as Parquet by country, switched as one set.

Reads top_tracks_by_country; each file says through which date it is complete. See UMG_HOME/exports/current.
"""

import dagster as dg

from umg_assets.partitions import local_today
from umg_assets.planning import EXPORTED, Scope, Stamp, built_from, needed
from umg_assets.resources.exporting import export_charts
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.stamps import data_version, read_stamps
from umg_assets.settings import Settings


@dg.asset(
    deps=list(EXPORTED), description=__doc__, group_name="exports", kinds={"csv", "parquet", "json"}, pool="exports"
)
def exports(
    context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]
) -> dg.MaterializeResult:
    history = ledger.read()
    today = local_today(settings.time_zone)
    need = needed(history, Scope.of(settings), today)
    stamps = read_stamps(context.instance, EXPORTED)
    written = export_charts(settings)
    stamp = built_from(EXPORTED, {name: need[name] for name in EXPORTED}, need, stamps, Stamp(history.sequence, today))
    return dg.MaterializeResult(metadata=written, data_version=data_version(stamp))
