"""A Delta table's log: its version, from the names of its files; and a log without its past."""

import json
from pathlib import Path

import deltalake


def newest_version(table: Path) -> int:
    """The latest version of the Delta table in a directory; -1 where there is none.

    From the names of its log files: opening the table would read the whole log.
    """
    versions = (int(file.stem) for file in (table / "_delta_log").glob("[0-9]*.json") if file.stem.isdigit())
    return max(versions, default=-1)


def forget_versions(table: Path) -> list[str]:
    """Removes from the log what only older versions need: its statistics may hold values that are gone.

    The latest version stays, as a checkpoint, and the commits since rows were last written, which tell when that was;
    no older version can be read any more. Nobody may be writing. Returns the names of the files removed.
    """
    log, newest = table / "_delta_log", newest_version(table)
    if newest < 1:
        return []
    deltalake.DeltaTable(table).create_checkpoint()
    checkpoint = f"{newest:020d}.checkpoint"
    if not any(file.name.startswith(checkpoint) for file in log.iterdir()):
        raise RuntimeError(f"{log}: expected a checkpoint of version {newest}, found none; nothing was removed")
    first = next((version for version in range(newest, 0, -1) if _wrote_rows(log, version)), newest)
    old = [
        file
        for file in log.iterdir()
        if file.name[:20].isdigit()
        and not file.name.startswith(checkpoint)
        and (file.suffix != ".json" or int(file.name[:20]) < first)
    ]
    for file in old:
        file.unlink()
    return sorted(file.name for file in old)


def _wrote_rows(log: Path, version: int) -> bool:
    file = log / f"{version:020d}.json"
    lines = file.read_bytes().splitlines() if file.exists() else []
    operations = (json.loads(line).get("commitInfo", {}).get("operation") for line in lines if line)
    return any(operation in ("WRITE", "MERGE") for operation in operations)
