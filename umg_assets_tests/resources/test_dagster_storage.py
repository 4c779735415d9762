"""Dagster's storage of a new home is made by one process, whole or not at all."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from umg_assets.resources.instance import open_instance
from umg_assets_tests.processes import printed_by

Storage = dict[str, list[tuple]]

OPENED_AT_ONCE = """
import multiprocessing, sys
from pathlib import Path
from umg_assets.resources.instance import open_instance

def opened(home, start, ended):
    start.wait()
    try:
        with open_instance(home) as instance:
            ended.put(f"{len(instance.get_runs())} runs")
    except Exception as error:
        ended.put(repr(error))

forked = multiprocessing.get_context("fork")
for round in range(3):
    home, start, ended = Path(sys.argv[1], str(round)), forked.Barrier(4), forked.Queue()
    processes = [forked.Process(target=opened, args=(home, start, ended)) for _ in range(4)]
    for process in processes:
        process.start()
    print(*(ended.get() for _ in processes), sep="\\n")
    for process in processes:
        process.join()
"""

KILLED_WHILE_MADE = """
import os, signal, sys
from pathlib import Path
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from umg_assets.resources.instance import open_instance

def killed(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

if os.fork() == 0:
    sqlite_schedule_storage.stamp_alembic_rev = killed
    with open_instance(Path(sys.argv[1])):
        pass
os.wait()
with open_instance(Path(sys.argv[1])) as instance:
    print(len(instance.get_runs()))
"""


def storage_of(home: Path) -> Storage:
    """The schema version of each of Dagster's files, and the data migrations that it has had."""
    found = {}
    for file in (home / "dagster").rglob("*.db"):
        with closing(sqlite3.connect(file)) as connection:
            rows = connection.execute("select version_num from alembic_version").fetchall()
            rows += connection.execute("select name from secondary_indexes order by name").fetchall()
        found[file.name] = rows
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """The storage of a home that one process opened alone."""
    home = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as environment:
        for name in ("UMG_HOME", "DAGSTER_HOME"):
            environment.setenv(name, "")
        with open_instance(home):
            pass
    return storage_of(home)


def test_processes_that_open_a_new_home_at_once_all_succeed_and_its_storage_is_right(tmp_path: Path, whole: Storage):
    assert set(printed_by(OPENED_AT_ONCE, tmp_path).split("\n")) == {"0 runs", ""}
    assert [storage_of(home) for home in sorted(tmp_path.iterdir())] == [whole] * 3


def test_what_a_killed_first_opening_left_is_made_anew(tmp_path: Path, whole: Storage):
    assert printed_by(KILLED_WHILE_MADE, tmp_path) == "0\n"
    assert storage_of(tmp_path) == whole
