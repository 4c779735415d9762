"""Single jobs of a lake: for tests that need less than `umg run` does."""

import dagster as dg

from umg_assets.build import build_definitions
from umg_assets_tests.lake import Lake

_RANGE: tuple[str, str] = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def run_job(lake: Lake, job: str, first: str | None = None, last: str | None = None, *assets: str) -> None:
    """One run of a job in memory, without checks, over the partitions from a first to a last key.

    assets: those of the job to materialize; all of them if none is named.
    """
    definition = build_definitions(lake.settings).resolve_job_def(job)
    selection = {dg.AssetKey(asset) for asset in assets} or set(definition.asset_layer.selected_asset_keys)
    definition = definition.get_subset(asset_selection=selection, asset_check_selection=set())
    tags = dict(zip(_RANGE, (first, last or first), strict=True)) if first else {}
    assert definition.execute_in_process(instance=lake.instance, tags=tags).success


def metadata(lake: Lake, asset: str, partition: str) -> dict[str, dg.MetadataValue]:
    """The metadata of a partition's latest materialization, as Dagster shows it."""
    latest = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[partition])
    (record, *_) = lake.instance.fetch_materializations(latest, limit=1).records
    assert record.asset_materialization
    return dict(record.asset_materialization.metadata)
