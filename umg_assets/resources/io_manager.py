"""The IO manager: an asset's inputs as lazy DataFrames of the partitions asked for, its output as slices written."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets.calendar import chart_key, parse_day, split_chart_keys
from umg_assets.catalogue import Catalogue
from umg_assets.graph import Asset, Partitioning
from umg_assets.planning.history import History, chunks
from umg_assets.resources.dagster_internals import report_in_order
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.previews import preview
from umg_assets.resources.slices import Slice
from umg_assets.resources.snapshots import Snapshots
from umg_assets.resources.watermarks import data_version, watermark_of


@dataclass(frozen=True)
class Chunks:
    """An output in several writes: days and the rows of those days, one after the other."""

    parts: Iterable[tuple[list[date], DataFrame]]

    @classmethod
    def of_days(
        cls, keys: Iterable[str], history: History, plays: int, rows: Callable[[list[date]], DataFrame]
    ) -> "Chunks":
        """The rows of so many of the days (partition keys) at a time as about `plays` raw plays make."""
        days = [parse_day(key) for key in keys]
        return cls((chunk, rows(chunk)) for chunk in chunks(history, days, plays))


class LakehouseIOManager(dg.IOManager):
    """Reads and writes the tables of the lakehouse; what it writes carries the watermark of what it was built from."""

    def __init__(self, catalogue: Catalogue, lakehouse: Lakehouse, snapshots: Snapshots, plots: bool) -> None:
        self._catalogue, self._lakehouse, self._snapshots, self._plots = catalogue, lakehouse, snapshots, plots

    def load_input(self, context: dg.InputContext) -> DataFrame:
        """The upstream table, pruned to the upstream partitions of the run's partitions.

        Tables are brought to their contracts before: an asset may read more than its inputs.
        """
        self._lakehouse.create_tables()
        self._snapshots.of(context)  # before any table is read
        asset = self._catalogue[context.asset_key.path[-1]]
        keys = list(context.asset_partition_keys) if context.has_asset_partitions else []
        assert asset.table is not None
        return self._lakehouse.read(asset.table, slice_of(asset, keys) if keys and asset.table.partitioned_by else None)

    def handle_output(self, context: dg.OutputContext, obj: DataFrame | Chunks) -> None:
        """Replaces the run's partitions by the rows; rows, Delta version, files, bytes, seconds and a preview
        go into the metadata."""
        self._lakehouse.create_tables()
        asset, step = self._catalogue[context.asset_key.path[-1]], context.step_context
        assert asset.table is not None
        keys = self._in_order(asset, context.asset_partition_keys)
        report_in_order(context, keys)
        commit = None
        for replaced, rows in _slices(asset, keys, obj):
            written = self._lakehouse.write_slice(asset.table, rows, replaced)
            commit = commit + written if commit else written
        assert commit is not None
        for values, count in commit.rows.items():
            step.add_asset_metadata(
                metadata={"dagster/partition_row_count": count}, asset_key=context.asset_key, partition_key=_key(values)
            )
        context.add_output_metadata(commit.metadata)
        shown = preview(self._lakehouse, asset.table, keys, self._plots)
        if shown:  # of the last partition alone: output metadata would go to each of a range
            step.add_asset_metadata(
                metadata={name: dg.MetadataValue.md(text) for name, text in shown.items()},
                asset_key=context.asset_key,
                partition_key=keys[-1],
            )
        watermark = watermark_of(step.instance, asset, keys, self._catalogue, self._snapshots.of(context))
        step.set_data_version(context.asset_key, data_version(watermark))


    def _in_order(self, asset: Asset, keys: Iterable[str]) -> list[str]:
        """By day or month, then by market from the last in umg.toml to the first.

        So the last, which an asset's page shows, is the newest month in the first market.
        """
        if asset.partitioning not in (Partitioning.MONTH_AND_MARKET, Partitioning.MARKET):
            return sorted(keys)
        markets = self._catalogue.markets

        def place(key: str) -> tuple[str, int]:
            market, _, month = key.partition("|")
            return month, -markets.index(market)

        return sorted(keys, key=place)


def slice_of(asset: Asset, keys: Iterable[str]) -> Slice:
    """The slice of an asset's table that partition keys name. ValueError for an asset whose slices keys cannot name."""
    assert asset.table is not None
    match asset.partitioning:
        case Partitioning.MONTH_AND_MARKET:
            markets, months = split_chart_keys(keys)
            return Slice.months_of_markets(months, markets)
        case Partitioning.MARKET:
            return Slice.markets(keys)
        case Partitioning.DAY | Partitioning.MONTH | Partitioning.DELIVERY_DAY:
            return Slice.days(asset.table.partitioned_by[0], map(parse_day, keys))
    raise ValueError(f"{asset.name}: partition keys of a {asset.partitioning.value} name no slice of its table")


def _slices(asset: Asset, keys: list[str], rows: DataFrame | Chunks) -> Iterator[tuple[Slice, DataFrame]]:
    """The slices to replace, each with its rows."""
    if isinstance(rows, Chunks):
        for days, of_days in rows.parts:
            yield slice_of(asset, [day.isoformat() for day in days]), of_days
    else:
        yield slice_of(asset, keys), rows


def _key(values: tuple[str, ...]) -> str:
    """The partition key of a partition's values in its table."""
    return values[0] if len(values) == 1 else chart_key(values[1], parse_day(values[0]))
