"""A Delta table's log: its version, from the names of its files; and a log without its past."""

from pathlib import Path

import deltalake


def newest_version(table: Path) -> int:
    """The latest version of the Delta table in a directory; -1 where there is none.

    From the names of its log files: opening the table would read the whole log.
    """
    versions = (int(file.stem) for file in (table / "_delta_log").glob("[0-9]*.json") if file.stem.isdigit())
    return max(versions, default=-1)


def forget_versions(table: Path) -> list[str]:
    """Removes from the log what only older versions need, whose statistics may hold values that are gone.

    The latest version stays, as a checkpoint and its own commit; no other can be read any more. Nobody may be writing.
    Returns the names of the files removed.
    """
    log, newest = table / "_delta_log", newest_version(table)
    if newest < 1:
        return []
    deltalake.DeltaTable(table).create_checkpoint()
    kept = f"{newest:020d}."
    if not list(log.glob(f"{kept}checkpoint*.parquet")):
        raise RuntimeError(f"{log}: expected a checkpoint of version {newest}, found none; nothing was removed")
    old = [file for file in log.iterdir() if file.is_file() and file.name[:20].isdigit() and file.name < kept]
    for file in old:
        file.unlink()
    return sorted(file.name for file in old)
