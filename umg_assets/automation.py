"""Jobs: what runs together, in the order in which a play makes its way."""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from umg_assets import tables
from umg_assets.assets.raw import LANDED
from umg_assets.checks import checks_of_runs, checks_of_tables
from umg_assets.planning import LAND, STAGES
from umg_assets.resources.lakehouse import Lakehouse

CHECK = "check_tables"
"""The job of the checks that read whole tables."""


class Compaction(dg.Config):
    """keep_days: how long files that no current version needs stay, for readers and time travel."""

    keep_days: int = 7


@dg.op
def compact_and_vacuum(
    context: dg.OpExecutionContext, config: Compaction, lakehouse: dg.ResourceParam[Lakehouse]
) -> None:
    """Joins the small files of every table and deletes what no version of the last days needs."""
    lakehouse.create_tables()
    for table in tables.ALL:
        joined = lakehouse.compact(table)
        gone = lakehouse.vacuum(table, timedelta(days=config.keep_days))
        context.log.info(
            f"{table.name}: {joined['numFilesRemoved']} files joined into {joined['numFilesAdded']}, "
            f"{len(gone)} deleted"
        )


@dg.job
def compact_tables() -> None:
    """Compacts and vacuums every table, by delta-rs; the rows stay as they are."""
    compact_and_vacuum()


def build_jobs():
    """A job for landing files, one for each stage after it, the checks that read whole tables, and compaction."""
    landing = dg.define_asset_job(LAND, _with_checks([table.name for table in LANDED]))
    stages = [dg.define_asset_job(name, _with_checks(assets)) for name, assets in STAGES.items()]
    return [landing, *stages, dg.define_asset_job(CHECK, checks_of_tables()), compact_tables]


def _with_checks(assets: Sequence[str]) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*assets).without_checks() | checks_of_runs(*assets)
