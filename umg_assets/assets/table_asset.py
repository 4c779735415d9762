"""What every asset over one table has in common, in one place."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from umg_assets.tables import Table

KINDS = {"delta"}


def described(table: Table, about: str | None) -> str:
    """An asset's description: what the table is, then what its module says of it (`about`: the module's docstring)."""
    return f"{table.comment}\n\n{about}"


def table_asset(
    table: Table,
    group: str,
    about: str | None,
    partitions_def: dg.PartitionsDefinition | None = None,
    ins: Mapping[str, dg.AssetIn] | None = None,
    deps: Sequence[str | dg.AssetDep] | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Makes a function the asset of a table: one writing run at a time, any range of its partitions in one run.

    group, about: where Dagster's UI shows it, and the docstring of its module. The others are dg.asset's.
    """
    return dg.asset(
        name=table.name,
        description=described(table, about),
        group_name=group,
        kinds=KINDS,
        pool=table.name,
        partitions_def=partitions_def,
        backfill_policy=dg.BackfillPolicy.single_run() if partitions_def else None,
        ins=ins,
        deps=deps,
    )
