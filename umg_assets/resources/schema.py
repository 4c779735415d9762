"""A contract as a Delta table, and its two automatic migrations: columns added at the end, bounds for pruning.

Properties of a table, too.
"""

from collections.abc import Iterator, Mapping

import deltalake
from deltalake.schema import ArrayType, Field, MapType, PrimitiveType
from deltalake.schema import Schema as DeltaSchema

from umg_assets.resources.delta_log import is_table, newest_version, open_table, open_to_change
from umg_assets.resources.table_location import Location
from umg_assets.tables import Table

CHECKPOINT_COMMITS = 10
"""A table's log has a checkpoint after so many commits: delta-rs opens the file of every later commit at once. It would
write one after 100; both engines have this number by default."""
_PRIMITIVES = {"bigint": "long", "int": "integer"}


class ContractError(RuntimeError):
    """A table differs from its contract by more than columns that the contract has gained at its end."""


def delta_schema(table: Table) -> DeltaSchema:
    """The contract's columns, nullable, with their comments."""
    return DeltaSchema(
        [
            Field(column.name, _delta_type(column.type), nullable=True, metadata={"comment": column.comment})
            for column in table.columns
        ]
    )


def statistics_properties(table: Table) -> dict[str, str]:
    """The Delta properties by which writers keep bounds of table.pruned_by and of no other column.

    Every file's statistics are in the log, which each read of the table begins with.
    """
    if table.pruned_by:
        return {"delta.dataSkippingStatsColumns": ",".join(table.pruned_by)}
    return {"delta.dataSkippingNumIndexedCols": "0"}


def _properties(table: Table) -> dict[str, str]:
    return {**statistics_properties(table), "delta.checkpointInterval": str(CHECKPOINT_COMMITS)}


def create_table(location: Location, table: Table, properties: Mapping[str, str] | None = None) -> None:
    """Creates an empty table at a location by its contract, with these properties, too, unless one is there.

    What a killed creation left there is removed. Raises TableDamagedError where a table has lost its log.
    """
    if is_table(location):
        return
    location.clear(table.personal)
    deltalake.DeltaTable.create(
        location.address,
        schema=delta_schema(table),
        partition_by=list(table.partitioned_by),
        name=table.name,
        description=table.comment,
        configuration={**_properties(table), **(properties or {})},
        mode="ignore",
        raise_if_key_not_exists=False,
    )


def migrate_table(location: Location, table: Table) -> None:
    """Brings the table at a location up to its contract without reading or writing data; commits nothing if it is.

    Columns that the contract has gained at its end are added: rows that are there hold NULL in them. Where the
    contract prunes by other columns than the table does, files written from now on carry those bounds; older files
    carry what they did, and are not pruned. How often the log has a checkpoint is set, too. Comments may differ: the
    table keeps its own.
    Raises ContractError, and leaves the table as it was, for any other difference: another type, a column gone or
    moved, a new one that may hold no NULL.
    """
    stored = open_table(location)
    fields, wanted = stored.schema().fields, delta_schema(table).fields
    if faults := [*_faults(table, fields, wanted)]:
        raise ContractError(
            f"{table.name}: expected the columns of its contract at {location}, got others: {'; '.join(faults)}. Only "
            "a column that a contract gains at its end is added by itself: go back to the version that wrote the "
            "table, or migrate it as the release's notes say"
        )
    if new := wanted[len(fields) :]:
        open_to_change(location).alter.add_columns(new)
    properties, configured = _properties(table), stored.metadata().configuration
    if any(configured.get(name) != value for name, value in properties.items()):
        open_to_change(location).alter.set_table_properties(properties)


def table_property(location: Location, name: str) -> str | None:
    """A property of the Delta table at a location, from its log; None where there is no such property, or no table."""
    newest = newest_version(location)
    if newest < 0 and not is_table(location):
        return None
    return open_table(location, newest).metadata().configuration.get(name)


def set_table_property(location: Location, name: str, value: str) -> None:
    """Sets a property of our own, which both engines keep and take no notice of. Reads and writes no data."""
    open_to_change(location).alter.set_table_properties({name: value}, raise_if_not_exists=False)


def _faults(table: Table, fields: list[Field], wanted: list[Field]) -> Iterator[str]:
    stored, contract = ({field.name: field.type for field in columns} for columns in (fields, wanted))
    for name, type_ in stored.items():
        if name not in contract:
            yield f"{name} is not in the contract"
        elif type_ != contract[name]:
            yield f"{name} is of another type than {table.type_of(name)}"
    new = [name for name in contract if name not in stored]
    if list(contract) != [*(name for name in stored if name in contract), *new]:
        yield "they stand in another order"
    for name in new:
        if name in table.not_null:
            yield f"{name} is new and may hold no NULL"


def _delta_type(sql: str) -> PrimitiveType | ArrayType | MapType:
    if sql.startswith("array<"):
        return ArrayType(_delta_type(sql[6:-1]), contains_null=True)
    if sql.startswith("map<"):
        key, value = sql[4:-1].split(",", 1)
        return MapType(_delta_type(key), _delta_type(value), value_contains_null=True)
    return PrimitiveType(_PRIMITIVES.get(sql, sql))
