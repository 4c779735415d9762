"""The IO manager: an asset's inputs as lazy DataFrames of the partitions asked for, its output as slices written."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets.calendar import chart_key, parse_day, split_chart_keys
from umg_assets.catalogue import Catalogue
from umg_assets.graph import Asset, Partitioning
from umg_assets.planning.frozen import refuse_to_lose
from umg_assets.planning.history import History, chunks
from umg_assets.planning.left_out import left_out
from umg_assets.planning.required import keys_read, required_watermarks
from umg_assets.resources.dagster_internals import report_in_order
from umg_assets.resources.delta_log import is_table
from umg_assets.resources.instance import not_of, report_materializations
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.partition_keys import named_keys
from umg_assets.resources.previews import preview
from umg_assets.resources.slices import Slice
from umg_assets.resources.snapshots import Snapshots
from umg_assets.resources.watermarks import data_version, not_built, read_watermarks
from umg_assets.tables import Table


@dataclass(frozen=True)
class Chunks:
    """An output in several writes: days and the rows of those days, one after the other."""

    parts: Iterable[tuple[list[date], DataFrame]]

    @classmethod
    def of_days(
        cls,
        keys: Iterable[str],
        history: History,
        plays: int,
        rows: Callable[[list[date]], DataFrame],
        unbroken: bool = False,
    ) -> "Chunks":
        """The rows of so many of the days (partition keys) at a time as about `plays` raw plays make.

        unbroken: of days without a gap at a time.
        """
        days = [parse_day(key) for key in keys]
        return cls((chunk, rows(chunk)) for chunk in chunks(history, days, plays, unbroken))


class NoTableError(LookupError):
    """An asset has no table in this lakehouse; the message says what to do."""


class LakehouseIOManager(dg.IOManager):
    """Reads and writes the tables of the lakehouse; what it writes carries the watermark of what it was built from."""

    def __init__(self, catalogue: Catalogue, lakehouse: Lakehouse, snapshots: Snapshots, plots: bool) -> None:
        self._catalogue, self._lakehouse, self._snapshots, self._plots = catalogue, lakehouse, snapshots, plots

    def load_input(self, context: dg.InputContext) -> DataFrame:
        """The upstream table, pruned to the upstream partitions of the run's partitions; in a notebook, to those named.

        In a run, tables are brought to their contracts before: an asset may read more than its inputs.
        Raises NoTableError for an asset without a table, and in a notebook for a table that is not there yet.
        """
        asset = self._catalogue_row(context.asset_key)
        table = _table_of(asset)
        if _is_of_a_run(context):
            self._lakehouse.create_tables()
            self._snapshots.of(context)  # before any table is read
        elif not is_table(self._lakehouse.location(table)):
            raise NoTableError(
                f"{self._lakehouse.location(table)}: expected a table, found none: `umg run` makes it (UMG_HOME is "
                f"{self._lakehouse.home})"
            )
        keys = self._keys_to_read(context) if context.has_asset_partitions else []
        # a notebook may live for long: copies on its disk would outlive what is forgotten
        read = self._lakehouse.read_now if _is_of_a_run(context) else self._lakehouse.read
        return read(table, slice_of(asset, keys) if keys and table.partitioned_by else None)

    def handle_output(self, context: dg.OutputContext, obj: DataFrame | Chunks) -> None:
        """Replaces the run's partitions by the rows; their number, the commit and a preview go into the metadata.

        Raises NoTableError for an asset that is not the catalogue's.
        """
        asset, step = self._catalogue_row(context.asset_key), context.step_context
        table = _table_of(asset)
        if elsewhere := not_of(self._lakehouse.home, step.instance):
            context.log.warning(elsewhere)
        self._lakehouse.create_tables()
        keys = self._in_order(asset, named_keys(step.run_tags, asset.name) or context.asset_partition_keys)
        report_in_order(context, keys)
        self._empty_left_out(context, asset)
        commit = None
        for replaced, rows in _slices(asset, keys, obj):
            written = self._lakehouse.write_slice(table, rows, replaced)
            commit = commit + written if commit else written
        assert commit is not None
        for values, count in commit.rows.items():
            step.add_asset_metadata(
                metadata={"dagster/partition_row_count": count}, asset_key=context.asset_key, partition_key=_key(values)
            )
        context.add_output_metadata(commit.metadata)
        shown = preview(self._lakehouse, table, keys, self._plots)
        if shown:  # of the last partition alone: output metadata would go to each of a range
            step.add_asset_metadata(
                metadata={name: dg.MetadataValue.md(text) for name, text in shown.items()},
                asset_key=context.asset_key,
                partition_key=keys[-1],
            )
        watermark = self._snapshots.watermark_of(context, asset.name, keys)
        step.set_data_version(context.asset_key, data_version(watermark))

    def _empty_left_out(self, context: dg.OutputContext, asset: Asset) -> None:
        """Empties the partitions that umg.toml has left out, and notes that they are not built.

        Raises FrozenDaysError when some could not be built again.
        """
        instance, (history, today, _) = context.step_context.instance, self._snapshots.of(context)
        keys = left_out(asset, read_watermarks(instance, [asset])[asset.name], self._catalogue, today)
        if not keys:
            return
        refuse_to_lose(asset, keys, history, self._catalogue)
        table = _table_of(asset)
        for emptied in _slices_of(asset, keys):
            self._lakehouse.write_slice(table, self._lakehouse.read(table, emptied).limit(0), emptied)
        report_materializations(instance, not_built(asset, keys))

    def _keys_to_read(self, context: dg.InputContext) -> list[str]:
        """The partitions of an input that those which a run builds are made of."""
        if _is_of_a_run(context) and context.step_context.op_def.name in self._catalogue:
            reader, snapshot = self._catalogue[context.step_context.op_def.name], self._snapshots.of(context)
            if named := named_keys(context.step_context.run_tags, reader.name):
                required = required_watermarks(snapshot.history, self._catalogue, snapshot.today)
                return keys_read(reader, named, self._catalogue, required)[context.asset_key.path[-1]]
        return list(context.asset_partition_keys)

    def _catalogue_row(self, key: dg.AssetKey) -> Asset:
        if (name := key.path[-1]) not in self._catalogue:
            raise NoTableError(
                f"{key.to_user_string()}: expected an asset of umg_assets, whose IO manager writes tables by their "
                "contracts alone: give yours an IO manager of its own (io_manager_key=..., docs/own_assets.md), or add "
                "its row to the catalogue (docs/design.md)"
            )
        return self._catalogue[name]

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


def _is_of_a_run(context: dg.InputContext) -> bool:
    """Whether a run's step reads, and not `load_asset_value` in a notebook."""
    try:
        return context.step_context is not None
    except dg.DagsterInvariantViolationError:
        return False


def _table_of(asset: Asset) -> Table:
    if asset.table is None:
        raise NoTableError(
            f"{asset.name}: expected an asset with a table, this one is files: see its page for the path"
        )
    return asset.table


def slice_of(asset: Asset, keys: Iterable[str]) -> Slice:
    """The slice of an asset's table that partition keys name. ValueError for an asset whose slices keys cannot name."""
    table = _table_of(asset)
    match asset.partitioning:
        case Partitioning.MONTH_AND_MARKET:
            markets, months = split_chart_keys(keys)
            return Slice.months_of_markets(months, markets)
        case Partitioning.MARKET:
            return Slice.markets(keys)
        case Partitioning.DAY | Partitioning.MONTH | Partitioning.DELIVERY_DAY:
            return Slice.days(table.partitioned_by[0], map(parse_day, keys))
        case Partitioning.EXPERIMENT_DAY if asset.experiment:
            return Slice.days_of(asset.experiment[0], map(parse_day, keys))
    raise ValueError(f"{asset.name}: partition keys of a {asset.partitioning.value} name no slice of its table")


def _slices_of(asset: Asset, keys: Iterable[str]) -> Iterator[Slice]:
    """Slices of these partitions and of no others: of months and markets, a slice a market."""
    by_market: dict[str, list[str]] = {}
    for key in keys:
        by_market.setdefault(key.rpartition("|")[0], []).append(key)
    for of_market in by_market.values():
        yield slice_of(asset, of_market)


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
