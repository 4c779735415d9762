"""Which partitions a step builds: those that its run's tag names for its asset, or the whole range of the run."""

from collections.abc import Mapping

import dagster as dg

from umg_assets.planning.partition_spans import from_text

PARTITIONS = "umg/partitions"
"""Tag of a run: by asset, the partitions to build, all within the run's range."""


def partition_keys(context: dg.AssetExecutionContext) -> list[str]:
    """The partition keys that a run builds of the asset."""
    named = named_keys(context.run.tags, context.asset_key.path[-1])
    return list(context.partition_keys) if named is None else named


def named_keys(tags: Mapping[str, str], asset: str) -> list[str] | None:
    """The partition keys that a run's tags name for an asset; None where they name none: it builds its whole range."""
    return from_text(tags.get(PARTITIONS, "")).get(asset)
