-- From landing files to charts: the lakehouse's work as one DuckDB script. duckdb_script.py runs it and sets the
-- variables (file lists, first_day) and the enum landed_file, ordered by (delivery date, path), so that of the
-- copies of a play the one that counts sorts last by (file, rowid).

create macro local_date(at_utc) as (at_utc::timestamptz at time zone 'Europe/Vienna')::date;
create macro play_fault(play_id, user_id, track_id, text_at, at_utc, text_ms, ms, delivered, play_date) as case
    when play_id is null then 'missing_play_id'
    when user_id is null then 'missing_user_id'
    when track_id is null then 'missing_track_id'
    when at_utc is null then if(text_at is null, 'missing_started_at', 'unparsable_started_at')
    when ms is null and text_ms is not null then 'unparsable_played_ms'
    when ms < 0 then 'negative_duration'
    when ms > 86400000 then 'duration_over_24h'
    when at_utc::date > delivered + 1 then 'starts_after_delivery'
    when play_date < getvariable('first_day') then 'before_first_day'
end;
create macro user_fault(user_id, text_birth, birth, text_signed, signed) as case
    when user_id is null then 'missing_user_id'
    when birth is null and text_birth is not null then 'unparsable_birth_date'
    when signed is null and text_signed is not null then 'unparsable_signed_up_on'
end;
create macro track_fault(track_id, text_ms, ms) as case
    when track_id is null then 'missing_track_id'
    when ms is null and text_ms is not null then 'unparsable_duration_ms'
    when ms < 0 then 'negative_duration'
    when ms > 86400000 then 'duration_over_24h'
end;

-- Plays, typed while they are read; a bad record keeps its text. One insert for each layout.
create table plays_read (
    file landed_file, play_id varchar, user_id varchar, session_id varchar, track_id varchar, started_at timestamp,
    played_ms bigint, country varchar, play_date date, reason varchar, text varchar
);

insert into plays_read
select file, play_id, user_id, session_id, track_id, at_utc, ms, null, local_date(at_utc) as play_date,
    play_fault(play_id, user_id, track_id, started_at, at_utc, played_ms, ms, delivered_on, play_date) as reason,
    if(reason is null, null, concat_ws(',', play_id, user_id, session_id, track_id, started_at, played_ms))
from (
    select * exclude (filename), filename::landed_file as file,
        regexp_extract(filename, '\d{4}-\d{2}-\d{2}')::date as delivered_on,
        try_cast(started_at as timestamp) as at_utc, try_cast(played_ms as bigint) as ms
    from read_csv(
        getvariable('plays_csv'), auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
        columns = {'play_id': 'varchar', 'user_id': 'varchar', 'session_id': 'varchar', 'track_id': 'varchar',
            'started_at': 'varchar', 'played_ms': 'varchar'},
        filename = true, strict_mode = true, store_rejects = true)
);

insert into plays_read
select file, r.id, r.user.id, r.session, r.track, at_utc, ms, r.user.country, local_date(at_utc) as play_date,
    if(r is null, 'broken_json',
        play_fault(r.id, r.user.id, r.track, r.ts, at_utc, r.played_ms, ms, delivered_on, play_date)) as reason,
    if(reason is null, null, line)
from (
    select *, epoch_ms(try_cast(r.ts as bigint)) as at_utc, try_cast(r.played_ms as bigint) as ms
    from (
        select filename::landed_file as file, line,
            regexp_extract(filename, '\d{4}-\d{2}-\d{2}')::date as delivered_on,
            from_json(try_cast(line as json), '{"id":"VARCHAR","user":{"id":"VARCHAR","country":"VARCHAR"},
                "session":"VARCHAR","track":"VARCHAR","ts":"VARCHAR","played_ms":"VARCHAR"}') as r
        from read_csv(
            getvariable('plays_lines'), auto_detect = false, header = false, delim = '\x01', quote = '', escape = '',
            columns = {'line': 'varchar'}, filename = true, store_rejects = true)
    )
);

insert into plays_read
select filename::landed_file, play_id, user_id, session_id, track_id, started_at::timestamp as at_utc, played_ms, country,
    local_date(at_utc) as play_date,
    play_fault(play_id, user_id, track_id, started_at, at_utc, played_ms, played_ms, dt::date, play_date) as reason,
    if(reason is null, null, concat_ws(',', play_id, user_id, session_id, track_id, started_at, played_ms))
from read_parquet(getvariable('plays_parquet'), filename = true, hive_partitioning = true);

-- Users and tracks: two layouts each, small.
create table users_read as
select *, try_cast(birth_date as date) as birth, try_cast(signed_up_on as date) as signed
from (
    select filename::landed_file as file, user_id, country, null as age_group, birth_date, signed_up_on, null as line
    from read_csv(
        getvariable('users_csv'), auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
        columns = {'user_id': 'varchar', 'country': 'varchar', 'birth_date': 'varchar', 'signed_up_on': 'varchar'},
        filename = true, store_rejects = true)
    union all by name
    select filename::landed_file as file, line, unnest(from_json(try_cast(line as json), '{"user_id":"VARCHAR",
        "country":"VARCHAR","birth_date":"VARCHAR","age_group":"VARCHAR","signed_up_on":"VARCHAR"}'))
    from read_csv(
        getvariable('users_lines'), auto_detect = false, header = false, delim = '\x01', quote = '', escape = '',
        columns = {'line': 'varchar'}, filename = true, store_rejects = true)
);
create table tracks_read as
select *, try_cast(duration_ms as bigint) as ms
from (
    select filename::landed_file as file, track_id, title, artist_id, artist_name, genre, duration_ms, null as line
    from read_csv(
        getvariable('tracks_csv'), auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
        columns = {'track_id': 'varchar', 'title': 'varchar', 'artist_id': 'varchar', 'artist_name': 'varchar',
            'genre': 'varchar', 'duration_ms': 'varchar'},
        filename = true, store_rejects = true)
    union all by name
    select filename::landed_file as file, line, unnest(from_json(try_cast(line as json), '{"track_id":"VARCHAR",
        "title":"VARCHAR","artist_id":"VARCHAR","artist_name":"VARCHAR","genre":"VARCHAR","duration_ms":"VARCHAR"}'))
    from read_csv(
        getvariable('tracks_lines'), auto_detect = false, header = false, delim = '\x01', quote = '', escape = '',
        columns = {'line': 'varchar'}, filename = true, store_rejects = true)
);
create view users_checked as
select *, rowid as record, case when line is not null and try_cast(line as json) is null then 'broken_json'
    else user_fault(user_id, birth_date, birth, signed_up_on, signed) end as reason
from users_read;
create view tracks_checked as
select *, rowid as record, case when line is not null and try_cast(line as json) is null then 'broken_json'
    else track_fault(track_id, duration_ms, ms) end as reason
from tracks_read;

-- Each play once: a copy is dropped if a later copy has a local day at most 35 days away.
create view raw_plays as
select rowid as record, * exclude (reason, text)
from plays_read
where reason is null;
create table repeated as
select record, file, play_id, play_date
from raw_plays
where hash(play_id) in (select hash(play_id) from raw_plays group by all having count(*) > 1);
create table superseded as
select distinct one.record
from repeated as one join repeated as later
    on one.play_id = later.play_id
    and (later.file, later.record) > (one.file, one.record)
    and abs(later.play_date - one.play_date) <= 35;

-- The users' history by day, and tracks as last delivered.
create table users as
with spans as (
    select user_id, country, age_group, birth, delivery_date,
        if(lag(delivery_date) over ordered is null, date '1900-01-01', delivery_date) as valid_from,
        coalesce(lead(delivery_date) over ordered, date '9999-12-31') as valid_to
    from (
        select *
        from users_checked join files using (file)
        where reason is null
        qualify row_number() over (partition by user_id, delivery_date order by file desc, record desc) = 1
    )
    window ordered as (partition by user_id order by delivery_date)
),
ages as (
    select * from (values (null, 0, 13), ('13-17', 13, 18), ('18-24', 18, 25), ('25-34', 25, 35), ('35-44', 35, 45),
        ('45-54', 45, 55), ('55-64', 55, 65), ('65+', 65, null)) as t (name, low, high)
),
by_age as (
    select user_id, country, age_group, valid_from, valid_to from spans where age_group is not null or birth is null
    union all
    select user_id, country, name,
        if(low = 0, valid_from, greatest(valid_from, (birth + to_years(low))::date)) as since,
        least(valid_to, coalesce((birth + to_years(high))::date, valid_to)) as until
    from spans cross join ages
    where age_group is null and birth is not null and since < until
),
islands as (
    select *, sum(starts) over (partition by user_id order by valid_from) as island
    from (
        select *, if(lag((country, age_group)) over ordered is not distinct from (country, age_group)
            and lag(valid_to) over ordered = valid_from, 0, 1) as starts
        from by_age
        window ordered as (partition by user_id order by valid_from)
    )
)
select user_id, any_value(country) as country, any_value(age_group) as age_group, min(valid_from) as valid_from,
    max(valid_to) as valid_to
from islands
group by user_id, island;
create table tracks as
select track_id, title, artist_id, artist_name, genre, ms as duration_ms
from tracks_checked
where reason is null
qualify row_number() over (partition by track_id order by file desc, record desc) = 1;

create table plays as
select play_date, play_id, raw_plays.user_id, session_id, raw_plays.track_id, started_at, played_ms,
    played_ms >= 30000 as is_stream, played_ms < 30000 as is_skip,
    played_ms * 100 >= duration_ms * 95 as is_complete,
    coalesce(raw_plays.country, users.country) as country, age_group, null::varchar as section
from raw_plays
anti join superseded using (record)
left join users
    on raw_plays.user_id = users.user_id and play_date >= valid_from and play_date < valid_to
left join tracks on raw_plays.track_id = tracks.track_id;

-- Sums and the chart.
create table daily_track_plays as
select play_date, country, age_group, track_id, count(*) as plays, sum(is_stream::bigint) as streams,
    sum(is_skip::bigint) as skips, sum(is_complete::bigint) as completes, sum(played_ms) as listening_ms,
    count(*) filter (section = 'age_picks') as section_plays
from plays
group by all;
create table monthly_track_plays as
with by_listener as (
    select date_trunc('month', play_date)::date as month, country, track_id, user_id, count(*) as plays,
        sum(is_stream::bigint) as streams, sum(is_skip::bigint) as skips, sum(is_complete::bigint) as completes,
        sum(played_ms) as listening_ms, max(play_date) as last_day
    from plays
    group by all
)
select month, country, track_id, sum(plays)::bigint as plays, sum(streams)::bigint as streams,
    sum(skips)::bigint as skips, sum(completes)::bigint as completes, sum(listening_ms)::bigint as listening_ms,
    count(*) as listeners, any_value(data_through) as data_through
from by_listener join (select month, max(last_day) as data_through from by_listener group by month) using (month)
group by month, country, track_id;
create table top_tracks_by_country as
select month, country, criterion, row_number() over ranking as rank, track_id, title, artist_name, genre, plays,
    streams, listening_ms, listeners, data_through
from (
    select *, unnest(['plays', 'streams', 'listening_time', 'listeners']) as criterion,
        unnest([plays, streams, listening_ms, listeners]) as figure
    from monthly_track_plays join tracks using (track_id)
    where country is not null
)
where figure > 0
window ranking as (partition by month, country, criterion order by figure desc, plays desc, track_id)
qualify rank <= 50;

-- The movements of each market's chart.
create table chart_movements as
with seen as (
    select month, country, criterion, rank, track_id, min(month) over (partition by country, criterion) as first_month,
        lag(month) over ordered as last_month, lag(rank) over ordered as last_rank,
        min(rank) over so_far as peak_rank, count(*) over so_far as months_on_chart
    from top_tracks_by_country
    window ordered as (partition by country, criterion, track_id order by month),
        so_far as (partition by country, criterion, track_id order by month rows unbounded preceding)
)
select *, if(last_month = month - interval 1 month, last_rank, null) as previous_rank, case
    when month = first_month then null
    when last_month is null then 'new'
    when previous_rank is null then 're-entry'
    when rank < previous_rank then 'up'
    when rank > previous_rank then 'down'
    else 'same' end as movement
from seen;

-- Sessions: silence ends a session; one that lasts a whole local day is cut at the next midnight.
create table sessions as
with timed as (
    select *, started_at + to_milliseconds(coalesce(played_ms, 0)) as ended_at,
        started_at + to_milliseconds(least(coalesce(played_ms, 0), 79200000)) as held
    from plays
),
linked as (
    select *, lag(play_date) over ordered as previous, coalesce(
        started_at - max(held) over (ordered rows between unbounded preceding and 1 preceding)
            <= if(session_id is null, interval 30 minutes, interval 24 hours), false) as is_linked
    from timed
    window ordered as (partition by user_id, session_id order by started_at, play_id)
),
opened as (
    select *, not is_linked or (previous < play_date and play_date - max(if(is_linked, null, play_date)) over (
        partition by user_id, session_id order by started_at, play_id rows unbounded preceding) >= 2) as opens
    from linked
),
numbered as (
    select *, sum(opens::int) over (
        partition by user_id, session_id order by started_at, play_id rows unbounded preceding) as nth
    from opened
)
select min(play_date) as session_date, user_id, session_id, min(started_at) as started_at, max(ended_at) as ended_at,
    count(*) as plays, sum(is_skip::bigint) as skips, sum(is_complete::bigint) as completes,
    sum(played_ms) as listening_ms, max(if(opens, country, null)) as country, max(if(opens, age_group, null)) as age_group
from numbered
group by user_id, session_id, nth;

-- Charts over the days that end on a day: the sums of a day enter the window and leave it when it has passed.
set variable today = (now() at time zone 'Europe/Vienna')::date;
create table artist_windows as
with daily as (
    select play_date, country, genre, artist_id, sum(plays) as plays, sum(streams) as streams,
        sum(listening_ms) as listening_ms
    from daily_track_plays join tracks using (track_id)
    where artist_id is not null and genre is not null
    group by all
),
by_market as (
    select play_date, null as market, * exclude (play_date, country) from daily
    union all
    select play_date, country as market, * exclude (play_date, country) from daily
    where country in ('AT', 'CH', 'CZ', 'DE', 'HU', 'LI', 'PL', 'SI', 'SK')
),
moved as (
    select market, genre, artist_id, day, sum(sign) as rows, sum(sign * plays) as plays,
        sum(sign * streams) as streams, sum(sign * listening_ms) as listening_ms
    from (
        select *, 1 as sign, play_date as day from by_market
        union all
        select *, -1, play_date + 30 as day from by_market where day <= getvariable('today')
    )
    group by all
),
held as (
    select market, genre, artist_id, day, coalesce(lead(day) over ordered - 1, getvariable('today')) as until,
        sum(rows) over so_far as rows, sum(plays) over so_far as plays, sum(streams) over so_far as streams,
        sum(listening_ms) over so_far as listening_ms
    from moved
    window ordered as (partition by market, genre, artist_id order by day),
        so_far as (partition by market, genre, artist_id order by day rows unbounded preceding)
)
select unnest(range(day, until + 1, interval 1 day))::date as chart_date, market, genre, artist_id,
    plays::bigint as plays, streams::bigint as streams, listening_ms::bigint as listening_ms
from held
where rows > 0;
create table top_artists_by_genre as
with ranked as (
    select *, 'plays' as criterion, row_number() over ranking as rank
    from artist_windows
    where plays > 0
    window ranking as (partition by chart_date, market, genre order by plays desc, artist_id)
    qualify rank <= 10
    union all
    select *, 'streams', row_number() over ranking as rank
    from artist_windows
    where streams > 0
    window ranking as (partition by chart_date, market, genre order by streams desc, plays desc, artist_id)
    qualify rank <= 10
    union all
    select *, 'listening_time', row_number() over ranking as rank
    from artist_windows
    where listening_ms > 0
    window ranking as (partition by chart_date, market, genre order by listening_ms desc, plays desc, artist_id)
    qualify rank <= 10
)
select *
from ranked
join (select artist_id, max(artist_name) as artist_name from tracks where artist_id is not null group by all)
    using (artist_id);
drop table artist_windows;
create table age_group_favourites as
with daily as (
    select play_date, age_group, track_id, sum(plays - section_plays) as plays
    from daily_track_plays semi join tracks using (track_id)
    where age_group is not null and plays > section_plays
    group by all
),
moved as (
    select age_group, track_id, day, sum(rows) as rows, sum(plays) as plays
    from (
        select *, 1 as rows, play_date as day from daily
        union all
        select play_date, age_group, track_id, -plays, -1, play_date + 14 as day from daily
        where day <= getvariable('today')
    )
    group by all
),
held as (
    select age_group, track_id, day, coalesce(lead(day) over ordered - 1, getvariable('today')) as until,
        sum(rows) over so_far as rows, sum(plays) over so_far as plays
    from moved
    window ordered as (partition by age_group, track_id order by day),
        so_far as (partition by age_group, track_id order by day rows unbounded preceding)
),
windows as (
    select unnest(range(day, until + 1, interval 1 day))::date as chart_date, age_group, track_id,
        plays::bigint as plays
    from held
    where rows > 0
)
select chart_date, age_group, row_number() over ranking as rank, track_id, title, artist_name, plays
from windows join tracks using (track_id)
window ranking as (partition by chart_date, age_group order by plays desc, track_id)
qualify rank <= 8;
