"""Files that are whole or not there: written beside their place, on disk before they are renamed to it."""

import os
import uuid
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Writes a file of mode 0600 in the place of `path`; after a crash it is the old one or the new one, on disk."""
    put_in_place(draft_of(path, text), path)


def draft_of(path: Path, text: str) -> Path:
    """A new file beside `path`, of mode 0600 and on disk, to be linked or renamed to it."""
    draft = path.with_name(f".{uuid.uuid4().hex}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft


def put_in_place(draft: Path, path: Path) -> None:
    """Renames a file that is on disk to `path`, and is on disk itself when it returns."""
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
