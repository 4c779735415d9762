"""A back-up is one state of a lakehouse, whatever is written meanwhile, and restored it plans right; keys lie apart."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from umg_assets.backup.manifest import BackupError, Manifest
from umg_assets.backup.restoring import Restored, restore
from umg_assets.backup.taking import back_up
from umg_assets.cli.forget import forget
from umg_assets.cli.reconcile import reconcile
from umg_assets.privacy.keys import KEYS, UserKeys
from umg_assets.privacy.tombstones import Tombstones
from umg_assets.resources.forgetting_lock import ForgettingError, refuse_while_forgetting
from umg_assets.resources.instance import open_instance, under_way
from umg_assets.settings.home import HalfRestoredError
from umg_assets_tests.cli.conftest import type_umg
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import PATIENCE, own_environment, run_python

pytestmark = pytest.mark.sail_enough


def drop_day(lake: Lake, day: int, *users: str) -> None:
    """A delivery of plays of a day of March, one by each user."""
    at = f"2026-03-{day:02}T10:00:00Z"
    rows = [(f"p{day}{user}", user, "s1", "t1", at, 190_000, "AT") for user in users]
    lake.drop_plays(f"2026-03-{day:02}", rows)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lakehouse on disk with a day of plays by two people. Only copy it, or back it up."""
    lake = Lake(tmp_path_factory.mktemp("original") / "home", on_disk=True)
    lake.drop_users("2026-03-01", [("u1", "AT", "25-34", ""), ("u2", "DE", "25-34", "")])
    lake.drop_tracks("2026-03-01", [("t1", "Hymn", "a1", "Ann", "Pop", 200_000)])
    drop_day(lake, 2, "u1", "u2")
    lake.run()
    return lake


@pytest.fixture
def lake(original: Lake, tmp_path: Path) -> Lake:
    """A copy of the original, to be written."""
    shutil.copytree(original.home, tmp_path / "home", symlinks=True, ignore=lambda *_: {"staging"})
    return Lake.opened(tmp_path / "home", on_disk=True)


def taken(lake: Lake, folder: Path, say: Callable[[str], None] = lambda _: None) -> Manifest:
    """A back-up in folder/data with landing/, its keys in folder/keys."""
    return back_up(lake.home, folder / "data", True, folder / "keys", say)


def restored(folder: Path, home: Path) -> Lake:
    """What is in a back-up of `taken`, at a new place."""
    restore(folder / "data", home, folder / "keys", None)
    return Lake.opened(home, on_disk=True)


@pytest.fixture(scope="module")
def kept(original: Lake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A back-up of the original. Only copy it, or restore it."""
    folder = tmp_path_factory.mktemp("kept")
    taken(original, folder)
    return folder


def test_a_restored_lakehouse_is_the_same_and_a_run_finds_nothing_new(original: Lake, kept: Path, tmp_path: Path):
    copy = restored(kept, tmp_path / "elsewhere" / "home")
    assert copy.content() == original.content()
    assert copy.run().runs == 0
    assert reconcile(copy.settings)
    assert type_umg(tmp_path, "chart", "plays", home=copy.home).code == 0
    assert (copy.home / "exports" / "current" / "manifest.json").exists()
    views = copy.home / "exports" / "current" / "catalog" / "umg.duckdb"
    with duckdb.connect(str(views), read_only=True) as connection:
        assert connection.sql("select count(*) from plays").fetchall() == [(2,)]
        ((sql,),) = connection.sql("select sql from duckdb_views() where view_name = 'plays'").fetchall()
    assert (str(original.home) in sql, f"{copy.home}/tables/plays/" in sql) == (False, True)


def test_what_landed_after_the_back_up_lands_again(lake: Lake, kept: Path, tmp_path: Path):
    copy = restored(kept, tmp_path / "copy")
    for changed in (lake, copy):
        drop_day(changed, 3, "u1")
        changed.run()
    assert copy.content() == lake.content()
    assert reconcile(copy.settings)


STEPS = ["what Dagster knows", "fixing the versions", "age_group_favourites", "deliveries", "landing/"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("step", STEPS)
def test_a_run_between_any_two_steps_leaves_a_back_up_that_is_built_to_the_same_tables(
    lake: Lake, tmp_path: Path, step: str
):
    def write(said: str) -> None:
        if said.startswith(step):
            drop_day(lake, 3, "u1", "u2")
            lake.drop_tracks("2026-03-03", [("t1", "Hymn (live)", "a1", "Ann", "Pop", 200_000)])
            lake.run()

    taken(lake, tmp_path, write)
    copy = restored(tmp_path, tmp_path / "copy")
    for file in (lake.home / "landing").rglob("*.csv"):  # what the exporter has delivered since
        shutil.copy2(file, copy.home / file.relative_to(lake.home))
    copy.run()
    assert copy.content() == lake.content()
    assert reconcile(copy.settings)
    assert copy.run().runs == 0


@pytest.mark.exhaustive
def test_back_ups_taken_while_umg_run_writes_are_built_to_the_same_tables(lake: Lake, tmp_path: Path):
    for day in (3, 4, 5):
        drop_day(lake, day, "u1", "u2")
    command = [sys.executable, "-m", "umg_assets", "--home", str(lake.home), "run"]
    environment = {**own_environment(), "UMG_PLOTS": "false"}
    run = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folders = []
    while run.poll() is None:
        folders.append(tmp_path / f"taken{len(folders)}")
        taken(lake, folders[-1])
    assert run.wait(PATIENCE) == 0
    versions = [Manifest.read(folder / "data").versions for folder in folders]
    chosen = [at for at, found in enumerate(versions) if at == 0 or found != versions[at - 1]]
    assert len(chosen) > 2, "no back-up was taken between two writes"
    for at in chosen[:: max(1, len(chosen) // 4)]:
        copy = restored(folders[at], tmp_path / f"copy{at}")
        assert copy.run().failed_checks
        assert copy.content() == lake.content()
        assert reconcile(copy.settings)


def test_runs_that_were_under_way_have_ended_and_hold_no_pool(lake: Lake, tmp_path: Path):
    with open_instance(lake.home) as instance:
        run = instance.create_run_for_job(_job())
        instance.event_log_storage.initialize_concurrency_limit_to_default("plays")
        assert instance.event_log_storage.claim_concurrency_slot("plays", run.run_id, "step").is_claimed
    taken(lake, tmp_path)
    copy = restored(tmp_path, tmp_path / "copy")
    with open_instance(copy.home) as instance:
        assert not under_way(instance)
        assert not instance.event_log_storage.get_concurrency_run_ids()


def _job():
    import dagster as dg

    @dg.job
    def days() -> None: ...

    return days


def test_no_key_lies_in_a_back_up(original: Lake, kept: Path):
    keys = [(original.home / "keys" / name).read_text().strip().encode() for name in KEYS]
    files = [file for file in (kept / "data").rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if any(key in file.read_bytes() for key in keys)]
    assert {file.name for file in (kept / "keys").iterdir()} == set(KEYS)


def test_without_its_keys_a_restored_lakehouse_says_what_is_missing(kept: Path, tmp_path: Path):
    done = type_umg(tmp_path, "restore", str(kept / "data"), home=tmp_path / "copy")
    assert done.code == 0
    assert "The keys must be brought back" in done.out
    assert str(tmp_path / "copy" / "keys" / "user_key") in done.out


def test_keys_of_another_lakehouse_are_refused(kept: Path, tmp_path: Path):
    UserKeys(tmp_path / "other").create()
    with pytest.raises(BackupError, match="everyone would be a new user"):
        restore(kept / "data", tmp_path / "copy", tmp_path / "other" / "keys", None)


KILLED_BACKUP = """
import os, signal, sys
from pathlib import Path
from umg_assets.backup.taking import back_up

def killed(step):
    if step.startswith("plays"):
        os.kill(os.getpid(), signal.SIGKILL)

back_up(Path(sys.argv[1]), Path(sys.argv[2]), True, None, killed)
"""

KILLED_RESTORE = """
import os, signal, sys
from pathlib import Path
from umg_assets.backup import restoring

copied = restoring.copied
def killed(source, target):
    if "tables/plays" in str(source):
        os.kill(os.getpid(), signal.SIGKILL)
    return copied(source, target)

restoring.copied = killed
restoring.restore(Path(sys.argv[1]), Path(sys.argv[2]), None, None)
"""


def test_a_back_up_that_was_killed_is_refused_and_nothing_is_written(original: Lake, tmp_path: Path):
    assert run_python(KILLED_BACKUP, original.home, tmp_path / "data").returncode == -9
    assert (tmp_path / "data" / "tables").exists()
    with pytest.raises(BackupError, match="broken off: take another one"):
        restore(tmp_path / "data", tmp_path / "copy", None, None)
    assert not (tmp_path / "copy").exists()


def test_a_restore_that_was_killed_is_known_by_every_command(kept: Path, tmp_path: Path):
    home = tmp_path / "copy"
    assert run_python(KILLED_RESTORE, kept / "data", home).returncode == -9
    for command in (["run"], ["doctor"], ["chart", "plays"], ["restore", str(kept / "data")]):
        done = type_umg(tmp_path, *command, home=home)
        assert (done.code, "half restored" in done.err) == (1, True), command
    with pytest.raises(HalfRestoredError):
        restore(kept / "data", home, None, None)
    shutil.rmtree(home)
    assert restored(kept, home).run().runs == 0


def _changed(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize("damage", [_changed, lambda file: os.truncate(file, 3), Path.unlink])
def test_a_back_up_with_a_damaged_file_is_refused_and_the_file_named(
    kept: Path, tmp_path: Path, damage: Callable[[Path], object]
):
    shutil.copytree(kept / "data", tmp_path / "data")
    file = next((tmp_path / "data" / "tables" / "plays").rglob("*.parquet"))
    damage(file)
    with pytest.raises(BackupError) as raised:
        restore(tmp_path / "data", tmp_path / "copy", None, None)
    assert str(file) in str(raised.value)


@pytest.mark.parametrize("place", ["home/backup", "full"])
def test_a_place_that_will_not_do_is_refused(original: Lake, tmp_path: Path, place: str):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    target = original.home / "backup" if place == "home/backup" else tmp_path / "full"
    with pytest.raises(BackupError, match=r"expected a (place outside|new or empty directory)"):
        back_up(original.home, target, False, None, lambda _: None)


@pytest.fixture
def brought_back(original: Lake, kept: Path, tmp_path: Path) -> tuple[Lake, Restored]:
    """The back-up restored with a list of the forgotten that is newer than it: u1 has been, since."""
    shutil.copytree(original.home / "keys", tmp_path / "newer" / "keys")
    newest = Tombstones(tmp_path / "newer")
    newest.add(["u1"])
    done = restore(kept / "data", tmp_path / "copy", kept / "keys", newest.path)
    return Lake.opened(tmp_path / "copy", on_disk=True), done


def test_who_was_forgotten_after_the_back_up_is_noticed_and_nothing_runs_until_they_are_again(
    brought_back: tuple[Lake, Restored], tmp_path: Path
):
    copy, done = brought_back
    assert done.back == 1
    with pytest.raises(ForgettingError, match="umg forget --replay"):
        refuse_while_forgetting(copy.home)
    failed = type_umg(tmp_path, "run", home=copy.home)
    assert (failed.code, "umg forget --replay" in failed.err) == (1, True)
    assert {row["user_id"] for row in copy.rows("raw_plays", "user_id")} == {"u1", "u2"}
    assert forget(copy.home, replay=True) == 0
    assert {row["user_id"] for row in copy.rows("raw_plays", "user_id")} == {"u2"}
    assert copy.run().runs == 0
