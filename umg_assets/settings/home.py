"""UMG_HOME: the directory of one lakehouse, for its owner alone.

Imports nothing of this package, so commands that only read start fast.
"""

import os
import re
import stat
from pathlib import Path

FILE_NAME = "umg.toml"


class HalfRestoredError(RuntimeError):
    """Restoring a back-up to a home was broken off; the message says what to do."""


class AddressError(ValueError):
    """An address stands where a directory on a disk is meant; the message says which."""

    @property
    def lines(self) -> list[str]:
        """What is told of it: nothing that asks for UMG_HOME, which may be the address."""
        return [str(self)]


_PLAIN = re.compile(r"[A-Za-z0-9/._~+'=,@-]")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")


def home_of(home: Path | None = None) -> Path:
    """UMG_HOME: `home` if not None, else from the environment, else ./umg_home; absolute.

    Raises AddressError for s3://... and its like.
    """
    return on_disk(home or Path(os.environ.get("UMG_HOME") or "umg_home"), "UMG_HOME").absolute()


def on_disk(path: Path, what: str) -> Path:
    """The path. Raises AddressError where it is an address (s3://...), of which a folder `s3:` would be made here.

    what: the path is for.
    """
    if address := _ADDRESS.match(str(path)):  # Path has made one slash of two
        typed = f"{address[1]}://{str(path)[address.end() :]}"
        raise AddressError(f"{what}: expected a place on a disk of this machine, got the address {typed}")
    return path


def half_restored(home: Path) -> Path:
    """The file that stands in a home while a back-up is being restored to it, and names the back-up."""
    return home / "half_restored"


def refuse_half_restored(home: Path) -> None:
    """Raises HalfRestoredError for a home to which a back-up is being restored, or that was broken off."""
    if half_restored(home).exists():
        raise HalfRestoredError(
            f"{home} is half restored from a back-up: wait if that is under way; if it was broken off, empty {home} "
            "and type `umg restore` again"
        )


def odd_characters(home: Path) -> str:
    """The characters of a home's path below which Sail and delta-rs find no tables, because they are read as a URL."""
    return "".join(dict.fromkeys(character for character in str(home) if not _PLAIN.fullmatch(character)))


def keep_private(home: Path) -> str | None:
    """What this process creates from now on is its owner's alone (mode 0700, files 0600), and so is an existing home.

    A directory without umg.toml or tables/ is no home yet, and stays as it is. Returns one sentence if the mode of the
    home was another; None else, also where it belongs to somebody else (`umg doctor` says so then).
    """
    os.umask(0o077)
    if not ((home / FILE_NAME).exists() or (home / "tables").exists()):
        return None
    status = home.stat()
    others = stat.S_IMODE(status.st_mode) & 0o077
    if not others or status.st_uid != os.geteuid():
        return None
    home.chmod(stat.S_IMODE(status.st_mode) & ~0o077)
    return f"{home} could be opened by other users (mode {stat.S_IMODE(status.st_mode):04o}): now by its owner alone"
