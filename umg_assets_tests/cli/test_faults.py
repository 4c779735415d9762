"""What the machine does to a lakehouse is one line with what to do, changes no table, and once it is over all is right.

Root may do anything to files, so that rights are not tried here, but what looks the same to umg: directories in the
place of files, and file systems that are full or mounted read-only.
"""

import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from umg_assets.cli.doctor import findings
from umg_assets_tests.cli.conftest import type_umg
from umg_assets_tests.disk import NoMountError, mounted
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import run_python

pytestmark = pytest.mark.sail_enough
Fault = Callable[[Lake], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lakehouse on disk with a day of plays. Only copy it."""
    lake = Lake(tmp_path_factory.mktemp("built") / "home", on_disk=True)
    lake.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 190_000, "AT")])
    assert type_umg(lake.home, "run", home=lake.home).code == 0
    return lake


def copied(built: Lake, home: Path) -> Lake:
    """A copy with a second day in landing/, to be run."""
    shutil.copytree(built.home, home, symlinks=True, ignore=lambda *_: {"staging"}, dirs_exist_ok=True)
    lake = Lake.opened(home, on_disk=True)
    lake.drop_plays("2026-03-03", [("p2", "u1", "s2", "t1", "2026-03-03T10:00:00Z", 190_000, "AT")])
    return lake


@pytest.fixture(scope="module")
def expected(built: Lake, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The copy, run without any fault."""
    lake = copied(built, tmp_path_factory.mktemp("expected") / "home")
    assert type_umg(lake.home, "run", home=lake.home).code == 0
    return lake


@contextmanager
def replaced(file: Path, by: bytes | None) -> Iterator[None]:
    """While a file holds something else; None: a directory lies in its place."""
    aside = file.with_name(f"{file.name}.aside")
    file.rename(aside)
    if by is None:
        file.mkdir()
    else:
        file.write_bytes(by)
    yield
    if by is None:
        file.rmdir()
    else:
        file.unlink()
    for made in file.parent.glob(f"{file.name}-*"):
        made.unlink()
    aside.rename(file)


def _index(lake: Lake):
    return replaced(lake.home / "dagster" / "history" / "runs" / "index.db", b"not SQLite" * 100)


def _runs(lake: Lake):
    file = lake.home / "dagster" / "history" / "runs.db"
    return replaced(file, file.read_bytes()[:6_000])


def _schedules(lake: Lake):
    return replaced(lake.home / "dagster" / "schedules" / "schedules.db", b"not SQLite" * 100)


@contextmanager
def _two_versions(lake: Lake) -> Iterator[None]:
    """As two processes left it that made the file at once."""
    with sqlite3.connect(lake.home / "dagster" / "history" / "runs.db") as connection:
        connection.execute("insert into alembic_version values ('another')")
    yield
    with sqlite3.connect(lake.home / "dagster" / "history" / "runs.db") as connection:
        connection.execute("delete from alembic_version where version_num = 'another'")


@contextmanager
def _locked(lake: Lake) -> Iterator[None]:
    connection = sqlite3.connect(lake.home / "dagster" / "history" / "runs.db", isolation_level=None)
    connection.execute("begin exclusive")
    yield
    connection.close()


def _settings(lake: Lake):
    return replaced(lake.home / "umg.toml", None)


def _empty_key(lake: Lake):
    return replaced(lake.home / "keys" / "user_key", b"")


def _key_directory(lake: Lake):
    return replaced(lake.home / "keys" / "user_key", None)


def _no_seal(lake: Lake):
    return replaced(lake.home / "keys" / "seal", b"\n")


def _lost_log(lake: Lake):
    log = lake.home / "tables" / "daily_track_plays" / "_delta_log"
    return replaced(log, None)


DAMAGED, LOG = "is damaged (", "its log cannot be read: restore the lakehouse from a back-up"
FAULTS = [
    (_index, {"run": f"index.db {DAMAGED}", "doctor": f"index.db {DAMAGED}"}),
    (_runs, {"run": f"runs.db {DAMAGED}", "doctor": f"runs.db {DAMAGED}", "expire": f"runs.db {DAMAGED}"}),
    (_schedules, {"run": f"schedules.db {DAMAGED}", "doctor": f"schedules.db {DAMAGED}"}),
    (_two_versions, {"run": "it holds 2 schema versions", "doctor": "it holds 2 schema versions"}),
    (_locked, {"run": "another process holds a file of Dagster's"}),
    (_settings, dict.fromkeys(["run", "doctor", "expire", "reconcile", "accept x"], "expected a file that this user")),
    (_empty_key, {"run": "does not hold a key (expected 64", "doctor": "does not hold a key (expected 64"}),
    (_key_directory, {"run": "cannot be read (Is a directory)", "doctor": "cannot be read (Is a directory)"}),
    (_no_seal, {"run": "does not hold keys (expected 64", "doctor": "does not hold keys (expected 64"}),
    (_lost_log, dict.fromkeys(["run", "doctor", "chart plays", "reconcile"], LOG)),
]
QUICK = (_index, _settings)


@pytest.mark.parametrize(
    ("fault", "said"),
    [pytest.param(*row, marks=() if row[0] in QUICK else pytest.mark.exhaustive, id=row[0].__name__) for row in FAULTS],
)
def test_a_fault_is_one_line_and_once_it_is_over_a_run_ends_right(
    built: Lake, expected: Lake, tmp_path: Path, fault: Fault, said: dict[str, str]
):
    lake = copied(built, tmp_path / "home")
    with fault(lake):
        for command, words in said.items():
            assert_said(lake, command, words)
    assert lake.content() == built.content()
    assert type_umg(tmp_path, "run", home=lake.home).code == 0
    assert lake.content() == expected.content()


def assert_said(lake: Lake, command: str, words: str) -> None:
    """Asserts that a command fails with one line that holds the words, and nothing of a library's."""
    done = type_umg(lake.home, *command.split(), home=lake.home)
    said = [line for line in done.err.splitlines() if line.startswith("umg:")]
    if command == "doctor":  # whose lines are cut to the terminal
        said = [finding.text for finding in findings(lake.home) if finding.state == "bad"]
    assert_one_line(done.code, said, done.out + done.err, words)


def assert_one_line(code: int, said: list[str], printed: str, words: str) -> None:
    assert code == 1, printed
    assert len(said) == 1, printed
    assert words in said[0], printed
    assert not [sign for sign in ("Traceback", "sqlalche", "SQL:", "pyarrow") if sign in printed], printed


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB; the test is skipped where this user may mount none."""
    with ExitStack() as stack:
        try:
            stack.enter_context(mounted(tmp_path / "small", 16))
        except NoMountError as error:
            pytest.skip(str(error))
        yield tmp_path / "small"


@pytest.mark.exhaustive
@pytest.mark.parametrize("free", [100_000, 700_000, 1_500_000, 1_900_000, 2_300_000])
def test_a_full_disk_is_named_and_once_there_is_room_a_run_ends_right(
    built: Lake, expected: Lake, tmp_path: Path, small: Path, free: int
):
    lake = copied(built, small / "home")
    rest = shutil.disk_usage(small).free - free
    (small / "others").write_bytes(bytes(rest))
    # in a process that ends, as the run does that may have been unable to store its end
    failed = run_python("from umg_assets.cli.main import main; main()", "--home", lake.home, "run")
    said = [line for line in failed.stderr.splitlines() if line.startswith("umg:")]
    assert_one_line(failed.returncode, said, failed.stdout + failed.stderr, "the disk is full, that of")
    (small / "others").unlink()
    assert type_umg(tmp_path, "run", home=lake.home).code == 0
    assert lake.content() == expected.content()


@pytest.mark.exhaustive
def test_a_read_only_home_is_named_and_can_still_be_read(built: Lake, expected: Lake, tmp_path: Path, small: Path):
    lake = copied(built, small / "home")
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    for command in ("run", "expire", "forget --now"):
        assert_said(lake, command, "is mounted read-only")
    assert type_umg(tmp_path, "chart", "plays", home=lake.home).code == 0
    subprocess.run(["mount", "-o", "remount,rw", str(small)], check=True)
    assert type_umg(tmp_path, "run", home=lake.home).code == 0
    assert lake.content() == expected.content()
