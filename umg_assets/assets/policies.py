"""What holds for every asset, mapped over the specs in one place: owners, kinds, freshness, tags, contract, code."""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from umg_assets import tables
from umg_assets.catalogue import Catalogue
from umg_assets.settings.groups import Freshness
from umg_assets.settings.model import Settings
from umg_assets.tables import Table

PERSONAL = "umg/personal_data"
"""The tag that says what an asset knows of people: user_id, user_key (a keyed hash) or none."""

_WITHOUT_ENGINE = (tables.DELIVERIES, tables.READOUTS)
"""Tables that delta-rs writes."""


def with_policies(
    assets: Sequence[dg.AssetsDefinition], catalogue: Catalogue, settings: Settings
) -> list[dg.AssetsDefinition]:
    """The assets with what Dagster's UI shows of each: owners, kinds, how fresh it has to be, what it knows of people,
    its columns with their comments, and where its code stands. No table is read."""
    mapped = [asset.map_asset_specs(lambda spec: _with_policies(spec, catalogue, settings)) for asset in assets]
    referenced = dg.with_source_code_references(mapped)
    return [asset for asset in referenced if isinstance(asset, dg.AssetsDefinition)]


def _with_policies(spec: dg.AssetSpec, catalogue: Catalogue, settings: Settings) -> dg.AssetSpec:
    table = catalogue[spec.key.path[-1]].table
    by_engine = {"pyspark", settings.engine} if table and table not in _WITHOUT_ENGINE else set()
    return spec.replace_attributes(
        owners=settings.owners,
        kinds=spec.kinds | by_engine,
        freshness_policy=_freshness(spec.group_name, settings.freshness),
        tags={**spec.tags, PERSONAL: _personal(table)} if table else dict(spec.tags),
        metadata={**spec.metadata, **({"dagster/column_schema": _column_schema(table)} if table else {})},
    )


def _freshness(group: str | None, limits: Freshness) -> dg.FreshnessPolicy | None:
    """Users and tracks have none: they are written when some are delivered."""
    hours = {
        "raw": limits.raw_hours,
        "plays": limits.plays_hours,
        "charts": limits.charts_hours,
        "exports": limits.charts_hours,
    }
    return dg.FreshnessPolicy.time_window(timedelta(hours=hours[group])) if group in hours else None


def _personal(table: Table) -> str:
    if table.personal:
        return "user_id"
    return "user_key" if "user_key" in table.names else "none"


def _column_schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                column.type,
                column.comment,
                dg.TableColumnConstraints(nullable=column.name not in table.not_null),
            )
            for column in table.columns
        ],
        dg.TableConstraints([f"unique: {', '.join(table.unique)}"] if table.unique else []),
    )
