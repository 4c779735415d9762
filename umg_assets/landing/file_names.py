"""The files of landing/ that a glob matches, and what each is called."""

import glob
from collections.abc import Iterator
from pathlib import Path


def printable(path: str) -> str:
    """A path as it can be printed: bytes that are not UTF-8 escaped."""
    return path.encode(errors="backslashreplace").decode()


def files_of(landing: Path, pattern: str) -> Iterator[Path]:
    """Regular files that a glob matches, sorted, without what an exporter's tools leave beside the data.

    These are files whose names begin with . or _, and all files in folders whose names do (`_temporary`), at any depth,
    unless the glob names the folder. As in Hive and Spark, `_name=value` is a partition.
    """
    named = {part for part in Path(pattern).parts if not glob.has_magic(part)}
    absolute = pattern if Path(pattern).is_absolute() else str(Path(glob.escape(str(landing)), pattern))
    for name in sorted(glob.glob(absolute, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
        path = Path(name)
        below = path.relative_to(landing).parts if path.is_relative_to(landing) else path.parts
        hidden = [part for part in below if part.startswith((".", "_")) and "=" not in part and part not in named]
        if not hidden and not path.name.startswith((".", "_")) and path.is_file():
            yield path


def name_of(landing: Path, absolute: Path) -> str:
    """What a file is called: its path relative to landing/ where it lies there, else as it is."""
    return str(absolute.relative_to(landing)) if absolute.is_relative_to(landing) else str(absolute)
