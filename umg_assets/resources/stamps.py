"""Stamps: how far what a partition's latest materialization was made of reaches, kept as its data version."""

from datetime import date

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from umg_assets.planning import NEVER, WHOLE, Stamp

_PREFIX = "ledger:"


def data_version(stamp: Stamp) -> dg.DataVersion:
    """The data version that says through which ledger sequence and local day a slice was built."""
    return dg.DataVersion(f"{_PREFIX}{stamp.sequence}:{stamp.day.isoformat()}")


def read_stamps(instance: dg.DagsterInstance, assets: tuple[str, ...]) -> dict[str, dict[str, Stamp]]:
    """By asset and partition key, the stamp of the latest materialization; unpartitioned assets under WHOLE."""
    stamps: dict[str, dict[str, Stamp]] = {}
    for name in assets:
        key = dg.AssetKey(name)
        by_partition = instance.event_log_storage.get_latest_tags_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
        )
        stamps[name] = {partition: _stamp(tags[DATA_VERSION_TAG]) for partition, tags in by_partition.items()}
        if not stamps[name]:
            event = instance.get_latest_materialization_event(key)
            tags = (event.asset_materialization.tags or {}) if event and event.asset_materialization else {}
            if event:
                stamps[name] = {WHOLE: _stamp(tags.get(DATA_VERSION_TAG, ""))}
    return stamps


def _stamp(version: str) -> Stamp:
    if not version.startswith(_PREFIX):
        return NEVER
    sequence, _, day = version.removeprefix(_PREFIX).partition(":")
    return Stamp(int(sequence), date.fromisoformat(day)) if day else NEVER
