"""What `umg` itself takes, before any command: --version, and the lines that a shell has it complete."""

import importlib.metadata
import os
import sys
from pathlib import Path

import pytest

from umg_assets_tests.cli.conftest import Outcome, Umg, type_umg
from umg_assets_tests.processes import printed_by, run_python

pytestmark = pytest.mark.sail_enough


def complete(folder: Path, line: str) -> Outcome:
    """What bash is answered when Tab is typed at the end of a line."""
    with pytest.MonkeyPatch.context() as changes:
        changes.setenv("_UMG_COMPLETE", "complete_bash")
        changes.setenv("COMP_WORDS", line)
        changes.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        return type_umg(folder)


def test_the_version_is_a_line_that_names_umg_dagster_and_both_engines_whatever_the_home_holds(
    umg: Umg, tmp_path: Path
):
    (tmp_path / "umg.toml").write_text("time_zone = [")
    code, printed, error = umg("--version", home=tmp_path)
    version = importlib.metadata.version
    assert (code, error, printed.count("\n")) == (0, "", 1)
    assert printed.startswith(f"umg {version('umg-assets')} (Python ")
    assert all(f"{name} {version(name)}" in printed for name in ("dagster", "pysail", "pyspark", "delta-spark"))


def test_a_shell_completes_commands_and_their_options(tmp_path: Path):
    assert complete(tmp_path, "umg sta") == (0, "status\n", "")
    assert complete(tmp_path, "umg chart top-tracks --mar") == (0, "--market\n", "")
    assert complete(tmp_path, "umg --version chart mov") == (0, "movements\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_shell_is_not_told_what_is_wrong_with_a_line_that_it_completes(tmp_path: Path):
    assert complete(tmp_path, "umg --home a --home b ru") == (0, "run\n", "")
    assert complete(tmp_path, "umg chart top-tracks --month 2026-01 --month 2026-02 --for").out == "--format\n"
    assert complete(tmp_path, "umg no-such-command --ma").err == ""


def test_completion_loads_neither_dagster_nor_an_engine(tmp_path: Path):
    loaded = """
import atexit, sys
atexit.register(lambda: print({"dagster", "pyspark", "pysail", "pandas"} & sys.modules.keys()))
sys.argv = ["umg"]
from umg_assets.cli.main import main
main()
"""
    line = {"_UMG_COMPLETE": "complete_bash", "COMP_WORDS": "umg sta", "COMP_CWORD": "1"}
    assert printed_by(loaded, env=line).split() == ["status", "set()"]


ADDRESSES = ("s3://bucket/lake", "abfss://lake@account.dfs.core.windows.net/umg", "hdfs://name:8020/umg")


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_no_home_in_one_line_and_no_folder_is_made_of_it(address: str, umg: Umg, tmp_path: Path):
    for command in ("run", "init", "status", "generate"):
        code, printed, error = umg("--home", address, command)
        assert (code, printed) == (1, ""), command
        assert error == f"umg: UMG_HOME: expected a place on a disk of this machine, got the address {address}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "code", ["import sys; sys.argv = ['umg', 'run']; from umg_assets.cli.main import main; main()",
             "import umg_assets.definitions"],
)  # fmt: skip
def test_an_address_in_the_environment_is_no_home_for_umg_and_for_dagster(code: str, tmp_path: Path):
    variables = {"UMG_HOME": "gs://bucket/lake", "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = run_python(f"import os; os.chdir({str(tmp_path)!r})\n{code}", env=variables)
    assert ended.returncode == 1
    told = ended.stderr.splitlines()[-1]
    assert told.endswith("UMG_HOME: expected a place on a disk of this machine, got the address gs://bucket/lake")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("backup", "s3://b/copy"), ("dashboard", "--snapshot", "s3://b/site.zip")])
def test_an_address_is_no_place_for_what_a_command_writes(command: tuple[str, ...], umg: Umg, tmp_path: Path):
    (tmp_path / "home" / "tables").mkdir(parents=True)
    code, _, error = umg(*command, home=tmp_path / "home")
    assert code == 1
    assert f"expected a place on a disk of this machine, got the address {command[-1]}" in error
    assert not (tmp_path / "s3:").exists()
