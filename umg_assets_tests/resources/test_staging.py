"""staging/ holds personal data: nothing in it outlives its process for longer than until the next one starts."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from umg_assets.resources.staging import clear_abandoned, staging_folder
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import own_environment, printed_by

pytestmark = pytest.mark.sail_enough

STAGES = """
import sys
from pathlib import Path
from umg_assets.resources.staging import staging_folder
folder = staging_folder(Path(sys.argv[1]))
(folder / "users.csv").write_text("u1")
print(folder, flush=True)
"""


def staging_process(home: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that has staged a file and lives until it is killed, and its directory."""
    code = STAGES + "sys.stdin.read()"
    command = [sys.executable, "-c", code, str(home)]
    process = subprocess.Popen(command, env=own_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_process_has_staged_goes_when_the_next_one_stages_and_a_living_ones_files_stay(tmp_path: Path):
    killed, of_killed = staging_process(tmp_path)
    living, of_living = staging_process(tmp_path)
    assert (of_killed / "users.csv").exists(), "a process that lives keeps its files when the next one starts"
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert (of_killed / "users.csv").exists()
    mine = staging_folder(tmp_path)
    assert not of_killed.parent.exists()
    assert not of_killed.parent.with_name(f"{of_killed.parent.name}.lock").exists()
    assert (of_living / "users.csv").exists()
    assert mine.is_dir()
    living.kill()
    living.wait()
    assert clear_abandoned(tmp_path) == [of_living.parent.name]
    assert mine.is_dir(), "this process's own"


def test_a_process_that_ends_leaves_nothing(tmp_path: Path):
    printed_by(STAGES, tmp_path)
    assert list((tmp_path / "staging").iterdir()) == []


def test_what_an_earlier_version_left_without_a_lock_goes_with_the_next_run_also_when_nothing_is_new(lake: Lake):
    left = lake.home / "staging" / "0f3c" / "typed"
    left.mkdir(parents=True)
    (left / "users.parquet").write_bytes(b"u1")
    lake.run()
    assert not left.parent.exists()
