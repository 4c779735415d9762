"""Previews of a table's latest partition for Dagster's UI: the top 10 as a table and a plot, and rows by day."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from umg_assets import tables
from umg_assets.drawing.bars import day_bars, named_bars
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.reading import datafusion_literal, query
from umg_assets.tables import Table
from umg_assets.text import markdown

TOP = 10
DAYS = 60


@dataclass(frozen=True)
class Ranking:
    """A chart's preview in SQL: its columns, the condition on a partition's rows, and their order.

    label: the columns that name a bar of the plot; without any, there is no plot. Bars show plays.
    """

    columns: str
    where: str
    order: str
    label: tuple[str, ...] = ()

    def sql(self, table: str, part: str) -> str:
        """The query for the top 10 of a part of the table."""
        where = self.where.format(table=table, part=part)
        return f"select {self.columns} from {table} where {part} and {where} order by {self.order} limit {TOP}"


_TITLE = "coalesce(title, track_id) as title"
RANKINGS = {
    tables.TOP_TRACKS_BY_COUNTRY: Ranking(
        f"rank, {_TITLE}, artist_name, plays, streams, listeners", "criterion = 'plays'", "rank", ("rank", "title")
    ),
    tables.TOP_ARTISTS_BY_GENRE: Ranking(
        "genre, rank, coalesce(artist_name, artist_id) as artist_name, plays, streams",
        "criterion = 'plays' and market is null",
        "plays desc, genre, rank",
        ("artist_name", "genre"),
    ),
    tables.AGE_GROUP_FAVOURITES: Ranking(
        f"age_group, {_TITLE}, artist_name, plays", "rank = 1", "age_group", ("age_group", "title")
    ),
    tables.CHART_MOVEMENTS: Ranking(
        "month, rank, track_id, movement, previous_rank, peak_rank, months_on_chart",
        "criterion = 'plays' and month = (select max(month) from {table} where {part})",
        "rank",
    ),
}
"""By chart, its preview."""
BY_DAY = {tables.PLAYS: tables.PLAYS, tables.DAILY_TRACK_PLAYS: tables.PLAYS, tables.SESSIONS: tables.SESSIONS}
"""By table, the table whose rows by day its preview shows."""


def as_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a markdown table; numbers are right-aligned, with a comma between thousands."""
    if not rows:
        return "*no rows*"
    names = list(rows[0])
    right = {name for name in names if isinstance(rows[0][name], int)}
    lines = [names, ["---:" if name in right else "---" for name in names]]
    lines += [[_cell(row[name]) for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else markdown(str(value))


def as_bars(rows: Sequence[Mapping[str, Any]], label: Sequence[str], title: str) -> str:
    """The plays of rows as horizontal bars, the first on top: markdown with an embedded picture."""
    bars = [("  ".join(str(row[name]) for name in label), row["plays"]) for row in rows]
    return _embedded(title, named_bars(bars, title))


def as_days(rows: Mapping[date, int], last: date, written: Sequence[date], name: str) -> str:
    """Rows by day over the 60 days to `last`, the days just written in colour: markdown with an embedded picture."""
    days = [last - timedelta(days=back) for back in reversed(range(DAYS))]
    title = f"{name} by day, to {last}"
    return _embedded(title, day_bars(rows, days, set(written), title))


def _embedded(title: str, svg: str) -> str:
    return f"![{markdown(title)}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def preview(lakehouse: Lakehouse, table: Table, keys: list[str], plots: bool) -> dict[str, str]:
    """Markdown for the partition of the last key: `preview`, a table, and `plot`, where the table has them."""
    if not keys:
        return {}
    if table in BY_DAY:
        if not plots:
            return {}
        source = BY_DAY[table]
        rows = {date.fromisoformat(day): count for (day,), count in lakehouse.rows(source).items()}
        days = [date.fromisoformat(key) for key in keys]
        return {"plot": as_days(rows, max(days), days, source.name.capitalize())}
    if table not in RANKINGS:
        return {}
    ranking, last = RANKINGS[table], keys[-1]
    rows = query(lakehouse.home, ranking.sql(table.name, _part(table, last)), table).to_pylist()
    markdown = {"preview": as_table(rows)}
    if rows and ranking.label and plots:
        markdown["plot"] = as_bars(rows, ranking.label, f"{table.name}, {last}: plays")
    return markdown


def _part(table: Table, key: str) -> str:
    values = dict(zip(sorted(table.partitioned_by), key.split("|"), strict=True))
    typed = {name: date.fromisoformat(text) if table.type_of(name) == "date" else text for name, text in values.items()}
    return " and ".join(f"{name} = {datafusion_literal(value)}" for name, value in typed.items())
