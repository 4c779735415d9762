"""The true charts.

Criteria: plays, streams (30 seconds or more), listening_time (sum of played_ms), listeners (distinct users of a month
and country). Ranks order by the criterion and then by plays, both descending, then by the id in byte order; a figure
of 0 has no rank. Titles, artists, genres and durations are those of the latest delivery.

- daily_track_plays: play_date, country, age_group (both NULL if unknown), track_id, plays, streams, skips (under 30
  seconds), completes (95 % of the track or more; none for unknown tracks), listening_ms, section_plays (0: the files
  do not name the section of the app in which a play was started)
- top_tracks_by_country: month, country, criterion, rank 1 to 50, track_id, title, artist_name, genre, plays, streams,
  listening_ms, listeners; plays of unknown countries or tracks are in no chart
- top_artists_by_genre: chart_date, market (NULL: overall, unknown countries included), genre, criterion, rank 1 to 10,
  artist_id, artist_name, plays, streams, listening_ms; over the 30 days that end on chart_date
- age_group_favourites: chart_date, age_group, rank 1 to 8, track_id, title, artist_name, plays; over the 14 days that
  end on chart_date
The last two cover the world's last ten days.
"""

from pathlib import Path

import duckdb

from umg_assets.generator.world import STREAM_MS, World

_CHART_DAYS = 10
_TOP_TRACKS, _TOP_ARTISTS, _FAVOURITES = 50, 10, 8
_ARTIST_WINDOW, _FAVOURITE_WINDOW = 30, 14

_DAILY = f"""
create table daily as
select day, country, age_group, track, count(*) as plays,
    count(*) filter (played_ms >= {STREAM_MS}) as streams,
    count(*) filter (complete) as completes,
    sum(played_ms)::bigint as listening_ms
from plays group by all
"""

_DAILY_TRACK_PLAYS = """
select date '1970-01-01' + day as play_date, m.name as country, a.name as age_group, t.track_id,
    plays, streams, plays - streams as skips, completes, listening_ms, 0::bigint as section_plays
from daily
join (select track, track_id from tracks union all select track, track_id from unknown_tracks) t using (track)
left join markets m on m.country = daily.country
left join age_groups a on a.age_group = daily.age_group
order by day, daily.country, daily.age_group, track
"""

_TOP_TRACKS_BY_COUNTRY = f"""
with months as (
    select date_trunc('month', date '1970-01-01' + day)::date as month, country, track,
        sum(plays)::bigint as plays, sum(streams)::bigint as streams, sum(listening_ms)::bigint as listening_ms
    from daily group by all
), figures as (
    select month, m.name as country, t.track_id, title, artist_name, genre, plays, streams, listening_ms, listeners
    from months join markets m using (country) join tracks t using (track)
    join listeners l using (month, country, track)
), criteria as (
    unpivot (select *, plays as p, streams as s, listening_ms as ms, listeners as l from figures)
    on p as plays, s as streams, ms as listening_time, l as listeners into name criterion value figure
), ranked as (
    select *, row_number() over (
        partition by month, country, criterion order by figure desc, plays desc, track_id) as rank
    from criteria where figure > 0
)
select month, country, criterion, rank::int as rank, track_id, title, artist_name, genre,
    plays, streams, listening_ms, listeners
from ranked where rank <= {_TOP_TRACKS} order by month, country, criterion, rank
"""

_TOP_ARTISTS_BY_GENRE = f"""
with days as (
    select day, country, genre, artist_id, artist_name, sum(plays) as plays, sum(streams) as streams,
        sum(listening_ms) as listening_ms
    from daily join tracks using (track) group by all
), windows as (
    select chart_day, country, genre, artist_id, artist_name, sum(plays)::bigint as plays,
        sum(streams)::bigint as streams, sum(listening_ms)::bigint as listening_ms
    from days join chart_days on day between chart_day - {_ARTIST_WINDOW - 1} and chart_day group by all
), figures as (
    select chart_day, m.name as market, genre, artist_id, artist_name, plays, streams, listening_ms
    from windows join markets m using (country)
    union all
    select chart_day, null, genre, artist_id, artist_name, sum(plays)::bigint, sum(streams)::bigint,
        sum(listening_ms)::bigint
    from windows group by all
), criteria as (
    unpivot (select *, plays as p, streams as s, listening_ms as ms from figures)
    on p as plays, s as streams, ms as listening_time into name criterion value figure
), ranked as (
    select *, row_number() over (
        partition by chart_day, market, genre, criterion order by figure desc, plays desc, artist_id) as rank
    from criteria where figure > 0
)
select date '1970-01-01' + chart_day as chart_date, market, genre, criterion, rank::int as rank, artist_id, artist_name,
    plays, streams, listening_ms
from ranked where rank <= {_TOP_ARTISTS} order by chart_date, market, genre, criterion, rank
"""

_AGE_GROUP_FAVOURITES = f"""
with windows as (
    select chart_day, age_group, track, sum(plays)::bigint as plays
    from daily join chart_days on day between chart_day - {_FAVOURITE_WINDOW - 1} and chart_day
    group by all
), ranked as (
    select chart_day, a.name as age_group, track_id, title, artist_name, plays,
        row_number() over (partition by chart_day, a.name order by plays desc, track_id) as rank
    from windows join age_groups a using (age_group) join tracks using (track)
)
select date '1970-01-01' + chart_day as chart_date, age_group, rank::int as rank, track_id, title, artist_name, plays
from ranked where rank <= {_FAVOURITES} order by chart_date, age_group, rank
"""


def write_charts(con: duckdb.DuckDBPyConnection, world: World, truth: Path) -> None:
    """Write the charts as Parquet files under `truth`, from the tables of truth.connect_truth."""
    last = world.calendar.first + world.days - 1
    con.execute(_DAILY)
    con.execute(
        "create table chart_days as select unnest(range(?, ?))::int as chart_day",
        [last - min(_CHART_DAYS, world.days) + 1, last + 1],
    )
    for name, query in (
        ("daily_track_plays", _DAILY_TRACK_PLAYS),
        ("top_tracks_by_country", _TOP_TRACKS_BY_COUNTRY),
        ("top_artists_by_genre", _TOP_ARTISTS_BY_GENRE),
        ("age_group_favourites", _AGE_GROUP_FAVOURITES),
    ):
        target = str(truth / f"{name}.parquet").replace("'", "''")
        con.execute(f"copy ({query}) to '{target}' (format parquet)")
