"""Tables moved into a bucket and out of it: every row comes along, nothing stays behind, whenever the move ends."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from umg_assets import open_lake, tables
from umg_assets.backup.moving import Moved, MoveError, move_tables
from umg_assets.cli.forget import forget
from umg_assets.cli.run import lakehouse_of
from umg_assets.privacy.requests import Requests
from umg_assets.resources.delta_log import commit_file
from umg_assets.resources.interop import published_file
from umg_assets.resources.locations import LocationError, fetched_files, location_of, settle
from umg_assets.resources.table_location import Folder, Prefix
from umg_assets_tests.bucket_server import BucketServer
from umg_assets_tests.buckets.conftest import Bucket
from umg_assets_tests.buckets.test_tables import all_rows, built, deliver, deliver_late, on_disk, wait_for
from umg_assets_tests.cli.conftest import type_umg
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import own_environment

pytestmark = [pytest.mark.sail_enough, pytest.mark.exhaustive]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lakehouse on a disk, in which files have landed."""
    lake = on_disk(tmp_path / "home")
    deliver(lake)
    lake.run()
    return lake


def say(_: str) -> None:
    """Nothing."""


def moved_to(lake: Lake, address: str | None) -> Moved:
    lake.configure(f'[places]\ntables = "{address}"\n' if address else "")
    return move_tables(lake.home, lake.settings.places.tables, say)


def in_folder(lake: Lake) -> set[str]:
    return {path.name for path in (lake.home / "tables").iterdir() if not path.name.startswith(".")}


def test_every_row_moves_into_a_bucket_into_another_and_back_and_later_files_give_the_rows_of_a_lakehouse_that_stayed(
    lake: Lake, bucket: Bucket, tmp_path: Path
):
    rows, there = all_rows(lake), in_folder(lake)
    first, second = f"{bucket.address}/first", f"{bucket.address}/second"
    assert moved_to(lake, first).tables == len(tables.ALL)
    assert all_rows(lake) == rows
    assert in_folder(lake) == {"location.json"}
    assert lake.run().runs == 0, "what was built counts as built"
    with open_lake(lake.home) as opened:
        assert opened.top_tracks("AT").fetchall(), "the published set is found where its tables lie now"
    with duckdb.connect(published_file(lake.home), read_only=True) as views:
        (statement,) = views.execute(
            "select sql from duckdb_views() where view_name = 'top_tracks_by_country'"
        ).fetchall()
    assert f"{first}/top_tracks_by_country" in statement[0]
    moved_to(lake, second)
    assert all_rows(lake) == rows
    assert {key.partition("/")[0] for key in bucket.keys} == {"second"}
    moved_to(lake, None)
    assert all_rows(lake) == rows
    assert in_folder(lake) == there
    assert bucket.keys == []
    assert move_tables(lake.home, None, say) == Moved(), "they are there"
    moved_to(lake, first)
    stayed = on_disk(tmp_path / "stayed")
    shutil.copytree(lake.home / "keys", stayed.home / "keys")
    deliver(stayed)
    stayed.run()
    for home in (lake, stayed):
        deliver_late(home)
        home.run()
    assert built(stayed) == built(lake)


def test_a_move_that_is_killed_leaves_the_tables_in_use_and_the_next_one_ends_it(
    lake: Lake, bucket: Bucket, server: BucketServer
):
    rows, target = all_rows(lake), f"{bucket.address}/lake"
    lake.configure(f'[places]\ntables = "{target}"\n')
    for table in (tables.ALL[2], tables.ALL[-2]):
        moving = subprocess.Popen(
            [sys.executable, "-m", "umg_assets", "move-tables"],
            env={**own_environment(), **server.environment(), "UMG_HOME": str(lake.home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        wait_for(lambda table=table: any(Prefix(f"{target}/{table.name}").files()), moving)
        os.killpg(moving.pid, signal.SIGKILL)
        assert moving.wait() == -signal.SIGKILL, moving.communicate()[0]
        lake.configure()
        assert all_rows(lake) == rows, "they lie where they lay"
        lake.run()
        lake.configure(f'[places]\ntables = "{target}"\n')
    deliver_late(lake)  # what has been copied grows old
    lake.configure()
    lake.run()
    rows = all_rows(lake)
    moved_to(lake, target)
    assert all_rows(lake) == rows
    assert in_folder(lake) == {"location.json"}


def test_nothing_else_writes_before_all_files_at_the_old_place_are_gone(
    lake: Lake, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    rows, discard = all_rows(lake), Folder.discard

    def die(folder: Folder) -> None:
        if folder.name == "sessions":
            raise OSError("killed")
        discard(folder)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "discard", die)
        with pytest.raises(OSError, match="killed"):
            moved_to(lake, f"{bucket.address}/lake")
    assert "sessions" in in_folder(lake)
    (tmp_path / "ids").write_text("user-one\n")
    who = ["--from", str(tmp_path / "ids")]
    for command in (["run"], ["doctor"], ["forget", "--now", *who], ["expire"], ["accept", "x"], ["keys", "rotate"]):
        typed = type_umg(tmp_path, *command, home=lake.home)
        assert "type `umg move-tables`, which removes them" in " ".join((typed.out + typed.err).split()), typed
    with pytest.raises(LocationError, match="are still there"):
        lakehouse_of(lake.settings).create_tables()
    typed = type_umg(tmp_path, "move-tables", home=lake.home)
    assert (typed.code, in_folder(lake)) == (0, {"location.json"}), typed.err
    assert all_rows(lake) == rows
    assert type_umg(tmp_path, "run", home=lake.home).code == 0


def test_a_place_that_holds_another_lakehouses_tables_or_other_files_is_refused_or_cleared(
    lake: Lake, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settle(tmp_path / "other", f"{bucket.address}/taken")
    with pytest.raises(LocationError, match="another lakehouse has its tables there"):
        moved_to(lake, f"{bucket.address}/taken")
    rows = all_rows(lake)
    put = Prefix.put

    def lose(location: Prefix, path: str, file: Path) -> None:
        if location.name != "sessions" or path.startswith("_delta_log"):
            put(location, path, file)

    with monkeypatch.context() as patch:
        patch.setattr(Prefix, "put", lose)
        with pytest.raises(MoveError, match="sessions: expected the same files"):
            moved_to(lake, f"{bucket.address}/lake")
    assert isinstance(location_of(lake.home, tables.SESSIONS), Folder)
    bucket.put("lake/sessions/session_date=2026-03-01/stranger.parquet", b"of nobody")
    commit = f"lake/plays/{commit_file(lake.version('plays'))}"
    bucket.put(commit, b" " * len(bucket.get(commit)))  # of another time, and by chance as long
    moved_to(lake, f"{bucket.address}/lake")
    assert all_rows(lake) == rows
    assert "lake/sessions/session_date=2026-03-01/stranger.parquet" not in bucket.keys


@pytest.mark.parametrize(
    ("lain", "wanted"),
    [("lake", "%6cake"), ("lake", "lake/plays"), ("lake/sessions", "lake")],
    ids=["the same by another name", "within a table", "around a table"],
)
def test_a_place_that_shares_files_with_the_tables_is_refused_and_nothing_is_removed(
    lake: Lake, bucket: Bucket, lain: str, wanted: str
):
    rows = all_rows(lake)
    moved_to(lake, f"{bucket.address}/{lain}")
    keys = bucket.keys
    with pytest.raises(LocationError, match="expected a place apart from"):
        move_tables(lake.home, f"{bucket.address}/{wanted}", say)
    assert bucket.keys == keys
    assert all_rows(lake) == rows


def test_a_table_whose_files_are_missing_is_not_moved(lake: Lake, bucket: Bucket):
    next((lake.home / "tables" / "plays").rglob("*.parquet")).unlink()
    there = in_folder(lake)
    with pytest.raises(MoveError, match="expected every file that the table's log names, 1 file of them missing"):
        moved_to(lake, f"{bucket.address}/lake")
    assert in_folder(lake) == there | {"location.json"}


@pytest.mark.parametrize("undone_by", ["forgetting", "typing it again"])
def test_copies_of_a_move_that_was_given_up_are_searched_and_removed(
    lake: Lake, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undone_by: str
):
    rows, put = all_rows(lake), Prefix.put

    def die(location: Prefix, path: str, file: Path) -> None:
        if location.name == "sessions":
            raise OSError("killed")
        put(location, path, file)

    with monkeypatch.context() as patch:
        patch.setattr(Prefix, "put", die)
        with pytest.raises(OSError, match="killed"):
            moved_to(lake, f"{bucket.address}/lake")
    lake.configure()
    assert any("/plays/" in key for key in bucket.keys)
    assert {f"{bucket.address}/{key}" for key in bucket.keys} == {name for name, _ in fetched_files(lake.home)}
    if undone_by == "forgetting":
        Requests(lake.home).add(["user-one"])
        assert forget(lake.home) == 0
    else:
        typed = type_umg(tmp_path, "move-tables", home=lake.home)
        assert (typed.code, "a move that was broken off" in typed.err) == (0, True), typed
        assert all_rows(lake) == rows
    assert bucket.keys == []
    lake.run()


def test_umg_toml_that_names_another_place_says_what_to_type_and_that_moves_them(
    lake: Lake, bucket: Bucket, tmp_path: Path
):
    lake.configure(f'[places]\ntables = "{bucket.address}/lake"\n')
    refused = type_umg(tmp_path, "run", home=lake.home)
    assert (refused.code, "or type `umg move-tables`, which moves them there" in refused.err) == (1, True), refused.err
    typed = type_umg(tmp_path, "move-tables", home=lake.home)
    assert typed.code == 0, typed.err
    assert f"they lie in {bucket.address}/lake now" in typed.out
    again = type_umg(tmp_path, "move-tables", home=lake.home)
    assert f"The tables lie in {bucket.address}/lake, as umg.toml says." in again.out
    assert "Nothing is new" in type_umg(tmp_path, "run", home=lake.home).out
