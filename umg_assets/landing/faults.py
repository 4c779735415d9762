"""Errors over landing files: which concern one file, so that it alone is refused, and which would stop any other."""

import errno
from pathlib import Path

from umg_assets.files.parse import Parsed, refused_whole
from umg_assets.files.rejects import INTERNAL_ERROR, REFUSAL_CHARACTERS, refusal_text
from umg_assets.landing.code_version import version_of_code
from umg_assets.privacy.keys import KeyFileError
from umg_assets.resources.engine import EngineError
from umg_assets.resources.executors import ExecutorsError
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.settings.model import SettingsError

UNREAD = "unread"
"""In place of a version: the file could not be read, so it is tried again at the next look."""
DIED = "the process or its engine died each time that it read this file, as when memory runs out"
_OF_ALL = (SettingsError, KeyFileError, EngineError, ExecutorsError, ImportError)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_FORBIDDEN = (errno.EACCES, errno.EPERM)
# by their texts, because an engine has classes of its own for them
_SIGNS = ("No space left on device", "Disk quota exceeded", "Read-only file system", "Permission denied")


def concerns_all(error: Exception, file: Path | None = None) -> bool:
    """Whether an error over some files would stop any other: settings, a key, no engine, no package, no room.

    Or no permission. file: the landing file that was being read; what the system says of this one concerns it alone.
    """
    if isinstance(error, OSError) and error.errno is not None:
        own = file is not None and error.filename in (file, str(file))
        return error.errno in _NO_ROOM or (error.errno in _FORBIDDEN and not own)
    return isinstance(error, _OF_ALL) or any(sign in str(error) for sign in _SIGNS)


def engine_answers(lakehouse: Lakehouse) -> bool:
    """Whether the lakehouse's engine lives."""
    try:
        return lakehouse.spark.range(1).count() == 1
    except Exception:
        return False


def refused(path: Path, why: str) -> Parsed:
    """A file that is refused whole as INTERNAL_ERROR."""
    sentence = f"Internal error: {why}. `umg accept` with its path tries it again, as does another version of umg."
    return refused_whole(INTERNAL_ERROR, refusal_text(sentence, beginning_of(path)))


def beginning_of(path: Path) -> bytes:
    """A file's first bytes; none if they cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError:
        return b""


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where the system does not say, as of one that has left: reading it will tell."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def said_by(error: Exception) -> str:
    """An error in one line."""
    message = next(iter(str(error).splitlines()), "")[: REFUSAL_CHARACTERS // 4]
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def tried_by(error: Exception | None = None) -> str:
    """What the ledger keeps of a file that an error refused: the version of umg that failed over it, or UNREAD."""
    return UNREAD if isinstance(error, OSError) and error.errno is not None else version_of_code()
