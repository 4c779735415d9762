"""A PostgreSQL server of a test's own, in a directory of its own."""

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


class Postgres:
    """The files of a server in `folder`, its data in `data`; owner: the user who runs it, as root cannot."""

    def __init__(self, folder: Path, owner: str | None) -> None:
        self.folder, self.data, self._owner = folder, folder / "data", owner

    def own(self, path: Path) -> None:
        """Gives a file to the user who runs the server."""
        if self._owner:
            shutil.chown(path, self._owner)

    def run(self, command: str, *arguments: str, **environment: str) -> None:
        """Runs one of PostgreSQL's commands as the user who runs the server."""
        as_owner = ["runuser", "-u", self._owner, "--"] if self._owner else []
        process = subprocess.run(
            [*as_owner, str(BINARIES[-1] / command), *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )
        assert process.returncode == 0, process.stderr

    def start(self, options: str) -> None:
        """Starts the server, with its socket in `folder`."""
        all_options = f"-c unix_socket_directories={self.folder} -c fsync=off {options}"
        self.run("pg_ctl", "-D", str(self.data), "-o", all_options, "-l", str(self.folder / "log"), "-w", "start")


@contextmanager
def postgres(password: str, *initdb: str) -> Iterator[Postgres]:
    """A database cluster of user umg, which the caller starts; it is ended and deleted. initdb: further options.

    Skips the test where PostgreSQL is missing; fails it when REQUIRE_POSTGRES=1.
    """
    if not BINARIES:
        message = "PostgreSQL is missing: apt-get install postgresql"
        if os.environ.get("REQUIRE_POSTGRES") == "1":
            pytest.fail(message)
        pytest.skip(message)
    made = Postgres(Path(tempfile.mkdtemp(prefix="umg-pg-")), "postgres" if getpass.getuser() == "root" else None)
    made.own(made.folder)
    secret = made.folder / "password"
    secret.write_text(password)
    made.own(secret)
    try:
        made.run("initdb", "-D", str(made.data), "-U", "umg", "-E", "UTF8", f"--pwfile={secret}", *initdb)
        yield made
    finally:
        if (made.data / "postmaster.pid").exists():
            made.run("pg_ctl", "-D", str(made.data), "-m", "immediate", "stop")
        shutil.rmtree(made.folder)
