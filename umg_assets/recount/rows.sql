-- What each recounted table must hold according to the raw tables alone: counted.NAME, in DuckDB's SQL.
-- Expects raw_plays, raw_users, raw_tracks and raw_app_events, the tables markets (market) and age_groups (lower_bound,
-- name), kept_days (play_date) whose plays are not counted but taken from kept_plays, and the variables named below.
-- Definitions follow the contracts; no query is taken from a transform.

create schema counted;

-- Copied first: DuckDB recognises the large side of a join only if it is one of its own tables.
create temp table delivered as
select play_id, play_pseudonym, user_key, coalesce(session_pseudonym, session_id) as session_id, track_id, started_at,
    played_ms, country, play_date, delivery_date, source_file, record, section, coalesce(generation, 0) as landing
from raw_plays;

-- A copy of a play gives way to a copy delivered later with the same play_id, at most correction_days away. Of one
-- delivery day, the copy of a later landing is the later one.
create temp table beaten as
with repeated as (
    select play_id from delivered group by play_id having count(*) > 1
), copies as (
    select play_id, play_date, delivery_date, source_file, record,
        row_number() over (partition by play_id order by delivery_date, landing, source_file, record) as nth
    from delivered semi join repeated using (play_id)
)
select delivery_date, source_file, record from copies
qualify nth < max(nth) over (
    partition by play_id order by play_date - date '1970-01-01'
    range between getvariable('correction_days') preceding and getvariable('correction_days') following
);

-- The app's events that start or end a play, each event once, where plays are built from events.
create temp table marks as
with copies as (
    select *, row_number() over (
        partition by event_id order by delivery_date, coalesce(generation, 0), source_file, record
    ) as nth
    from raw_app_events where getvariable('event_plays')
), latest as (
    select * from copies
    qualify nth = max(nth) over (
        partition by event_id order by event_date - date '1970-01-01'
        range between getvariable('correction_days') preceding and getvariable('correction_days') following
    )
)
select event_id, event_name = 'play_end' as ends, user_key, coalesce(session_pseudonym, session_id) as session_id,
    track_id, occurred_at, event_date, properties ->> '$.play_id' as given_id, play_pseudonym, try_cast(properties ->> '$.played_ms' as bigint) as given_ms,
    nullif(properties ->> '$.section', '') as section, hash(user_key, session_id, track_id, given_id) as play
from latest where event_name in ('play_start', 'play_end') and track_id is not null;

-- A start that follows another start of its play, within 2 seconds or with the same play_id, repeats it. An end closes
-- the start before it.
create temp table event_plays as
with begun as (
    select *, lag(struct_pack(ends, occurred_at, event_date)) over plays as before from marks
    window plays as (partition by play order by occurred_at, ends, event_id)
), single as (
    select * from begun where ends or before is null or before.ends or not (
        occurred_at <= before.occurred_at + interval 2 seconds
        or (given_id is not null and event_date - before.event_date <= 1)
    )
), followed as (
    select *, lead(struct_pack(ends, occurred_at, event_date, given_ms)) over plays as after from single
    window plays as (partition by play order by occurred_at, ends, event_id)
), closed as (
    select *, coalesce(after.ends and after.event_date - event_date <= 1
        and epoch_ms(after.occurred_at) - epoch_ms(occurred_at) <= 86_400_000, false) as is_closed
    from followed where not ends
)
select coalesce(play_pseudonym, given_id, event_id) as play_id, user_key, session_id, track_id, occurred_at as started_at,
    case when not is_closed then null
        when after.given_ms between 0 and 86_400_000 then after.given_ms
        else epoch_ms(after.occurred_at) - epoch_ms(occurred_at) end as played_ms,
    event_date as play_date, section
from closed;

-- A user's values from each delivery day on; the first known values also hold before it.
create temp table people as
select user_key, person.home, person.given, person.born,
    if(lag(delivery_date) over deliveries is null, date '0001-01-01', delivery_date) as since,
    lead(delivery_date, 1, 'infinity') over deliveries as until
from (
    select user_key, delivery_date,
        last(
            struct_pack(home := country, given := age_group, born := birth_date)
            order by coalesce(generation, 0), source_file, record
        ) as person
    from raw_users group by user_key, delivery_date
) window deliveries as (partition by user_key order by delivery_date);

create temp table groups_by_age as
select age::int as age, last(name order by lower_bound) as age_group
from range(10000) ages(age) join age_groups on age >= lower_bound group by age;

create temp table catalogue as
select track_id, unnest(last(
    struct_pack(title, artist_id, artist_name, genre, duration_ms)
    order by delivery_date, coalesce(generation, 0), source_file, record
)) from raw_tracks group by track_id;

-- Someone born on 29 February has their birthday on the 28th in years without a 29th: to_years() adds like this.
create table counted.plays as
with shown as (
    select * replace (coalesce(play_pseudonym, play_id) as play_id) from delivered
), kept as (
    select * from shown anti join beaten using (delivery_date, source_file, record)
    where play_date between getvariable('first_day') and getvariable('through')
    union all by name
    from event_plays anti join shown using (play_id, play_date)
    where play_date between getvariable('first_day') and getvariable('through')
), counted_days as (
    from kept anti join kept_days using (play_date)
), aged as (
    select counted_days.*, home, given,
        year(play_date) - year(born) - if(born + to_years((year(play_date) - year(born))::int) > play_date, 1, 0) as age
    from counted_days left join people
        on people.user_key = counted_days.user_key and play_date >= since and play_date < until
)
select play_date, play_id, user_key, session_id, track_id, started_at, played_ms,
    played_ms >= getvariable('stream_ms') as is_stream,
    played_ms < getvariable('stream_ms') as is_skip,
    played_ms * 100 >= duration_ms * getvariable('complete_percent') as is_complete,
    coalesce(country, home) as country, coalesce(given, age_group) as age_group, section
from aged left join catalogue using (track_id) left join groups_by_age using (age)
union all by name from kept_plays;

drop table delivered;

create table counted.daily_track_plays as
select play_date, country, age_group, track_id, count(*) as plays, sum(is_stream::int)::bigint as streams,
    sum(is_skip::int)::bigint as skips, sum(is_complete::int)::bigint as completes,
    sum(played_ms)::bigint as listening_ms,
    count(*) filter (section = getvariable('favourites_section')) as section_plays
from counted.plays group by all;

create table counted.monthly_track_plays as
with through as (
    select date_trunc('month', play_date)::date as month, max(play_date) as data_through from counted.plays group by 1
)
select date_trunc('month', play_date)::date as month, country, track_id, count(*) as plays,
    sum(is_stream::int)::bigint as streams, sum(is_skip::int)::bigint as skips,
    sum(is_complete::int)::bigint as completes, sum(played_ms)::bigint as listening_ms,
    count(distinct user_key) as listeners, any_value(data_through) as data_through
from counted.plays join through on date_trunc('month', play_date)::date = through.month group by 1, 2, 3;

-- Sessions: a play keeps its session open from its start until the allowed silence after its end has passed. A session
-- begins where none is open: starts so far minus ends so far, in order of time. group_id: one session_id of one user.
create temp table listened as
select hash(user_key, session_id) as group_id, user_key, session_id, play_id, play_date,
    epoch_us(started_at) as began_us, began_us + coalesce(played_ms, 0) * 1000 as ended_us, played_ms, is_skip,
    is_complete, country, age_group
from counted.plays;

create temp table openings as
with steps as (
    select group_id, began_us as instant, 1::tinyint as step from listened
    union all
    select group_id, least(ended_us, began_us + 22 * 3_600_000_000)
        + if(session_id is null, 1_800_000_000, 24 * 3_600_000_000), -1 from listened
)
select group_id, instant from steps
qualify step = 1 and 1 = sum(step) over (partition by group_id order by instant, step desc rows unbounded preceding);

create temp table stretches as
select openings.*, min(play_date) as opened_on
from listened join openings on openings.group_id = listened.group_id and openings.instant = listened.began_us
group by all;

-- a session spans the day on which it began and the next day; each further day is a session of its own
create table counted.sessions as
select min(play_date) as session_date,
    sha256(concat(any_value(user_key), '|', coalesce(any_value(session_id), ''), '|', min(began_us))) as session_key,
    any_value(user_key) as user_key, make_timestamptz(min(began_us)) as started_at,
    make_timestamptz(max(ended_us)) as ended_at, count(*) as plays, sum(is_skip::int) as skips,
    sum(is_complete::int) as completes, sum(played_ms) as listening_ms,
    unnest(arg_min(struct_pack(country, age_group), (began_us, play_id)))
from listened asof join stretches on stretches.group_id = listened.group_id and stretches.instant <= listened.began_us
group by listened.group_id, instant, if(play_date - opened_on >= 2, play_date, opened_on);

drop table listened;

create table counted.top_tracks_by_country as
with figures as (
    select month, country, track_id, title, artist_name, genre, plays, streams, listening_ms, listeners, data_through
    from counted.monthly_track_plays left join catalogue using (track_id)
    where country in (from markets) and (track_id in (select track_id from catalogue) or not getvariable('catalogue'))
), by_criterion as (
    unpivot (select *, plays as a, streams as b, listening_ms as c, listeners as d from figures)
    on a as plays, b as streams, c as listening_time, d as listeners into name criterion value figure
)
select * exclude figure,
    row_number() over (partition by month, country, criterion order by figure desc, plays desc, track_id) as rank
from by_criterion where figure > 0
qualify rank <= getvariable('top_tracks');

create table counted.chart_movements as
with chart as (
    from counted.top_tracks_by_country
), so_far as (
    select now.month, now.country, now.criterion, now.track_id, min(past.rank) as peak_rank,
        count(*) as months_on_chart
    from chart now join chart past using (country, criterion, track_id) where past.month <= now.month group by all
), charts as (
    select country, criterion, min(month) as first_month from chart group by all
)
select now.month, now.country, now.criterion, now.rank, now.track_id, before.rank as previous_rank, peak_rank,
    months_on_chart,
    case when now.month = first_month then null
        when months_on_chart = 1 then 'new'
        when before.rank is null then 're-entry'
        when before.rank = now.rank then 'same'
        else if(before.rank > now.rank, 'up', 'down') end as movement
from chart now join so_far using (month, country, criterion, track_id) join charts using (country, criterion)
left join chart before on before.month = now.month - interval 1 month and before.country = now.country
    and before.criterion = now.criterion and before.track_id = now.track_id;

-- Windows: a day's sums count for the chart of that day and of the following days whose windows include it.
create table counted.top_artists_by_genre as
with sums as (
    select play_date, country, genre, artist_id, sum(plays)::bigint as plays, sum(streams)::bigint as streams,
        sum(listening_ms)::bigint as listening_ms
    from counted.daily_track_plays join catalogue using (track_id)
    where genre is not null and artist_id is not null group by all
), market_sums as (
    select * rename (country as market) from sums where country in (from markets)
    union all by name
    select play_date, null as market, genre, artist_id, sum(plays)::bigint as plays, sum(streams)::bigint as streams,
        sum(listening_ms)::bigint as listening_ms
    from sums group by all
), figures as (
    select chart_date, market, genre, artist_id, sum(plays)::bigint as plays, sum(streams)::bigint as streams,
        sum(listening_ms)::bigint as listening_ms
    from (select *, play_date + unnest(range(getvariable('top_artists_days')))::int as chart_date from market_sums)
    where chart_date <= getvariable('through') group by all
), by_criterion as (
    unpivot (select *, plays as a, streams as b, listening_ms as c from figures)
    on a as plays, b as streams, c as listening_time into name criterion value figure
), ranked as (
    select * exclude figure, row_number() over (
        partition by chart_date, market, genre, criterion order by figure desc, plays desc, artist_id) as rank
    from by_criterion where figure > 0
    qualify rank <= getvariable('top_artists')
)
select ranked.*, artist_name
from ranked
join (select artist_id, max(artist_name) as artist_name from catalogue group by artist_id) using (artist_id);

-- Plays started from the section that shows the favourites do not count towards them.
create table counted.age_group_favourites as
with sums as (
    select play_date, age_group, track_id, count(*) as plays from counted.plays
    where age_group is not null and (track_id in (select track_id from catalogue) or not getvariable('catalogue'))
        and section is distinct from getvariable('favourites_section')
    group by all
), figures as (
    select chart_date, age_group, track_id, sum(plays)::bigint as plays
    from (select *, play_date + unnest(range(getvariable('favourites_days')))::int as chart_date from sums)
    where chart_date <= getvariable('through') group by all
), ranked as (
    select *, row_number() over (partition by chart_date, age_group order by plays desc, track_id) as rank
    from figures
    qualify rank <= getvariable('favourites')
)
select ranked.*, title, artist_name from ranked left join catalogue using (track_id);
