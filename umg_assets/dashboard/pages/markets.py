"""Rows of monthly charts: a market's chart of a month with its movements and the ranks of the months before."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from umg_assets import tables
from umg_assets.calendar import months_before, next_month
from umg_assets.dashboard.addresses import chart_address
from umg_assets.dashboard.figures import Few, guarded, month_text
from umg_assets.dashboard.page import NotThereError
from umg_assets.dashboard.served import Rows, Served
from umg_assets.tables import CRITERIA, Criterion

FIGURES = ("plays", "streams", "listening_ms", "listeners")
LINE_MONTHS = 12
"""Months of a rank line."""


def market_month(served: Served, market: str, month: str | None) -> tuple[str, date]:
    """A market and month that have a chart; without a month, the newest of the market.

    Raises NotThereError that names the markets, or the months, that have one.
    """
    if market not in served.months:
        known = [(code, chart_address(code, months[-1])) for code, months in served.months.items()]
        raise NotThereError(f"There is no chart of market {market!r}. There are charts of {_all(known)}.", known)
    months = served.months[market]
    found = {month_text(of): of for of in months}
    wanted = month or month_text(months[-1])
    if wanted not in found:
        known = [(text, chart_address(market, of)) for text, of in reversed(found.items())]
        raise NotThereError(f"There is no chart of {market} for {wanted!r}. There are charts for {_all(known)}.", known)
    return market, found[wanted]


def _all(known: Sequence[tuple[str, str]]) -> str:
    return ", ".join(words for words, _ in known) or "none yet"


def chart_rows(served: Served, market: str, month: date, criterion: Criterion) -> Rows:
    """The chart with its movements, in order of rank: columns of top_tracks_by_country, previous_rank, peak_rank,
    months_on_chart, movement. Figures of few listeners are hidden; a track without a title has its id."""
    chart = served.relation(tables.TOP_TRACKS_BY_COUNTRY, country=market, month=month)
    moved = served.relation(tables.CHART_MOVEMENTS, country=market)
    rows = served.query(
        f"""select c.rank, c.track_id, c.title, c.artist_name, c.genre,
            c.plays, c.streams, c.listening_ms, c.listeners, c.data_through,
            m.movement, m.previous_rank, m.peak_rank, m.months_on_chart
        from {chart} c left join {moved} m
        on m.month = c.month and m.criterion = c.criterion and m.rank = c.rank and m.track_id = c.track_id
        where c.criterion = ? order by c.rank""",
        criterion,
    )
    withheld = served.withheld.get((market, month))
    return guarded(rows, served.settings.minimum_listeners, FIGURES, lambda row: row["track_id"] == withheld)


def criteria_of(served: Served, market: str, month: date) -> list[Criterion]:
    """The criteria by which a market has a chart: without durations there is none by streams or time."""
    return [name for name in CRITERIA if name in served.most_listeners(market, month)]


def rank_lines(served: Served, market: str, month: date, criterion: Criterion) -> dict[str, list[int | None]]:
    """By track, its rank in each of LINE_MONTHS months up to the month; None where it was not on the chart."""
    months = [of for of in months_before(month, LINE_MONTHS) if of >= served.months[market][0]]
    moved = served.relation(tables.CHART_MOVEMENTS, country=market)
    rows = served.query(
        f"select track_id, month, rank from {moved} where criterion = ? and month between ? and ?",
        criterion, months[0], month,
    )  # fmt: skip
    places = {of: place for place, of in enumerate(months)}
    lines: dict[str, list[int | None]] = {}
    for row in rows:
        lines.setdefault(row["track_id"], [None] * len(months))[places[row["month"]]] = row["rank"]
    return lines


def left_rows(served: Served, market: str, month: date, criterion: Criterion, chart: Rows) -> Rows:
    """Who was on the chart of the month before and is not on this: previous_rank, track_id, title, artist_name."""
    before = months_before(month, 2)[0]
    rows = served.query(
        f"""select rank as previous_rank, track_id, title, artist_name
        from {served.relation(tables.TOP_TRACKS_BY_COUNTRY, country=market, month=before)}
        where criterion = ? order by rank""",
        criterion,
    )
    here = {row["track_id"] for row in chart}
    return [row for row in rows if row["track_id"] not in here]


def climber(rows: Rows) -> dict[str, Any] | None:
    """The row that climbed most, the higher of two that climbed as far; None where none did."""
    climbed = [row for row in rows if row["movement"] == "up"]
    return max(climbed, key=lambda row: (row["previous_rank"] - row["rank"], -row["rank"]), default=None)


def plays_of_month(served: Served, market: str, month: date) -> tuple[int | Few | None, int | Few | None, date | None]:
    """Plays of a market in the complete days of a month; in the same days of the month before; and the last day
    counted. A whole month stands against the whole month before.

    All are None where no day of the month is complete. The second is None where the market's plays began after the
    first of the month before, or where that has no such day, as February has no 30th.

    Plays are `Few` where no track on the month's chart is known to have had enough listeners, and so are any of fewer
    plays than that.
    """
    end = next_month(month) - timedelta(days=1)
    last = min(end, served.complete_through)
    if last < month:
        return None, None, None
    before = months_before(month, 2)[0]
    end_before = month - timedelta(days=1)
    last_before = end_before if last == end else before + (last - month)
    now = then = 0
    for row in served.daily:
        if row["country"] == market:
            now += row["plays"] if month <= row["play_date"] <= last else 0
            then += row["plays"] if before <= row["play_date"] <= last_before else 0
    few = Few(served.settings.minimum_listeners)
    # a market had as many listeners as any of its tracks, at least
    has_enough = max(served.most_listeners(market, month).values(), default=0) >= few.minimum
    shown = now if has_enough and now >= few.minimum else few
    if last_before > end_before or served.first_days.get(market, month) > before:
        return shown, None, last
    return shown, then if has_enough and then >= few.minimum else few, last
