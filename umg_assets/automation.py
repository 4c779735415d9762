"""Jobs: what runs together, in the order in which a play makes its way."""

from datetime import timedelta

import dagster as dg

from umg_assets import tables
from umg_assets.assets.raw import LANDED
from umg_assets.checks import quarantine_share
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
    of_a_run = dg.AssetSelection.checks(quarantine_share)
    landed = dg.AssetSelection.assets(*(table.name for table in LANDED)).without_checks()
    landing = dg.define_asset_job(LAND, landed | of_a_run)
    stages = [
        dg.define_asset_job(name, dg.AssetSelection.assets(*assets).without_checks()) for name, assets in STAGES.items()
    ]
    checks = dg.define_asset_job(CHECK, dg.AssetSelection.all_asset_checks() - of_a_run)
    return [landing, *stages, checks, compact_tables]
