"""`umg export-user`: everything that is held of a person, and nothing of anybody else."""

import io
import json
import sys
from pathlib import Path

import pytest

from umg_assets.resources.reading import stored_columns
from umg_assets.tables import ALL
from umg_assets_tests.cli.conftest import Umg
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough

AT = "2026-03-02T10:00:00Z"


@pytest.fixture(scope="module")
def built(new_lake) -> Lake:
    """A lake with plays, spans and quarantined records of u1, and of others whose names hold its id."""
    lake = new_lake("people")
    lake.drop_users("2026-03-01", [("u1", "AT", "", "1990-05-04"), ("u11", "DE", "25-34", "")])
    plays = [("p1", "u1", "s1", "t1", AT, 90_000, "AT"), ("p2", "u11", "s2", "t1", AT, 90_000, "AT")]
    bad = [("p3", "u1", "s1", "t1", "soon", 1, "AT"), ("p4", "xu1", "s3", "t1", "soon", 1, "AT")]
    lake.drop_plays("2026-03-02", [*plays, *bad])
    lake.run()
    lake.home.chmod(0o700)
    return lake


@pytest.fixture
def exported(built: Lake, umg: Umg, monkeypatch: pytest.MonkeyPatch):
    """Types `umg export-user` with ids on standard input: the rows printed, and what is said beside them."""

    def call(*ids: str, arguments: tuple[str, ...] = ()) -> tuple[list[dict], str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{user_id}\n" for user_id in ids)))
        done = umg("export-user", *arguments, home=built.home)
        assert done.code == 0, done.err
        return [json.loads(line) for line in done.out.splitlines()], done.err

    return call


def test_every_row_of_every_table_that_knows_the_person_is_printed_and_no_other(built: Lake, exported):
    rows, said = exported("u1")
    assert said == ""
    assert {row["user_id"] for row in rows} == {"u1"}
    keys = {row["user_key"] for row in rows if "user_key" in row}
    assert len(keys) == 1
    for table in ALL:
        if not (built.home / "tables" / table.name).exists():
            continue
        if "user_key" in stored_columns(built.home, table):
            held = [row for row in built.rows(table.name) if row["user_key"] in keys]
            assert len([row for row in rows if row["table"] == table.name]) == len(held), table.name
    assert {"raw_plays", "raw_users", "plays", "sessions", "users"} <= {row["table"] for row in rows}
    (born,) = {row["birth_date"] for row in rows if row["table"] == "raw_users"}
    assert born == "1990-05-04"


def test_a_quarantined_record_that_names_the_person_is_printed_and_a_longer_id_is_another_persons(exported):
    rows, _ = exported("u1")
    (quarantined,) = [row for row in rows if row["table"] == "quarantine"]
    assert json.loads(quarantined["text"])["play_id"] == "p3"


def test_several_people_come_one_after_another_and_nothing_held_is_said(exported, tmp_path: Path):
    rows, said = exported("u11", "nobody", "u1", "u11", "")
    assert list(dict.fromkeys(row["user_id"] for row in rows)) == ["u11", "u1"]
    assert said == "nothing is held of nobody\n"
    file = tmp_path / "ids"
    file.write_text("u11\nnobody\nu1\n")
    assert exported(arguments=("--from", str(file)))[0] == rows


def test_no_id_and_no_key_are_errors(built: Lake, umg: Umg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    assert umg("export-user", home=built.home).err == "umg: standard input: expected user ids, one a line, got none\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("u1\n"))
    done = umg("export-user", home=tmp_path / "empty")
    assert done.code == 1
    assert "user_key is missing" in done.err
