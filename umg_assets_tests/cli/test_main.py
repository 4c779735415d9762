"""What `umg` itself takes, before any command: --version, and the lines that a shell has it complete."""

import importlib.metadata
from pathlib import Path

import pytest

from umg_assets_tests.cli.conftest import Outcome, Umg, type_umg
from umg_assets_tests.processes import printed_by

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
