"""Types `umg` as a user does, in this process."""

import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from umg_assets.cli.console import err, out
from umg_assets.cli.main import main


class Outcome(NamedTuple):
    """The result of a command: exit code, standard output and standard error."""

    code: int
    out: str
    err: str


Umg = Callable[..., Outcome]


def type_umg(folder: Path, *arguments: str, home: Path | None = None) -> Outcome:
    """Types `umg ARGUMENTS` in a directory, in a terminal of 80 columns; home gives --home. Nothing is plotted."""
    printed, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as changes, redirect_stdout(printed), redirect_stderr(errors):
        for name in [name for name in os.environ if name.startswith("UMG_") and name != "UMG_PLOTS"]:
            changes.delenv(name)
        changes.setenv("UMG_HOME", "")  # the command sets it: put back what was there
        changes.chdir(folder)
        for console in (out, err):
            changes.setattr(console, "width", 80)
        changes.setattr(sys, "argv", ["umg", *(["--home", str(home)] if home else []), *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    return Outcome(int(ended.value.code or 0), printed.getvalue(), errors.getvalue())


@pytest.fixture
def umg(tmp_path: Path) -> Umg:
    """Types `umg ARGUMENTS` in an empty directory."""

    def call(*arguments: str, home: Path | None = None) -> Outcome:
        return type_umg(tmp_path, *arguments, home=home)

    return call
