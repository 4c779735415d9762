"""Stamps: how far what a partition's latest materialization was made of reaches, kept as its data version."""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from umg_assets.planning import NEVER, WHOLE, Stamp

_PREFIX = "ledger:"
_NO_DEFINITIONS: Mapping[str, str] = MappingProxyType({})


def data_version(stamp: Stamp, definition: str = "") -> dg.DataVersion:
    """The data version that says through which ledger sequence and local day a slice was built.

    definition: the hash of the experiment's definition that it was made by; "" for all other assets.
    """
    return dg.DataVersion(f"{_PREFIX}{stamp.sequence}:{stamp.day.isoformat()}{definition and f':{definition}'}")


def read_stamps(
    instance: dg.DagsterInstance, assets: tuple[str, ...], definitions: Mapping[str, str] = _NO_DEFINITIONS
) -> dict[str, dict[str, Stamp]]:
    """By asset and partition key, the stamp of the latest materialization; unpartitioned assets under WHOLE.

    definitions: by asset, the hash of the definition that holds now (Scope.definitions); what was made by another
    one counts as NEVER made.
    """
    stamps: dict[str, dict[str, Stamp]] = {}
    for name in assets:
        key = dg.AssetKey(name)
        by_partition = instance.event_log_storage.get_latest_tags_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
        )
        now = definitions.get(name, "")
        stamps[name] = {partition: _stamp(tags[DATA_VERSION_TAG], now) for partition, tags in by_partition.items()}
        if not stamps[name]:
            event = instance.get_latest_materialization_event(key)
            tags = (event.asset_materialization.tags or {}) if event and event.asset_materialization else {}
            if event:
                stamps[name] = {WHOLE: _stamp(tags.get(DATA_VERSION_TAG, ""), now)}
    return stamps


def _stamp(version: str, definition: str) -> Stamp:
    if not version.startswith(_PREFIX):
        return NEVER
    sequence, day, made_by = [*version.removeprefix(_PREFIX).split(":"), "", ""][:3]
    return Stamp(int(sequence), date.fromisoformat(day)) if day and made_by == definition else NEVER
