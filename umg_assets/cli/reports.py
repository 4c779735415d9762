"""Small results read from the tables for people: the quarantine, sums of the ledger.

Plain rows, no printing: needs no engine, no Dagster, no typer and no rich.
"""

import itertools
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from umg_assets import tables
from umg_assets.planning.history import History
from umg_assets.privacy.keys import KeyFileError
from umg_assets.privacy.seals import Seals
from umg_assets.resources.reading import datafusion_literal, partition_values, query, rows_of


def duplicates(home: Path, history: History) -> tuple[int, int]:
    """The number of copies of plays in raw_plays, and of plays: the difference is the number of duplicates.

    Days that have not begun wait in raw and are counted in neither.
    """
    days = {date.fromisoformat(day) for day in partition_values(home, tables.PLAYS, "play_date")}
    copies = sum(count for day, count in history.rows_by_day("plays").items() if day in days)
    return copies, rows_of(home, tables.PLAYS)


class Quarantine(NamedTuple):
    """Records that could not land: counts by source and reason, the largest first, and the rows.

    sealed: why the rows' text stays sealed, and what opens it; None where it is open.
    """

    counts: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    sealed: str | None = None

    @property
    def records(self) -> int:
        """The number of records of all counts."""
        return sum(count["records"] for count in self.counts)


def quarantine(
    home: Path, source: str | None, reason: str | None, days: tuple[date, date] | None, limit: int | None = None
) -> Quarantine:
    """The quarantine of the deliveries that match, its text opened if this user can read the key.

    days: the first and last delivery date. None matches everything. limit: of the rows; only the delivery days that
    hold the first so many are read. Raises SealError for a text that was changed.
    """
    conditions = [f"source = {datafusion_literal(source)}"] if source else []
    conditions += [f"reason = {datafusion_literal(reason)}"] if reason else []
    if days:
        first, last = map(datafusion_literal, days)
        conditions.append(f"delivery_date between {first} and {last}")
    where = " and ".join(conditions) or "true"
    grouped = "source, reason, delivery_date"
    counted = f"select {grouped}, count(*) as records from quarantine where {where} group by {grouped}"
    groups = query(home, counted, tables.QUARANTINE).to_pylist()
    records: Counter[tuple[str, str]] = Counter()
    by_day: Counter[date] = Counter()
    for group in groups:
        records[group["source"], group["reason"]] += group["records"]
        by_day[group["delivery_date"]] += group["records"]
    counts = [
        {"source": source, "reason": reason, "records": count}
        for (source, reason), count in sorted(records.items(), key=lambda item: (-item[1], item[0]))
    ]
    if limit is not None:
        held = itertools.accumulate(by_day[day] for day in sorted(by_day))
        until = next((day for day, sum_ in zip(sorted(by_day), held, strict=True) if sum_ >= limit), None)
        where += f" and delivery_date <= {datafusion_literal(until)}" if until else ""
    columns = ", ".join(tables.QUARANTINE.names)
    ordered = f"select {columns} from quarantine where {where} order by delivery_date, source_file, record"
    rows = query(home, f"{ordered} limit {limit}" if limit is not None else ordered, tables.QUARANTINE).to_pylist()
    try:
        texts = Seals(home).opened(tables.QUARANTINE, [row["text"] for row in rows])
    except (KeyFileError, PermissionError) as error:
        return Quarantine(counts, [{**row, "text": None} for row in rows], f"the records' text is sealed: {error}")
    return Quarantine(counts, [{**row, "text": text} for row, text in zip(rows, texts, strict=True)])
