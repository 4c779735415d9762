"""How a function becomes the asset of a row of the catalogue."""

import inspect
from collections.abc import Callable
from typing import Any

import dagster as dg

from umg_assets.assets.partitions import Partitions
from umg_assets.catalogue import Catalogue
from umg_assets.graph import Asset

AssetFunction = Callable[..., Any]
"""Takes the inputs that it names as DataFrames, and resources; returns rows or a MaterializeResult."""


def build_asset(asset: Asset, function: AssetFunction, partitions: Partitions) -> dg.AssetsDefinition:
    """The asset of a row: one writing run of its table at a time, any range of its partitions in one run.

    Inputs that the function has no parameter for are dependencies: it reads them in its own way.
    """
    loaded = [name for name in asset.upstream if name in inspect.signature(function).parameters]
    partitions_def = partitions.of(asset)
    return dg.asset(
        name=asset.name,
        description=described(asset, function.__doc__),
        group_name=asset.group,
        kinds=set(asset.stored_as),
        pool=asset.table.name if asset.table else asset.name,
        partitions_def=partitions_def,
        backfill_policy=dg.BackfillPolicy.single_run() if partitions_def else None,
        ins=partitions.loaded(asset, loaded),
        deps=partitions.dependencies(asset, loaded),
    )(function)


def functions_in(catalogue: Catalogue, *families: Any) -> dict[str, AssetFunction]:
    """The asset functions of modules: each has the name of its row."""
    return {
        asset.name: function
        for family in families
        for asset in catalogue
        if getattr(function := vars(family).get(asset.name), "__module__", None) == family.__name__
    }


def described(asset: Asset, about: str | None) -> str:
    """An asset's description: what its table is, unless it is of one experiment; then what its function says of it."""
    paragraphs = [asset.table.comment] if asset.table and not asset.experiment else []
    return "\n\n".join([*paragraphs, *([inspect.cleandoc(about)] if about else [])])
