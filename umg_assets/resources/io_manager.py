"""The IO manager: an asset's inputs as lazy DataFrames of the partitions asked for, its output as slices written."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets import tables
from umg_assets.partitions import chart_key, local_today, split_chart_keys
from umg_assets.planning import WHOLE, Scope, Stamp, built_from, chunks, needed
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import History, Ledger
from umg_assets.resources.previewing import preview
from umg_assets.resources.slices import Slice
from umg_assets.resources.stamps import data_version, read_stamps
from umg_assets.settings import Settings
from umg_assets.tables import Table


@dataclass(frozen=True)
class Chunks:
    """An output in several writes: days and the rows of those days, one after the other.

    history: the ledger as it was read for them; what an asset without an input is stamped with.
    """

    parts: Iterable[tuple[list[date], DataFrame]]
    history: History | None = None

    @classmethod
    def of_days(
        cls, keys: Iterable[str], history: History, plays: int, rows: Callable[[list[date]], DataFrame]
    ) -> "Chunks":
        """The rows of so many of the days (partition keys) at a time as about `plays` raw plays make."""
        days = [date.fromisoformat(key) for key in keys]
        return cls(((chunk, rows(chunk)) for chunk in chunks(history, days, plays)), history)


class LakehouseIOManager(dg.IOManager):
    """Reads and writes the tables of the lakehouse; stamps what it writes with what it was made of."""

    def __init__(self, settings: Settings, lakehouse: Lakehouse, ledger: Ledger) -> None:
        self._settings, self._lakehouse, self._ledger = settings, lakehouse, ledger
        self._reads: dict[tuple[str, str], tuple[History, date, dict[str, list[str]]]] = {}

    def load_input(self, context: dg.InputContext) -> DataFrame:
        """The upstream table, pruned to the upstream partitions of the run's partitions.

        Tables are made to fit their contracts before: an asset may read more than its inputs.
        """
        self._lakehouse.create_tables()
        table = tables.BY_NAME[context.asset_key.path[-1]]
        keys = list(context.asset_partition_keys) if context.has_asset_partitions else []
        run = (context.step_context.run_id, context.step_context.step.key)
        if run not in self._reads:
            self._reads[run] = (self._ledger.read(), local_today(self._settings.time_zone), {})
        *_, reads = self._reads[run]
        reads[table.name] = keys or [WHOLE]
        return self._lakehouse.read(table, slice_of(table, keys) if keys and table.partitioned_by else None)

    def handle_output(self, context: dg.OutputContext, obj: DataFrame | Chunks) -> None:
        """Replaces the run's partitions by the rows; rows, Delta version, files, bytes, seconds and a preview
        go into the metadata."""
        self._lakehouse.create_tables()
        table = tables.BY_NAME[context.asset_key.path[-1]]
        # Dagster gives those of two dimensions in no order of their own
        keys = sorted(context.asset_partition_keys)
        commit = None
        for replaced, rows in self._parts(table, keys, obj):
            written = self._lakehouse.write_slice(table, rows, replaced)
            commit = commit + written if commit else written
        assert commit is not None
        step = context.step_context
        for values, count in commit.rows.items():
            step.add_asset_metadata(
                metadata={"dagster/partition_row_count": count}, asset_key=context.asset_key, partition_key=_key(values)
            )
        context.add_output_metadata(commit.metadata)
        shown = preview(self._lakehouse, table, keys)
        if shown:  # of the last partition alone: output metadata would go to each of a range
            step.add_asset_metadata(
                metadata={name: dg.MetadataValue.md(text) for name, text in shown.items()},
                asset_key=context.asset_key,
                partition_key=keys[-1],
            )
        step.set_data_version(context.asset_key, data_version(self._stamp(context, obj)))

    def _parts(self, table: Table, keys: list[str], obj: DataFrame | Chunks) -> Iterator[tuple[Slice, DataFrame]]:
        if isinstance(obj, Chunks):
            for days, rows in obj.parts:
                yield Slice.days(table.partitioned_by[0], days), rows
        else:
            yield slice_of(table, keys), obj

    def _stamp(self, context: dg.OutputContext, obj: DataFrame | Chunks) -> Stamp:
        step = context.step_context
        run = (step.run_id, step.step.key)
        if run not in self._reads and isinstance(obj, Chunks) and obj.history is not None:
            self._reads[run] = (obj.history, local_today(self._settings.time_zone), {})
        history, today, reads = self._reads.pop(run)
        scope = Scope.of(self._settings)
        need = needed(history, scope, today)
        upstream = [name for name in reads if name in scope.planned]
        stamps = read_stamps(step.instance, tuple(upstream))
        return built_from(upstream, reads, need, stamps, Stamp(history.sequence, today))


def slice_of(table: Table, keys: Iterable[str]) -> Slice:
    """The slice of a table that partition keys name."""
    if table.partitioned_by == ("month", "country"):
        markets, months = split_chart_keys(keys)
        return Slice.months_of_markets(months, markets)
    if table.partitioned_by == ("country",):
        return Slice.markets(keys)
    return Slice.days(table.partitioned_by[0], (date.fromisoformat(key) for key in keys))


def _key(values: tuple[str, ...]) -> str:
    return values[0] if len(values) == 1 else chart_key(values[1], date.fromisoformat(values[0]))
