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
    `minimum_listeners` listeners or plays are left out, and so is a track of which the sum would tell what other pages
    hide: a chart of a market and month that the period touches withholds it, or just one of the markets had few of its
    listeners. Of those of few listeners or plays before, the plays before are hidden and the growth is None, as it
    would tell them; so is the percentage of those with none. An artist's plays are those of the tracks that may be
    shown in both periods; if all that it had before was few, of those that may be shown now.
    """
    played = served.track_plays({"plays": now.days, "plays_before": before.days}, market)
    minimum = served.settings.minimum_listeners
    more = "plays - plays_before" if order == "plays" else "(plays - plays_before) / plays_before"
    grown = f"plays >= {minimum} and plays > plays_before" + (
        "" if order == "plays" else f" and plays_before >= {minimum}"
    )
    counted = f"""(select p.*, {_may_be_shown(minimum, "")} as is_shown,
            {_may_be_shown(minimum, "_before")} as was_shown,
            least(plays_before, coalesce(people_before, 0)) < {minimum} as was_few
        from played p left join {_people(served, now, before, market)} l on l.track_id = p.track_id)"""
    withheld = [list(column) for column in zip(*_withheld(served), strict=True)] or [[], [], []]
    catalogue = served.relation(tables.TRACKS)
    known_before = "(was_shown or was_few)" if order == "plays" else "was_shown"
    tracks = served.query(
        f"""select p.track_id, t.title, t.artist_name, p.plays, p.plays_before, p.was_few
        from (select * from {counted} where {grown} and is_shown and {known_before}
            order by {more} desc, plays desc, track_id limit {MOST}) p
        left join {catalogue} t on t.track_id = p.track_id order by {more} desc, plays desc, p.track_id""",
        *withheld, played=played,
    )  # fmt: skip
    artists = served.query(
        f"""select artist_id, artist_name, plays, plays_before, was_few
        from (
            select artist_id, artist_name, if(shown_before = 0, few_before, 0) > 0 as was_few,
                (if(was_few, all_plays, shown_plays))::bigint as plays,
                (if(was_few, few_before, shown_before))::bigint as plays_before
            from (
                select coalesce(t.artist_id, t.artist_name) as artist_id, any_value(t.artist_name) as artist_name,
                    sum(p.plays) as all_plays, coalesce(sum(p.plays) filter (was_shown), 0) as shown_plays,
                    coalesce(sum(p.plays_before) filter (was_shown), 0) as shown_before,
                    coalesce(sum(p.plays_before) filter (not was_shown), 0) as few_before
                from {counted} p join {catalogue} t on t.track_id = p.track_id
                where coalesce(t.artist_id, t.artist_name) is not null and is_shown and {known_before} group by 1))
        where {grown} order by {more} desc, plays desc, artist_id limit {MOST}""",
        *withheld, played=played,
    )  # fmt: skip
    return [_shown(row, minimum) for row in tracks], [_shown(row, minimum) for row in artists]


def _may_be_shown(minimum: int, period: str) -> str:
    """SQL: whether a track's plays in a period may be shown. period: the end of its columns' names."""
    enough = f"plays{period} >= {minimum} and coalesce(people{period}, 0) >= {minimum}"
    return f"(plays{period} = 0 or ({enough} and not is_hidden{period}))"


def _withheld(served: Served) -> list[tuple[str, date, str]]:
    """Market, month and track of what charts withhold."""
    return [(market, month, track_id) for (market, month), track_id in served.withheld.items()]


def _people(served: Served, now: Period, before: Period, market: str | None) -> str:
    """SQL to select from, with three lists for its question marks, the columns of `_withheld`.

    By track, of the months that each period touches: the fewest listeners that it is known to have had (people,
    people_before; somebody may be among those of several months and markets), and whether the sum over these months
    and markets would tell what is hidden in them (is_hidden, is_hidden_before): what a chart withholds in any, or few
    listeners in just one market.
    """
    of = {"": now, "_before": before}
    months = {name: sorted({day.replace(day=1) for day in period.days}) for name, period in of.items()}
    sums = ", ".join(
        f"max(listeners) filter ({within}) as people{name}, "
        f"coalesce(bool_or(is_withheld) filter ({within}), false) or "
        f"count(distinct coalesce(country, '')) filter (is_few and {within}) = 1 as is_hidden{name}"
        for name, those in months.items()
        for within in (f"month in ({', '.join(repr(str(month)) for month in those)})",)
    )
    rows = served.relation(tables.MONTHLY_TRACK_PLAYS, month={month for those in months.values() for month in those})
    where = f"where m.country = '{market}'" if market in served.definitions["markets"] else ""
    return f"""(select track_id, {sums} from (
        select m.*, listeners < {served.settings.minimum_listeners} as is_few, w.track_id is not null as is_withheld
        from {rows} m
        left join (select unnest(?::varchar[]) as country, unnest(?::date[]) as month, unnest(?::varchar[]) as track_id)
            w on w.country = m.country and w.month = m.month and w.track_id = m.track_id
        {where}) group by track_id)"""


def _shown(row: dict, minimum: int) -> dict:
    """The row with its growth. Nobody (0) is nothing to hide; a few are."""
    plays, before = row["plays"], row["plays_before"]
    if row.pop("was_few") and before > 0:
        return {**row, "plays_before": Few(minimum), "growth": None, "growth_percent": None}
    percent = round(100 * (plays - before) / before, 1) if before else None
    return {**row, "growth": plays - before, "growth_percent": percent}


def whole_weeks(length: int) -> int:
    """The least number of days, in whole weeks, by which a period of so many days must be moved to clear itself."""
    return -(-length // 7) * 7


def total(rows: Sequence[dict], days: Period, name: str) -> int:
    """A figure of the daily sums, over the days of a period."""
    return sum(row[name] for row in rows if days.first <= row["play_date"] <= days.last)
