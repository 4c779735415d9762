"""A table's Delta log, as far as its file names tell: cheaper than opening the table, which reads all of the log."""

from pathlib import Path


def newest_version(table: Path) -> int:
    """The latest version of the Delta table in a directory; -1 where there is none."""
    versions = (int(file.stem) for file in (table / "_delta_log").glob("[0-9]*.json") if file.stem.isdigit())
    return max(versions, default=-1)
