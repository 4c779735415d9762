"""Tables in a bucket: every row is what it is on a disk, whoever writes, whatever the store does."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from umg_assets import open_lake, tables
from umg_assets.cli.forget import forget
from umg_assets.cli.run import lakehouse_of
from umg_assets.object_store import StoreError
from umg_assets.privacy.requests import Requests
from umg_assets.resources.copies import Copies
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.locations import LocationError, location_of, settle
from umg_assets.resources.table_files import File
from umg_assets.resources.table_location import Folder, Prefix
from umg_assets.settings.model import SettingsError, read_settings
from umg_assets_tests.bucket_server import BucketServer, refusing
from umg_assets_tests.buckets.conftest import Bucket
from umg_assets_tests.cli.conftest import type_umg
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import own_environment, run_python

pytestmark = [pytest.mark.sail_enough, pytest.mark.exhaustive]

DELIVERIES = {"recorded_at", "signature"}
"""Columns of the ledger that tell when, and of which file of this disk."""


def on_disk(home: Path) -> Lake:
    """A lakehouse on a disk, with its key."""
    lake = Lake(home, on_disk=True)
    lake.configure()
    return lake


def in_bucket(bucket: Bucket, like: Lake, home: Path) -> Lake:
    """A lakehouse with its tables in a bucket, with the keys and the files of another."""
    lake = Lake(home, on_disk=True)
    lake.configure(f'[places]\ntables = "{bucket.address}/lake"\n')
    shutil.copytree(like.home / "landing", home / "landing", dirs_exist_ok=True)
    if (like.home / "keys").exists():
        shutil.copytree(like.home / "keys", home / "keys")
    return lake


def landed_in(bucket: Bucket, folder: Path) -> Lake:
    """A new lakehouse with its tables in a bucket, in which files have landed."""
    like = on_disk(folder / "like")
    deliver(like)
    lake = in_bucket(bucket, like, folder / "home")
    lake.run()
    return lake


def deliver(lake: Lake) -> None:
    lake.drop_users("2026-03-01", [("user-one", "AT", "25-34"), ("u2", "DE", "18-24"), ("u3", "AT", "18-24")])
    lake.drop_tracks(
        "2026-03-01", [("t1", "Hymn", "a1", "Ann", "Pop", 200_000), ("t2", "Ode", "a2", "Bob", "Jazz", 90)]
    )
    lake.drop_plays("2026-03-02", [plays(2, "p1", "user-one"), plays(2, "p2", "u2", "t2"), ("bad", "user-one")])
    lake.drop_plays("2026-03-03", [plays(3, "p3", "u3"), plays(3, "p4", "u2")])


def deliver_late(lake: Lake) -> None:
    lake.drop_plays("2026-03-02", [plays(2, "p1", "user-one"), plays(2, "p2", "u2", "t2"), plays(2, "late", "u3")])
    lake.drop_plays("2026-03-05", [plays(5, "p5", "user-one", "t2"), plays(3, "later", "user-one")])


def plays(day: int, play: str, user: str, track: str = "t1") -> tuple[Any, ...]:
    return (play, user, f"s-{user}-{day}", track, f"2026-03-{day:02d}T10:00:00Z", 190_000, "AT")


def all_rows(lake: Lake) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, but for when it was written."""
    return {
        table.name: [
            {name: value for name, value in row.items() if table != tables.DELIVERIES or name not in DELIVERIES}
            for row in lake.rows(table.name)
        ]
        for table in tables.ALL
    }


def built(lake: Lake) -> dict[str, list[dict[str, Any]]]:
    """As all_rows, without the ledger: it tells of runs that were broken off."""
    return {name: rows for name, rows in all_rows(lake).items() if name != tables.DELIVERIES.name}


def test_late_plays_rebuilds_compaction_and_forgetting_give_the_rows_that_they_give_on_a_disk(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    disk = on_disk(tmp_path / "disk")
    deliver(disk)
    disk.run()
    lake = in_bucket(bucket, disk, tmp_path / "home")
    lake.run()
    assert all_rows(lake) == all_rows(disk)
    for one in (disk, lake):
        deliver_late(one)
        one.run()
        one.run(rebuild=(date(2026, 3, 2), date(2026, 3, 3)))
    assert all_rows(lake) == all_rows(disk)
    lakehouse = lakehouse_of(lake.settings)
    for table in tables.ALL:
        lakehouse.compact(table)
        lakehouse.vacuum(table, timedelta(0))
    assert all_rows(lake) == all_rows(disk)
    bucket.put("lake/somebodys_note.txt", "user-one is back")
    Requests(lake.home).add(["user-one"])
    assert forget(lake.home) == 1, "nobody is proved forgotten while an object names them"
    assert f"{bucket.address}/lake/somebodys_note.txt (plain)" in capsys.readouterr().out.replace("\n", "")
    bucket.delete("lake/somebodys_note.txt")
    Requests(disk.home).add(["user-one"])
    assert forget(disk.home) == forget(lake.home) == 0
    assert built(lake) == built(disk)
    there = {path.name for path in (lake.home / "tables").iterdir() if not path.name.startswith(".")}
    assert there == {"location.json"}, "no table lies in UMG_HOME"


@pytest.fixture(scope="module")
def landed(server: BucketServer, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lakehouse with its tables in a bucket. Only read it."""
    return landed_in(Bucket("s3://tests/landed"), tmp_path_factory.mktemp("landed"))


def test_commands_read_it_as_they_read_a_disk(landed: Lake, tmp_path: Path):
    for words, said in (
        ("chart top-tracks --market AT --month 2026-03", "Hymn"),
        ("chart top-artists --genre Pop --market AT --day 2026-03-02", "Ann"),
        ("reconcile", "0 differ"),
        ("quarantine", "missing_track_id"),
        ("status", "tables"),
        ("doctor", "s3://tests/landed/lake: can be written, and conditions hold there"),
        ("catalog --format sql", "USING DELTA LOCATION 's3://tests/landed/lake/plays'"),
        ("run --explain", "Nothing"),
    ):
        typed = type_umg(tmp_path, *words.split(), home=landed.home)
        assert said in " ".join((typed.out + typed.err).split()), (words, typed.out, typed.err)


def test_doctor_names_a_bucket_that_does_not_answer_and_examines_all_else(landed: Lake, server: BucketServer):
    nowhere = "http://127.0.0.1:1"
    code = "from umg_assets.cli.main import main; main()"
    typed = run_python(code, "--home", landed.home, "doctor", env=server.environment(nowhere))
    said = " ".join(typed.stdout.split())
    assert typed.returncode == 1, typed.stderr
    assert (
        f"✗ tables s3://tests/landed/lake/deliveries: {nowhere}: HTTP error: error sending request, after 8 retries"
        in said
    )
    assert "✗ places.tables s3://tests/landed/lake: " in said
    assert "sources.plays[0] plays/*.csv*: 2 files" in said


def test_a_notebook_reads_it(landed: Lake):
    with open_lake(landed.home, personal=True) as opened:
        assert {row[0] for row in opened.table("plays").select("play_id").fetchall()} == {"p1", "p2", "p3", "p4"}


def test_the_dashboard_shows_it(landed: Lake, tmp_path: Path):
    typed = type_umg(tmp_path, "dashboard", "--snapshot", str(tmp_path / "pages"), home=landed.home)
    assert typed.code == 0, typed.err
    assert any("Hymn" in page.read_text() for page in (tmp_path / "pages").rglob("charts*.html"))


def test_the_dashboard_fetches_a_file_once_and_keeps_those_of_the_last_two_sets(bucket: Bucket, tmp_path: Path):
    location, copies = Prefix(f"{bucket.address}/plays"), Copies(tmp_path)
    files = [File(f"{location}/{name}", {}, 1) for name in ("a", "b", "c")]
    for name in ("a", "b", "c"):
        bucket.put(f"plays/{name}", name)
    copied = copies.of(location, files[:2])
    bucket.delete("plays/a")
    assert copies.of(location, files[:2]) == copied
    assert [Path(file.path).read_text() for file in copied] == ["a", "b"]
    for shown, there in ((files[:2], [True, True]), (files[1:], [True, True]), (files[2:], [False, True])):
        copies.keep(shown)
        assert [Path(file.path).exists() for file in copied] == there


def test_a_back_up_of_it_is_restored_to_a_disk(landed: Lake, tmp_path: Path):
    typed = type_umg(tmp_path, "backup", str(tmp_path / "copy"), "--keys", str(tmp_path / "keys"), home=landed.home)
    assert typed.code == 0, typed.err
    restored = tmp_path / "restored"
    typed = type_umg(tmp_path, "restore", str(tmp_path / "copy"), "--keys", str(tmp_path / "keys"), home=restored)
    assert typed.code == 0, typed.err
    assert all_rows(Lake.opened(restored)) == all_rows(landed)


@pytest.mark.parametrize(
    ("before", "after"),
    [("", '[places]\ntables = "s3://tests/new"\n'), ('[places]\ntables = "s3://tests/old"\n', "")],
    ids=["from a disk to a bucket", "from a bucket to a disk"],
)
def test_tables_are_never_looked_for_elsewhere_because_a_setting_changed(
    server: BucketServer, tmp_path: Path, before: str, after: str
):
    lake = on_disk(tmp_path / "home")
    lake.configure(before)
    lakehouse_of(lake.settings).create_tables()
    lake.configure(after)
    with pytest.raises(LocationError, match="set it back, or type `umg move-tables`"):
        lakehouse_of(lake.settings).create_tables()
    assert "set it back" in type_umg(tmp_path, "run", home=lake.home).err
    assert "set it back" in " ".join(type_umg(tmp_path, "doctor", home=lake.home).out.split())
    lake.configure(before)
    lakehouse_of(lake.settings).create_tables()


def test_two_lakehouses_do_not_share_a_prefix_and_a_killed_beginning_goes_on(bucket: Bucket, tmp_path: Path):
    first, second = tmp_path / "first", tmp_path / "second"
    settle(first, bucket.address)
    with pytest.raises(LocationError, match="another lakehouse has its tables there"):
        settle(second, bucket.address)
    record = first / "tables" / "location.json"
    begun = {name: value for name, value in json.loads(record.read_text()).items() if name != "marked"}
    record.write_text(json.dumps(begun))  # killed before it was sure of the mark
    settle(first, bucket.address)
    assert json.loads(record.read_text())["marked"]


def test_a_first_address_that_refuses_can_be_corrected_or_taken_out(
    bucket: Bucket, server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    home = tmp_path / "home"
    with monkeypatch.context() as patch:
        for name, value in server.environment(secret="guessed-secret").items():
            patch.setenv(name, value)
        with pytest.raises(StoreError, match="403 Forbidden"):
            settle(home, f"{bucket.address}/refused")
    settle(home, None)
    assert isinstance(location_of(home, tables.PLAYS), Folder)
    settle(home, bucket.address)
    assert location_of(home, tables.PLAYS).address == f"{bucket.address}/plays"


def test_apache_spark_is_refused_because_its_writers_can_lose_rows_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("UMG_ENGINE")
    lake = on_disk(tmp_path / "home")
    lake.configure('engine = "spark"\n[places]\ntables = "s3://tests/spark"\n')
    with pytest.raises(SettingsError, match="expected engine sail, got spark"):
        read_settings(lake.home)


def test_writers_of_three_processes_lose_and_double_nothing(bucket: Bucket, tmp_path: Path):
    settle(tmp_path, bucket.address)
    command = [sys.executable, "-c", APPENDS, str(tmp_path)]
    writers = [subprocess.Popen([*command, name], env=os.environ) for name in ("a", "b", "c")]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    entries = Ledger(tmp_path).read().entries
    assert [entry.sequence for entry in entries] == list(range(1, 31))
    assert sorted(entry.path for entry in entries) == sorted(f"{name}{at}" for name in "abc" for at in range(10))


APPENDS = """
import sys
from datetime import date
from pathlib import Path
from umg_assets.planning.entry import Entry
from umg_assets.resources.ledger import Ledger

ledger = Ledger(Path(sys.argv[1]))
for at in range(10):
    ledger.append([Entry("plays", f"{sys.argv[2]}{at}", date(2026, 3, 1))])
"""


def test_a_store_that_refuses_one_request_in_ten_changes_no_row(bucket: Bucket, server: BucketServer, tmp_path: Path):
    disk = on_disk(tmp_path / "disk")
    deliver(disk)
    disk.run()
    lake = in_bucket(bucket, disk, tmp_path / "home")
    with refusing(server, every=10) as (endpoint, refused):
        ran = umg_run(lake, server.environment(endpoint))
        assert ran.wait() == 3, "a record is set aside, as on a disk"
    assert {"GET", "PUT"} <= {*refused}
    assert all_rows(lake) == all_rows(disk)


def test_a_run_that_loses_the_store_says_so_and_the_next_one_ends_with_the_rows_of_a_disk(
    bucket: Bucket, server: BucketServer, tmp_path: Path
):
    disk = on_disk(tmp_path / "disk")
    deliver(disk)
    disk.run()
    lake = in_bucket(bucket, disk, tmp_path / "home")
    lake.run()
    for one in (disk, lake):
        deliver_late(one)
    before = lake.rows("top_tracks_by_country")
    version = lake.version("raw_plays")
    with refusing(server, every=1_000_000) as (endpoint, _):
        ran = umg_run(lake, server.environment(endpoint))
        wait_for(lambda: lake.version("raw_plays") > version, ran)
    said = ran.communicate()[1]
    assert ran.returncode == 1
    assert [line for line in said.splitlines() if line.startswith("umg: ")] == said.strip().splitlines()[-1:], said
    assert f"{bucket.address}/lake" in said, said
    ran = umg_run(lake, server.environment("http://127.0.0.1:1"))
    assert f"umg: {bucket.address}/lake" in ran.communicate()[1], "nor is a store that is lost an empty lakehouse"
    assert ran.returncode == 1
    assert lake.rows("top_tracks_by_country") == before
    disk.run()
    lake.run()
    assert built(lake) == built(disk)


def test_a_run_that_is_killed_anywhere_is_finished_by_the_next_one(
    bucket: Bucket, server: BucketServer, tmp_path: Path
):
    disk = on_disk(tmp_path / "disk")
    deliver(disk)
    lake = in_bucket(bucket, disk, tmp_path / "home")
    for table in (tables.RAW_PLAYS, tables.PLAYS, tables.TOP_TRACKS_BY_COUNTRY):
        ran = umg_run(lake, server.environment())
        wait_for(lambda table=table: len(location_of(lake.home, table).log_names()) > 1, ran)
        os.killpg(ran.pid, signal.SIGKILL)
        ran.wait()
    shutil.copytree(lake.home / "keys", disk.home / "keys", dirs_exist_ok=True)
    disk.run()
    lake.run()
    assert built(lake) == built(disk)


def umg_run(lake: Lake, environment: dict[str, str]) -> subprocess.Popen[str]:
    """`umg run` in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "umg_assets", "run"],
        env={**own_environment(), **environment, "UMG_HOME": str(lake.home), "UMG_PLOTS": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not happened() and process.poll() is None:
        time.sleep(0.05)
