"""Small results read from the tables for people: the quarantine, sums of the ledger.

Plain rows, no printing: needs no engine, no Dagster, no typer and no rich.
"""

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from umg_assets import tables
from umg_assets.planning.history import History
from umg_assets.privacy.keys import KeyFileError
from umg_assets.privacy.seals import Seals
from umg_assets.resources.reading import partition_values, read_table, rows_of


def duplicates(home: Path, history: History) -> tuple[int, int]:
    """The number of copies of plays in raw_plays, and of plays: the difference is the number of duplicates.

    Days that have not begun wait in raw and are counted in neither.
    """
    days = {date.fromisoformat(day) for day in partition_values(home, tables.PLAYS, "play_date")}
    copies = sum(
        count
        for entry in history.standing("plays")
        for day, count in entry.rows_by_play_date.items()
        if date.fromisoformat(day) in days
    )
    return copies, rows_of(home, tables.PLAYS)


class Quarantine(NamedTuple):
    """Records that could not land: counts by source and reason, the largest first, and the rows.

    sealed: why the rows' text stays sealed, and what opens it; None where it is open.
    """

    counts: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    sealed: str | None = None


def quarantine(home: Path, source: str | None, reason: str | None, days: tuple[date, date] | None) -> Quarantine:
    """The quarantine of the deliveries that match, its text opened if this user can read the key.

    days: the first and last delivery date. None matches everything. Raises SealError for a text that was changed.
    """
    where: list[tuple[str, str, str | date]] = []
    if source:
        where.append(("source", "=", source))
    if reason:
        where.append(("reason", "=", reason))
    if days:
        where += [("delivery_date", ">=", days[0]), ("delivery_date", "<=", days[1])]
    table = read_table(home, tables.QUARANTINE, where)
    rows = table.sort_by([(name, "ascending") for name in ("delivery_date", "source_file", "record")]).to_pylist()
    records = Counter((row["source"], row["reason"]) for row in rows)
    counts = [
        {"source": source, "reason": reason, "records": count}
        for (source, reason), count in sorted(records.items(), key=lambda item: (-item[1], item[0]))
    ]
    try:
        texts = Seals(home).opened(tables.QUARANTINE, [row["text"] for row in rows])
    except (KeyFileError, PermissionError) as error:
        return Quarantine(counts, [{**row, "text": None} for row in rows], f"the records' text is sealed: {error}")
    return Quarantine(counts, [{**row, "text": text} for row, text in zip(rows, texts, strict=True)])
