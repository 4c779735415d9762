"""A contract as a Delta schema, and the one migration that needs no hand: columns added at a contract's end."""

from collections.abc import Iterator
from pathlib import Path

import deltalake
from deltalake.schema import ArrayType, Field, MapType, PrimitiveType
from deltalake.schema import Schema as DeltaSchema

from umg_assets.tables import Table

_PRIMITIVES = {"bigint": "long", "int": "integer"}


class ContractError(RuntimeError):
    """A table is not as its contract says, and no column added at its end would make it so."""


def delta_schema(table: Table) -> DeltaSchema:
    """The contract's columns, nullable, with their comments."""
    return DeltaSchema(
        [
            Field(column.name, _delta_type(column.type), nullable=True, metadata={"comment": column.comment})
            for column in table.columns
        ]
    )


def add_new_columns(path: Path, table: Table) -> None:
    """Adds what the contract has gained at its end to the table at `path`, in one commit; its rows hold NULL there.

    No data is read or written, and nothing is committed where nothing is new. Raises ContractError, and leaves the
    table as it was, for any other difference: another type, a column gone or moved, one that may hold no NULL.
    """
    stored = deltalake.DeltaTable(path)
    here, wanted = stored.schema().fields, delta_schema(table).fields
    if faults := [*_faults(table, here, wanted)]:
        raise ContractError(
            f"{table.name}: expected the columns of its contract at {path}, got others: {'; '.join(faults)}. Only a "
            "column that a contract gains at its end is added by itself: go back to the version that wrote the table, "
            "or migrate it as the release's notes say"
        )
    if new := wanted[len(here) :]:
        stored.alter.add_columns(new)


def _faults(table: Table, here: list[Field], wanted: list[Field]) -> Iterator[str]:
    stored, contract = ({field.name: field.type for field in fields} for fields in (here, wanted))
    for name, kind in stored.items():
        if name not in contract:
            yield f"{name} is not in the contract"
        elif kind != contract[name]:
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
