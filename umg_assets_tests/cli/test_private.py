"""UMG_HOME is its owner's alone, whatever the shell's umask: what `umg` makes, and a home that was open before."""

from pathlib import Path

import pytest

from umg_assets.cli.doctor import findings
from umg_assets_tests.processes import run_python

pytestmark = pytest.mark.sail_enough

UMG = """
import os, sys
os.umask(0o022)
from umg_assets.cli.main import main
sys.argv = ["umg", *sys.argv[1:]]
main()
"""


def modes(home: Path) -> tuple[set[str], set[str]]:
    """The modes of all directories, the home among them, and of all files."""
    folders, files = {f"{home.stat().st_mode & 0o777:o}"}, set()
    for path in home.rglob("*"):
        (folders if path.is_dir() else files).add(f"{path.stat().st_mode & 0o777:o}")
    return folders, files


def test_init_generate_and_run_make_directories_and_files_for_their_owner_alone(tmp_path: Path):
    home = tmp_path / "home"
    for arguments in (["init"], ["generate", "--plays", "300", "--days", "3"], ["run"]):
        done = run_python(UMG, "--home", home, *arguments)
        assert done.returncode in (0, 3), done.stderr
    folders, files = modes(home)
    assert folders == {"700"}
    assert files == {"600"}


def test_a_home_that_others_could_open_is_closed_by_the_next_command_which_says_so(tmp_path: Path):
    home = tmp_path / "home"
    run_python(UMG, "--home", home, "init")
    home.chmod(0o755)
    done = run_python(UMG, "--home", home, "init")
    assert f"{home} could be opened by other users (mode 0755): now by its owner alone" in done.stderr
    assert home.stat().st_mode & 0o777 == 0o700
    assert "could be opened" not in run_python(UMG, "--home", home, "init").stderr


def test_a_directory_that_is_no_home_keeps_its_mode(tmp_path: Path):
    tmp_path.chmod(0o755)
    assert run_python(UMG, "--home", tmp_path, "chart", "top", "AT", "2026-10").returncode
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_dagster_loading_the_definitions_closes_the_home_too(tmp_path: Path):
    home = tmp_path / "home"
    run_python(UMG, "--home", home, "init")
    home.chmod(0o750)
    code = "import os, umg_assets.definitions; print(os.umask(0))"
    done = run_python(code, env={"UMG_HOME": str(home)})
    assert done.stdout.strip() == str(0o077), done.stderr
    assert home.stat().st_mode & 0o777 == 0o700


def test_doctor_names_a_home_that_others_can_open(tmp_path: Path):
    tmp_path.chmod(0o755)
    (note,) = (finding for finding in findings(tmp_path) if finding.subject == "UMG_HOME")
    assert (note.state, f"chmod 700 {tmp_path}" in note.text) == ("note", True)
    tmp_path.chmod(0o700)
    (good,) = (finding for finding in findings(tmp_path) if finding.subject == "UMG_HOME")
    assert (good.state, "by its owner alone" in good.text) == ("good", True)
