"""The charts counted again by another way: plain DuckDB SQL on the raw tables, no code shared with the transforms.

Each query says what the lakehouse's table must hold. A play is the last of its copies; a user's values are those of the
record delivered last before or on the play's day, else of the first one ever.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import deltalake
import duckdb

from umg_assets.settings import Settings


@dataclass(frozen=True)
class Difference:
    """A row that only one side has: the table, which side, and the row."""

    table: str
    only_in: str
    row: dict[str, Any]


_PLAYS = """
create or replace temp table counted as
with copies as (
    select play_id, play_date, delivery_date, source_file, record,
        count(*) over (partition by play_id) as copies,
        row_number() over (partition by play_id order by delivery_date, source_file, record) as nth
    from raw_plays where play_date <= $today
), beaten as (
    select distinct old.play_id, old.nth from copies old join copies late
    on late.play_id = old.play_id and late.nth > old.nth
        and abs(date_diff('day', old.play_date, late.play_date)) <= $correction_days
    where old.copies > 1
), kept as (
    select raw.* from raw_plays raw join copies using (play_id, delivery_date, source_file, record)
    anti join beaten on beaten.play_id = copies.play_id and beaten.nth = copies.nth
), people as (
    select user_key, delivery_date, last(country order by source_file, record) as home,
        last(age_group order by source_file, record) as given,
        last(birth_date order by source_file, record) as born
    from raw_users group by user_key, delivery_date
), earliest as (
    select user_key, first(struct_pack(home, given, born) order by delivery_date) as person
    from people group by user_key
), stamped as (
    select kept.*, own.delivery_date is not null as dated, own.home, own.given, own.born,
        earliest.person
    from kept asof left join people own on own.user_key = kept.user_key and own.delivery_date <= kept.play_date
    left join earliest on earliest.user_key = kept.user_key
), resolved as (
    select * exclude (home, given, born, person, dated),
        case when dated then home else person.home end as home,
        case when dated then given else person.given end as given,
        case when dated then born else person.born end as born
    from stamped
), catalogue as (
    select track_id, last(struct_pack(title, artist_id, artist_name, genre, duration_ms)
        order by delivery_date, source_file, record) as track
    from raw_tracks group by track_id
)
select play_id, user_key, session_id, resolved.track_id, started_at, played_ms, play_date,
    coalesce(resolved.country, home) as country,
    coalesce(given, (
        select group_name from age_groups
        where born + to_years(lower_bound) <= play_date order by lower_bound desc limit 1
    )) as age_group,
    played_ms >= $stream_ms as stream, played_ms < $stream_ms as skip,
    played_ms * 100 >= track.duration_ms * $complete_percent as complete,
    catalogue.track_id is not null as known,
    track.title as title, track.artist_id as artist_id, track.artist_name as artist_name, track.genre as genre
from resolved left join catalogue on catalogue.track_id = resolved.track_id
"""

_TOP_TRACKS = """
with figures as (
    select date_trunc('month', play_date)::date as month, country, track_id, any_value(title) as title,
        any_value(artist_name) as artist_name, any_value(genre) as genre, count(*) as plays,
        sum(stream::int)::bigint as streams, sum(played_ms)::bigint as listening_ms,
        count(distinct user_key) as listeners
    from counted where country in (select market from markets) and (known or not $catalogue)
    group by 1, 2, 3
), through as (
    select date_trunc('month', play_date)::date as month, max(play_date) as data_through from counted group by 1
), ranked as (
    select *, row_number() over (
        partition by month, country, criterion order by figure desc, plays desc, track_id collate "binary"
    )::int as rank
    from (unpivot (select *, plays as a, streams as b, listening_ms as c, listeners as d from figures)
        on a as plays, b as streams, c as listening_time, d as listeners into name criterion value figure)
    where figure > 0
)
select month, country, criterion, rank, track_id, title, artist_name, genre, plays, streams, listening_ms, listeners,
    data_through
from ranked join through using (month) where rank <= $top_tracks
"""

QUERIES = {
    "plays": """
        select play_date, play_id, user_key, session_id, track_id, started_at, played_ms, stream as is_stream,
            skip as is_skip, complete as is_complete, country, age_group
        from counted
    """,
    "daily_track_plays": """
        select play_date, country, age_group, track_id, count(*) as plays, sum(stream::int)::bigint as streams,
            sum(skip::int)::bigint as skips, sum(complete::int)::bigint as completes,
            sum(played_ms)::bigint as listening_ms
        from counted group by 1, 2, 3, 4
    """,
    "top_tracks_by_country": _TOP_TRACKS,
}
"""What each table must hold, by the raw tables alone."""


def recount(settings: Settings, today: date, limit: int = 20) -> Iterator[Difference]:
    """The rows that a table and its recount do not share, at most `limit` a table and side.

    today: the running local day; later plays wait in raw. Reads the raw tables whole.
    """
    with duckdb.connect(config={"memory_limit": "4GB"}) as con:
        con.execute("set TimeZone = 'UTC'")
        for name in ("raw_plays", "raw_users", "raw_tracks", *QUERIES):
            con.register(name, _dataset(settings.home, name))
        con.execute("create temp table markets as select unnest(?) as market", [list(settings.markets)])
        con.execute(
            "create temp table age_groups as select unnest(?) as lower_bound, unnest(?) as group_name",
            [list(settings.age_groups), list(_age_group_names(settings.age_groups))],
        )
        values = {
            "today": today,
            "correction_days": settings.correction_days,
            "stream_ms": timedelta(seconds=settings.thresholds.stream_seconds) // timedelta(milliseconds=1),
            "complete_percent": settings.thresholds.complete_percent,
            "catalogue": bool(settings.sources.tracks),
            "top_tracks": settings.charts.top_tracks,
        }
        _execute(con, _PLAYS, values)
        for name, query in QUERIES.items():
            columns = [row[0] for row in con.execute(f"describe {name}").fetchall()]
            named = ", ".join(columns)
            _execute(con, f"create or replace temp table expected as select {named} from ({query})", values)
            for side, left, right in (("the table", name, "expected"), ("the recount", "expected", name)):
                found = con.execute(
                    f"select {named} from {left} except all select {named} from {right} order by all limit {limit}"
                ).fetchall()
                for row in found:
                    yield Difference(name, side, dict(zip(columns, row, strict=True)))


def _execute(con: duckdb.DuckDBPyConnection, query: str, values: dict[str, Any]) -> None:
    con.execute(query, {name: value for name, value in values.items() if f"${name}" in query})


def _dataset(home: Path, name: str) -> Any:
    return deltalake.DeltaTable(home / "tables" / name).to_pyarrow_dataset()


def _age_group_names(bounds: tuple[int, ...]) -> Iterator[str]:
    for position, bound in enumerate(bounds):
        yield f"{bound}-{bounds[position + 1] - 1}" if position + 1 < len(bounds) else f"{bound}+"
