"""What Dagster's UI shows of a table's latest partition: the top 10 as a table and a plot, and rows by day. Pure."""

import base64
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from umg_assets import tables

TOP = 10
DAYS = 60
_BLUE, _GREY = "#4f43dd", "#b8b5d9"


@dataclass(frozen=True)
class Ranking:
    """The rows of a chart to show: SQL of the columns, of the rows among a partition's, and of their order.

    label: the columns that name a bar; without one, there is no plot. The figure is plays.
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
"""By chart, what its preview shows."""
BY_DAY = {tables.PLAYS: tables.PLAYS, tables.DAILY_TRACK_PLAYS: tables.PLAYS, tables.SESSIONS: tables.SESSIONS}
"""By table, the one whose rows by day its preview shows."""


def as_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a markdown table; numbers stand right, with thousands apart."""
    if not rows:
        return "*no rows*"
    names = list(rows[0])
    right = {name for name in names if isinstance(rows[0][name], int)}
    lines = [names, ["---:" if name in right else "---" for name in names]]
    lines += [[_shown(row[name]) for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")


def as_bars(rows: Sequence[Mapping[str, Any]], label: Sequence[str], title: str) -> str:
    """The plays of rows as horizontal bars, the first on top: markdown with the picture in it."""
    names = [_cut("  ".join(str(row[name]) for name in label)) for row in rows]
    return _plot(title, 0.6 + 0.25 * len(rows), lambda axes: _bars(axes, names, [row["plays"] for row in rows]))


def as_days(rows: Mapping[date, int], last: date, written: Sequence[date], what: str) -> str:
    """Rows by day over the 60 days that end on `last`, those written just now in colour: markdown with the picture."""
    days = [last - timedelta(days=back) for back in reversed(range(DAYS))]
    colours = [_BLUE if day in set(written) else _GREY for day in days]

    def draw(axes: Any) -> None:
        axes.bar(range(DAYS), [rows.get(day, 0) for day in days], color=colours, width=0.8)
        axes.set_xticks(range(0, DAYS, 7), [f"{day:%d %b}" for day in days[::7]])
        axes.yaxis.set_major_formatter("{x:,.0f}")

    return _plot(f"{what} by day, to {last}", 2.2, draw)


def _bars(axes: Any, names: Sequence[str], figures: Sequence[int]) -> None:
    places = range(len(names))
    drawn = axes.barh(places, figures, color=_BLUE)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.bar_label(drawn, [f"{figure:,}" for figure in figures], padding=3, fontsize=8)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


def _cut(name: str, length: int = 40) -> str:
    # a $ would begin mathematics
    return (name if len(name) <= length else f"{name[: length - 1]}…").replace("$", r"\$")


def _plot(title: str, height: float, draw: Any) -> str:
    # imported when the first one is drawn: it takes as long as all else that a definition loads
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(labelsize=8, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    draw(axes)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # of an emoji in a title, a box is drawn
        figure.savefig(picture, format="png", dpi=96)
    return f"![{title}](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})"
