"""`umg export-user`: everything that a lakehouse holds of a person, for whoever asks for it."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from umg_assets import tables
from umg_assets.privacy.keys import UserKeys
from umg_assets.resources.reading import TableMissingError, datafusion_literal, query

STANDARD_INPUT = Path("-")


def read_ids(file: Path) -> list[str]:
    """The user ids of a file, or of standard input for `-`: one a line, each once, as they were delivered.

    Raises ValueError when there is none.
    """
    lines = sys.stdin if file == STANDARD_INPUT else file.read_text(encoding="utf-8").splitlines()
    ids = list(dict.fromkeys(line.rstrip("\r\n") for line in lines if line.strip()))
    if not ids:
        where = "standard input" if file == STANDARD_INPUT else file
        raise ValueError(f"{where}: expected user ids, one a line, got none")
    return ids


def held_of(home: Path, user_id: str) -> Iterator[dict[str, Any]]:
    """Each row of a person, table by table: `table`, then the row's columns.

    By user_key in every table that has one. In the quarantine, whose records nobody could read, by a text that holds
    the id as a word: such a record may be another person's. Raises KeyFileError without the lakehouse's key.
    """
    (key,) = UserKeys(home).of([user_id])
    for table in tables.ALL:
        if "user_key" in table.names:
            condition = f"user_key = {datafusion_literal(key)}"
        elif table is tables.QUARANTINE:
            condition = f"strpos(text, {datafusion_literal(user_id)}) > 0"
        else:
            continue
        try:
            rows = query(home, f"select * from {table.name} where {condition}", table).to_pylist()
        except TableMissingError:
            continue
        if table is tables.QUARANTINE:
            rows = [row for row in rows if _names(row["text"], user_id)]
        yield from ({"table": table.name, **row} for row in rows)


def _names(text: str, user_id: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(user_id)}(?!\w)", text) is not None
