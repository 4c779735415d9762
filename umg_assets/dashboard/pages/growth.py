"""Which tracks and artists grew most between two periods."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from umg_assets import tables
from umg_assets.calendar import days_between
from umg_assets.dashboard.figures import Few
from umg_assets.dashboard.pages.names import named, titled
from umg_assets.dashboard.served import Rows, Served

MOST = 20
Order = Literal["plays", "percent"]
ORDERS: dict[str, Order] = {"plays": "plays", "percent": "percent"}
FIGURES = ("plays", "plays_before", "growth", "growth_percent")
TRACK_COLUMNS = ("track_id", "title", "artist_name", *FIGURES)
ARTIST_COLUMNS = ("artist_name", *FIGURES)


@dataclass(frozen=True)
class Period:
    """Days from first to last, both included."""

    first: date
    last: date

    @property
    def days(self) -> list[date]:
        """Every day of it."""
        return days_between(self.first, self.last)

    def earlier(self, by: int) -> "Period":
        """The period as long, so many days earlier."""
        return Period(self.first - timedelta(days=by), self.last - timedelta(days=by))


def growth(served: Served, now: Period, before: Period, market: str | None, order: Order) -> tuple[Rows, Rows]:
    """The tracks, and the artists, whose plays grew most from the period before: at most MOST each, with FIGURES.

    market: its plays only; None: all plays. order: by how many plays more, or by percent. Those of fewer than
    `minimum_listeners` plays are left out. Of those with some but fewer plays before, these are hidden and the growth
    is None, as it would tell them; so is the percentage of those with none.
    """
    played = served.track_plays({"plays": now.days, "plays_before": before.days}, market)
    minimum = served.settings.minimum_listeners
    more = "plays - plays_before" if order == "plays" else "(plays - plays_before) / plays_before"
    grown = f"plays >= {minimum} and plays > plays_before" + (
        "" if order == "plays" else f" and plays_before >= {minimum}"
    )
    catalogue = served.relation(tables.TRACKS)
    tracks = served.query(
        f"""select p.track_id, {titled("t").replace("t.track_id", "p.track_id")} as title,
            {named("t.artist_name")} as artist_name, p.plays, p.plays_before
        from (select * from played where {grown} order by {more} desc, plays desc, track_id limit {MOST}) p
        left join {catalogue} t on t.track_id = p.track_id order by {more} desc, plays desc, p.track_id""",
        played=played,
    )
    artists = served.query(
        f"""select coalesce(max({named("artist_name")}), artist_id) as artist_name, plays, plays_before from (
            select coalesce(t.artist_id, t.artist_name) as artist_id, any_value(t.artist_name) as artist_name,
                sum(p.plays)::bigint as plays, sum(p.plays_before)::bigint as plays_before
            from played p join {catalogue} t on t.track_id = p.track_id
            where coalesce(t.artist_id, t.artist_name) is not null group by 1)
        where {grown} group by artist_id, plays, plays_before
        order by {more} desc, plays desc, artist_id limit {MOST}""",
        played=played,
    )
    return [_shown(row, minimum) for row in tracks], [_shown(row, minimum) for row in artists]


def _shown(row: dict, minimum: int) -> dict:
    """The row with its growth. Nobody (0) is nothing to hide; a few are."""
    plays, before = row["plays"], row["plays_before"]
    if 0 < before < minimum:
        return {**row, "plays_before": Few(minimum), "growth": None, "growth_percent": None}
    percent = round(100 * (plays - before) / before, 1) if before else None
    return {**row, "growth": plays - before, "growth_percent": percent}


def whole_weeks(length: int) -> int:
    """The least number of days, in whole weeks, by which a period of so many days must be moved to clear itself."""
    return -(-length // 7) * 7


def total(rows: Sequence[dict], days: Period, name: str) -> int:
    """A figure of the daily sums, over the days of a period."""
    return sum(row[name] for row in rows if days.first <= row["play_date"] <= days.last)
