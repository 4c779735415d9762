"""Which tracks and artists grew most between two periods."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from umg_assets import tables
from umg_assets.calendar import days_between
from umg_assets.dashboard.figures import Few
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
    `minimum_listeners` plays are left out, and so are those that had fewer listeners in the months of the period. Of
    those with some but fewer before, the plays before are hidden and the growth is None, as it would tell them; so is
    the percentage of those with none.
    """
    played = served.track_plays({"plays": now.days, "plays_before": before.days}, market)
    minimum = served.settings.minimum_listeners
    more = "plays - plays_before" if order == "plays" else "(plays - plays_before) / plays_before"
    grown = f"plays >= {minimum} and people >= {minimum} and plays > plays_before" + (
        "" if order == "plays" else f" and plays_before >= {minimum} and people_before >= {minimum}"
    )
    counted = f"""(select p.*, coalesce(people, 0) as people, coalesce(people_before, 0) as people_before
        from played p left join {_most_people(served, now, before, market)} l on l.track_id = p.track_id)"""
    catalogue = served.relation(tables.TRACKS)
    tracks = served.query(
        f"""select p.track_id, t.title, t.artist_name, p.plays, p.plays_before, p.people_before
        from (select * from {counted} where {grown} order by {more} desc, plays desc, track_id limit {MOST}) p
        left join {catalogue} t on t.track_id = p.track_id order by {more} desc, plays desc, p.track_id""",
        played=played,
    )
    artists = served.query(
        f"""select artist_id, artist_name, plays, plays_before, people_before
        from (
            select coalesce(t.artist_id, t.artist_name) as artist_id, any_value(t.artist_name) as artist_name,
                sum(p.plays)::bigint as plays, sum(p.plays_before)::bigint as plays_before,
                sum(p.people) as people, sum(p.people_before) as people_before
            from {counted} p join {catalogue} t on t.track_id = p.track_id
            where coalesce(t.artist_id, t.artist_name) is not null group by 1)
        where {grown} order by {more} desc, plays desc, artist_id limit {MOST}""",
        played=played,
    )
    return [_shown(row, minimum) for row in tracks], [_shown(row, minimum) for row in artists]


def _most_people(served: Served, now: Period, before: Period, market: str | None) -> str:
    """SQL to select from: by track, the most listeners that it can have had in each period (people, people_before):
    those of all the months that it touches, each counted in each."""
    of = {"people": now, "people_before": before}
    months = {name: sorted({day.replace(day=1) for day in period.days}) for name, period in of.items()}
    sums = ", ".join(
        f"sum(listeners) filter (month in ({', '.join(repr(str(month)) for month in those)})) as {name}"
        for name, those in months.items()
    )
    rows = served.relation(tables.MONTHLY_TRACK_PLAYS, month={month for those in months.values() for month in those})
    where = f"where country = '{market}'" if market in served.definitions["markets"] else ""
    return f"(select track_id, {sums} from {rows} {where} group by track_id)"


def _shown(row: dict, minimum: int) -> dict:
    """The row with its growth. Nobody (0) is nothing to hide; a few are."""
    plays, before = row["plays"], row["plays_before"]
    people = row.pop("people_before")
    if before > 0 and min(before, people) < minimum:
        return {**row, "plays_before": Few(minimum), "growth": None, "growth_percent": None}
    percent = round(100 * (plays - before) / before, 1) if before else None
    return {**row, "growth": plays - before, "growth_percent": percent}


def whole_weeks(length: int) -> int:
    """The least number of days, in whole weeks, by which a period of so many days must be moved to clear itself."""
    return -(-length // 7) * 7


def total(rows: Sequence[dict], days: Period, name: str) -> int:
    """A figure of the daily sums, over the days of a period."""
    return sum(row[name] for row in rows if days.first <= row["play_date"] <= days.last)
