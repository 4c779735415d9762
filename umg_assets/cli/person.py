"""`umg export-user`: everything that a lakehouse holds of a person, for whoever asks for it."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from umg_assets import tables
from umg_assets.forgetting.places import quarantined_records
from umg_assets.privacy.keys import UserKeys
from umg_assets.privacy.seals import Seals
from umg_assets.resources.reading import TableMissingError, datafusion_literal, query

STANDARD_INPUT = Path("-")


def read_ids(file: Path) -> list[str]:
    """The user ids of a file, or of standard input for `-`: one a line, each once, as they were delivered.

    A byte order mark is no part of the first. Raises ValueError when there is none, or for text that is not UTF-8.
    """
    where = "standard input" if file == STANDARD_INPUT else file
    try:
        text = sys.stdin.read() if file == STANDARD_INPUT else file.read_bytes().decode()
        text.encode()
    except UnicodeError:
        raise ValueError(f"{where}: expected user ids in UTF-8, one a line, got other bytes") from None
    lines = text.removeprefix("\ufeff").split("\n")
    ids = list(dict.fromkeys(line.rstrip("\r") for line in lines if line.strip()))
    if not ids:
        raise ValueError(f"{where}: expected user ids, one a line, got none")
    return ids


def held_of(home: Path, user_id: str) -> Iterator[dict[str, Any]]:
    """Each row of a person, table by table: `table`, then the row's columns, those that are sealed opened.

    By user_key in every table that has one. In the quarantine, whose records nobody could read, by a text that holds
    the id as a word: such a record may be another person's; every text is opened for it. Raises KeyFileError without
    the lakehouse's keys, SealError for a value that they do not open.
    """
    (key,), seals = UserKeys(home).of([user_id]), Seals(home)
    for table in tables.ALL:
        try:
            if "user_key" in table.names:
                condition = f"user_key = {datafusion_literal(key)}"
                rows = query(home, f"select * from {table.name} where {condition}", table).to_pylist()
                if table.sealed and rows:
                    for row, value in zip(rows, seals.opened(table, [row[table.sealed] for row in rows]), strict=True):
                        row[table.sealed] = value
            elif table is tables.QUARANTINE:
                rows = [row for row in quarantined_records(home) if row["text"] and _names(row["text"], user_id)]
            else:
                continue
        except TableMissingError:
            continue
        yield from ({"table": table.name, **row} for row in rows)


def _names(text: str, user_id: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(user_id)}(?!\w)", text) is not None
