"""Reads what a preview shows: a few rows of the partition written last, or the numbers of rows in a table's log."""

from datetime import date

from umg_assets.previews import BY_DAY, RANKINGS, as_bars, as_days, as_table
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.reading import literal, query
from umg_assets.tables import Table


def preview(lakehouse: Lakehouse, table: Table, keys: list[str]) -> dict[str, str]:
    """Markdown of the partition that the last of the keys names: `preview`, a table, and `plot`; {} without one."""
    if not keys:
        return {}
    if table in BY_DAY:
        counted = BY_DAY[table]
        rows = {date.fromisoformat(day): count for (day,), count in lakehouse.rows(counted).items()}
        days = [date.fromisoformat(key) for key in keys]
        return {"plot": as_days(rows, max(days), days, counted.name.capitalize())}
    if table not in RANKINGS:
        return {}
    ranking, last = RANKINGS[table], keys[-1]
    rows = query(lakehouse.home, ranking.sql(table.name, _part(table, last)), table).to_pylist()
    shown = {"preview": as_table(rows)}
    if rows and ranking.label:
        shown["plot"] = as_bars(rows, ranking.label, f"{table.name}, {last}: plays")
    return shown


def _part(table: Table, key: str) -> str:
    values = dict(zip(sorted(table.partitioned_by), key.split("|"), strict=True))
    dated = {name: date.fromisoformat(text) if table.type_of(name) == "date" else text for name, text in values.items()}
    return " and ".join(f"{name} = {literal(value)}" for name, value in dated.items())
