"""Contracts: what every table promises, checked for all of them at once."""

import re

import pytest

from umg_assets import tables
from umg_assets.tables import Kind, Table

EVERY = pytest.mark.parametrize("table", tables.ALL, ids=lambda table: table.name)
TYPES = {
    "string",
    "bigint",
    "int",
    "date",
    "timestamp",
    "boolean",
    "array<string>",
    "array<date>",
    "map<string,bigint>",
    "decimal(38,0)",
}


@EVERY
def test_each_column_has_a_name_a_type_and_a_comment_of_its_own(table: Table):
    assert table.comment.endswith(".")
    assert len(set(table.names)) == len(table.names)
    for column in table.columns:
        assert re.fullmatch(r"[a-z][a-z_]*", column.name)
        assert column.type in TYPES, column
        assert column.comment, column


@EVERY
def test_partition_columns_and_key_are_columns_and_no_partition_holds_a_double(table: Table):
    assert {*table.partitioned_by, *table.key, *table.pruned_by} <= set(table.names)
    assert not {column.type for column in table.columns} & {"double", "float"}


@pytest.mark.parametrize("kind", tables.KINDS)
def test_a_raw_table_names_its_required_columns_and_is_pruned_by_local_date_and_file(kind: Kind):
    table = tables.RAW[kind]
    pruned_by = [tables.OCCURRENCES[kind].date] if kind in tables.OCCURRENCES else []
    assert table.pruned_by == (*pruned_by, "source_file")
    assert {*tables.REQUIRED[kind], *table.pruned_by, "record"} <= set(table.filled)
    assert "user_id" not in table.names or "user_key" in table.filled


@EVERY
def test_names_end_as_their_types_say(table: Table):
    ends = {"_at": "timestamp", "_ms": "bigint", "_date": "date"}
    for column in table.columns:
        for end, kind in ends.items():
            if column.name.endswith(end) and not column.type.startswith(("array", "map")):
                assert column.type == kind, column
        if column.name.startswith("is_"):
            assert column.type == "boolean", column


@EVERY
def test_a_table_with_a_direct_identifier_is_personal_and_none_from_plays_on_is(table: Table):
    direct = {"user_id", "birth_date", "text"} & set(table.names)
    assert not direct or table.personal
    assert {table.sealed} - {None} == direct - {"birth_date"}
    if table not in (tables.DELIVERIES, *tables.RAW.values(), tables.QUARANTINE):
        assert not table.personal
        assert "user_id" not in table.names


def test_names_e_mail_and_ip_addresses_are_in_no_contract():
    for table in tables.ALL:
        assert not [name for name in table.names if re.search(r"mail|phone|(^|_)ip(_|$)|first_name|last_name", name)]


def test_a_type_asked_for_by_a_wrong_name_is_an_error():
    assert tables.PLAYS.type_of("played_ms") == "bigint"
    with pytest.raises(KeyError):
        tables.PLAYS.type_of("nothing")
