"""SQL over the tables of sums: plays by day and market, growth between two months.

DataFusion and DuckDB take these queries alike, over the tables by the names of their contracts.
"""

from collections.abc import Sequence
from datetime import date
from typing import Literal

from umg_assets import tables
from umg_assets.resources.reading import datafusion_literal

Grown = Literal["tracks", "artists"]


def plays_by_day(first: date, last: date, markets: Sequence[str] = ()) -> str:
    """Plays of the days from first to last, both included, by day and market; markets: none for all.

    Out: play_date, country (NULL: unknown), plays, streams and listening_ms (NULL where no duration is known), by day
    and country. A day and market without a play has no row.
    """
    where = f"play_date between {datafusion_literal(first)} and {datafusion_literal(last)}"
    if markets:
        where += f" and country in {datafusion_literal(list(markets))}"
    return (
        "select play_date, country, sum(plays) as plays, sum(streams) as streams, sum(listening_ms) as listening_ms "
        f"from {tables.DAILY_TRACK_PLAYS.name} where {where} group by play_date, country "
        "order by play_date, country nulls last"
    )


def growth(of: Grown, before: date, after: date, market: str | None, measure: str, falling: bool, size: int) -> str:
    """The tracks or artists whose sum of a measure grew most from one month to another, whether on a chart or not.

    before, after: first days of the months. market: None for all, unknown ones included. measure: a column of
    monthly_track_plays. falling: those that fell most instead. Out: id, title (of tracks), artist_name,
    value_before and value_after (0 where nothing was played), change. What changed not at all,
    or in the other direction, has no row. Ties are broken by value_after, then id. An artist is that of tracks: plays
    of other tracks are left out.
    """
    key, named = {
        "tracks": ("monthly.track_id", ("title", "artist_name")),
        "artists": ("tracks.artist_id", ("artist_name",)),
    }[of]
    names = ", ".join(f"max(tracks.{name}) as {name}" for name in named)
    months = [datafusion_literal(month) for month in (before, after)]
    value_before, value_after = (
        f"coalesce(sum(case when monthly.month = {month} then monthly.{measure} end), 0)" for month in months
    )
    where = f"monthly.month in ({', '.join(months)}) and monthly.{measure} is not null and {key} is not null"
    if market is not None:
        where += f" and monthly.country = {datafusion_literal(market)}"
    return (
        f"select id, {', '.join(named)}, "
        "value_before, value_after, value_after - value_before as change from ("
        f"select {key} as id, {names}, {value_before} as value_before, {value_after} as value_after "
        f"from {tables.MONTHLY_TRACK_PLAYS.name} as monthly "
        f"left join {tables.TRACKS.name} as tracks on tracks.track_id = monthly.track_id where {where} group by {key}"
        f") as sums where value_after {'<' if falling else '>'} value_before "
        f"order by change {'asc' if falling else 'desc'}, value_after desc, id limit {size}"
    )
