"""Watermarks of what has been built: kept by Dagster as the data version of each partition's latest materialization."""

from collections.abc import Iterable

import dagster as dg

from umg_assets.graph import WHOLE, Asset
from umg_assets.planning.watermark import NEVER, Watermark, watermark_in, written
from umg_assets.resources.dagster_internals import DATA_VERSION_TAG


def data_version(watermark: Watermark, definition: str = "") -> dg.DataVersion:
    """The data version that says through which ledger sequence and local day a slice was built.

    definition: the hash of the experiment's definition that it was built by; "" for all other assets.
    """
    return dg.DataVersion(written(watermark, definition))


def read_watermarks(instance: dg.DagsterInstance, assets: Iterable[Asset]) -> dict[str, dict[str, Watermark]]:
    """By asset and partition key, the watermark of the latest materialization; unpartitioned assets under WHOLE.

    What another definition of an experiment built counts as NEVER built.
    """
    watermarks: dict[str, dict[str, Watermark]] = {}
    for asset in assets:
        key = dg.AssetKey(asset.name)
        if asset.is_partitioned:
            by_partition = instance.event_log_storage.get_latest_tags_by_partition(
                key, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
            )
            watermarks[asset.name] = {
                partition: watermark_in(tags[DATA_VERSION_TAG], asset.definition_hash)
                for partition, tags in by_partition.items()
            }
        else:
            event = instance.get_latest_materialization_event(key)
            tags = (event.asset_materialization.tags or {}) if event and event.asset_materialization else {}
            built = {WHOLE: watermark_in(tags.get(DATA_VERSION_TAG, ""), asset.definition_hash)} if event else {}
            watermarks[asset.name] = built
    return watermarks


def not_built(asset: Asset, keys: Iterable[str]) -> list[dg.AssetMaterialization]:
    """What says of partitions that they have been emptied, and so count as NEVER built."""
    tags = {DATA_VERSION_TAG: data_version(NEVER).value}
    said = "Emptied: umg.toml leaves this partition out"
    return [dg.AssetMaterialization(asset.name, description=said, partition=key, tags=tags) for key in keys]
