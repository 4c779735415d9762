"""While people are being forgotten, and after that was broken off until it is finished, nothing else may write."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = "forgotten"
"""The directory under UMG_HOME with tombstones, requests and receipts: outside tables/, to be backed up apart."""

_holders: set[Path] = set()


class ForgettingError(RuntimeError):
    """People are being forgotten, or that was broken off; the message says what to do."""


def work_file(home: Path) -> Path:
    """The log of forgetting that is under way or was broken off; there is none otherwise."""
    return home / FOLDER / "work"


def replay_file(home: Path) -> Path:
    """It is there while a back-up stands from before people were forgotten, who are back until they are once more."""
    return home / FOLDER / "replay"


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """While this process forgets people; the kernel lets go of it when the process dies.

    Raises ForgettingError when another one does.
    """
    folder = home / FOLDER
    folder.mkdir(exist_ok=True, mode=0o700)
    with os.fdopen(os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ForgettingError("another process is forgetting people here: wait until it has ended") from None
        _holders.add(home)
        try:
            yield
        finally:
            _holders.discard(home)


def refuse_while_forgetting(home: Path) -> None:
    """Raises ForgettingError where people are being forgotten by another process, or that was broken off; or where
    people are back who had been forgotten, since a back-up was restored."""
    if home not in _holders and replay_file(home).exists():
        raise ForgettingError(
            "people who had been forgotten are back, because an older back-up was restored: `umg forget --replay` "
            "forgets them once more, and nothing else may write before"
        )
    if home not in _holders and work_file(home).exists():
        raise ForgettingError(
            "people are being forgotten, and nothing else may write meanwhile: wait until that has ended; if it was "
            "broken off, `umg forget --now` finishes it"
        )
