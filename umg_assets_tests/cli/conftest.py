"""Types `umg` as a user does, in this process."""

import os
import sys
from collections.abc import Callable
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


@pytest.fixture
def umg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Umg:
    """Calls `umg ARGUMENTS` in an empty directory, in a terminal of 80 columns; home=PATH gives --home."""

    def call(*arguments: str, home: Path | None = None) -> Outcome:
        capsys.readouterr()
        with monkeypatch.context() as changes:
            for name in [name for name in os.environ if name.startswith("UMG_")]:
                changes.delenv(name)
            changes.setenv("UMG_HOME", "")  # the command sets it: put back what was there
            changes.chdir(tmp_path)
            for console in (out, err):
                changes.setattr(console, "width", 80)
            changes.setattr(sys, "argv", ["umg", *(["--home", str(home)] if home else []), *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), str(captured.out), str(captured.err))

    return call
