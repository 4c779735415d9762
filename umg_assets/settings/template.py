"""The commented umg.toml that `umg init` writes."""

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from umg_assets.calendar import utc_today
from umg_assets.settings.model import FILE_NAME

TEMPLATE = """\
# Settings of this lakehouse. What is commented out shows its default; the environment goes over it
# (UMG_TIME_ZONE, UMG_CHARTS__TOP_TRACKS, ...).

# time_zone = "Europe/Vienna"   # its midnight separates days
first_day = {first_day}            # earlier plays are quarantined
# first_delivery = {first_day}     # files delivered before wait; default: 31 days before first_day
# markets = ["AT", "CH", "CZ", "DE", "HU", "LI", "PL", "SI", "SK"]
# correction_days = 35          # a play_id again on another local day within so many days corrects the play
# age_groups = [13, 18, 25, 35, 45, 55, 65]   # lower bounds, in years
# chunk_plays = 3000000         # plays written at a time: bounds the memory
# Set plays_from_events = true to make plays of play_start and play_end events too; default: where no source has plays
# engine = "sail"               # or "spark" (needs Java 17)
# owners = ["team:analytics"]   # whom Dagster's UI names for every asset: team:NAME or an e-mail address
# csv_for_spreadsheets = true   # in CSV an apostrophe before what a spreadsheet takes for a formula

[charts]
# top_tracks = 50
# top_artists = 10
# top_artists_days = 30
# favourites = 8
# favourites_days = 14
# favourites_section = "age_picks"   # section of the app that shows the favourites: plays from it do not count in them
# export_months = 3

[thresholds]
# stream_seconds = 30
# complete_percent = 95
# quarantine_percent = 5        # share of a delivery's records or files set aside that turns a check red
# known_users_percent = 95      # least share of a day's plays whose user (track) is known
# known_tracks_percent = 95
# volume_weeks = 8              # a day's plays are compared with the same weekday of so many weeks before
# volume_score = 3.5            # and are too far off at this robust z-score
# shrunk_percent = 20           # a file (folder) delivered again and smaller by more is held until `umg accept PATH`

[limits]                        # of a file in landing/; after a change, all files are read again
# record_mib = 16               # a longer record is set aside
# columns = 10_000              # a file with more is refused
# unpacked_mib = 1024           # a file that unpacks to more, and to more than so many times its size, is refused
# unpacked_times = 200

[automation]
# sensor_seconds = 10
# quiet_seconds = 5             # a file changed less long ago is still being written
# daily_at = "05:00"            # local time of the daily safety net
# max_run_hours = 12            # a run that takes longer hangs: the daemon ends it

[freshness]                     # hours since a table was written, and since the newest day in it ended
# raw_hours = 36                # raw tables, by the newest delivery day (UTC)
# plays_hours = 36              # plays and what is summed of them, by the newest play date
# charts_hours = 36             # charts and exports, since they were written

[privacy]
# birth_date = "month"          # where age_group is delivered, keep year and month of birth_date only; "keep": the day
# pseudonyms = true             # from plays on, ids of plays and sessions that contain the user's are keyed hashes
# keep_quarantine_days = 90     # quarantined records go so many days after their delivery
# Set keep_landing_days = 400 to remove files of landing/ so many days after their delivery, once they have landed, and
# keep_raw_days, not less, to remove raw plays and events: older plays and charts stay, but cannot be built again

[dashboard]
# minimum_listeners = 5         # figures of fewer listeners are shown as "< 5"
# numbers = "1,234.5"           # how figures are written: or "1.234,5", "1 234,5", "1’234.5"
# Set user_header = "X-Forwarded-User" to show whom a proxy names, where its address is in proxies = ["127.0.0.1"];
# and frame_ancestors = ["https://wiki.example.com"] to let that site show the dashboard in a frame

[alerts]                        # of failed runs, red checks, old data, held files: once, and once when mended
# Set command = ["/usr/local/bin/tell"], which reads JSON from standard input; webhook = "https://chat.example.com/umg",
# to which it is posted; or smtp_host, mail_from and mail_to = ["data@example.com"]. docs/operations.md has the rest
# timeout_seconds = 5           # a receiver that takes longer is tried again at the next turn

[places]                        # beside UMG_HOME; keys and endpoints: docs/buckets.md
# Set landing = "s3://exports/plays" to fetch landing/ from a bucket before each look, exports = "s3://charts/umg" to
# write each set of exports there, too, and tables = "s3://lake/umg" to have the tables lie there (`umg move-tables`
# moves those that are there)

# Sources: your own data without code. Without any [[sources...]], the built-in ones read the generator's files.
# `columns` maps the contract's columns to Spark SQL expressions over the file's columns (CSV and JSON columns are
# strings). plays need play_id, user_id, track_id, started_at; session_id, played_ms, country, section are optional.
# users need user_id; country, age_group or birth_date, signed_up_on. tracks need track_id; title, artist_id,
# artist_name, genre, duration_ms. events need event_id, event_name, user_id, occurred_at; session_id, track_id,
# experiment, variant, properties (a JSON object as text). A record of which a cast fails is bad; an empty text says
# "not known", also one that an expression chooses: country = "if(country = '--', '', country)".
# file_path is the file's path under landing/, e.g. country = "upper(regexp_extract(file_path, '^([a-z]{{2}})/', 1))".
# docs/sources.md has recipes for delimiters and encodings, decimal commas, plays without an id.
# `umg doctor` tries every expression on some of the files that it takes.
#
# [[sources.plays]]
# name = "web"                                    # what messages call it; default: its kind and position, plays[0]
# files = "plays/*.csv.gz"                        # glob under landing/, or absolute
# format = "csv"                                  # csv, tsv, json, jsonl, parquet, avro, orc, xlsx, zip; default:
#                                                 # by suffix; .gz, .zst and .bz2 may follow
# delivered_on = '(\\d{{4}}-\\d{{2}}-\\d{{2}})'         # default: the day on which the file was modified (UTC)
# folder_is_delivery = true                       # a file that is no longer in its folder is withdrawn
# follow_links = true                             # links may lead out of landing/; default: they are named, not read
# where = "event = 'play'"                        # other records are counted as filtered
# delimiter = ";"                                 # text: also "::"; default "," or a tab, by format, or a line sep=;
# quote = '"'                                     # text: "" where quotes are part of the values
# escape = '\\'                                   # text: default none, quotes are doubled
# encoding = "utf-8"                              # text, JSON: cp1250, iso8859-2 ...; a byte order mark goes over it
# skip_lines = 0                                  # text: lines before the header
# [sources.plays.columns]
# play_id = "id"
# user_id = "user"
# track_id = "track"
# started_at = "to_timestamp(ts)"
# played_ms = "cast(seconds as bigint) * 1000"
#
# [[sources.plays]]                               # JSON: lines, an array, objects one after the other ...
# files = "app/*.json"
# records = "items"                               # JSON: the array in {{"items": [...]}}; deeper: "data.items"
# schema = "id STRING, user STRUCT<id: STRING>, track STRING, ts STRING"   # JSON: Spark DDL, for columns like user.id
# [sources.plays.columns]
# play_id = "id"
# user_id = "user.id"
# track_id = "track"
# started_at = "to_timestamp(ts)"
#
# [[sources.plays]]                               # members of zip archives, here without a header
# files = "archive/*.zip"
# members = "*.tsv"                               # zip: glob that takes some of its files; default: all
# header = false                                  # text: the first line is a record; default true
# column_names = ["user", "ts", "track"]          # text without a header: its columns, in order, all of them
# [sources.plays.columns]
# play_id = "sha2(concat_ws('|', user, ts, track), 256)"   # no id in the file: what tells two plays apart
# user_id = "user"
# track_id = "track"
# started_at = "to_timestamp(ts)"
#
# A list of plays a track that somebody else publishes: `umg reconcile` and a check in Dagster compare it with plays.
#
# [[published]]
# file = "published.csv"                          # CSV or TSV, relative to this directory
# track = "track_id"                              # its columns
# plays = "plays"
#
# An experiment: who sees what, which metrics decide, and how sure it must be. It freezes at its first exposure.
# docs/experiments.md explains every setting; metrics beside the built-in ones go to [experiments.NAME.metrics.METRIC].
#
# [experiments.age_group_favourites]
# hypothesis = "B listens longer: the section names what people of the same age play"
# owner = "home team"
# salt = "age_group_favourites_1"                 # a new salt is a new experiment
# variants = {{ control = 1, b = 1 }}               # variant = weight; the first is the control
# first_day = {first_day}
# weeks = 2                                       # ends then, or with target_sessions a variant in a whole week
# target_sessions = 10000
# primary = "session_duration"
# secondary = ["skip_rate", "songs_per_session", "return_rate", "completion_rate"]
# may_worsen = ["songs_per_session"]              # secondary metrics that a win may be traded for
# guardrails = {{ skip_rate = 0.05 }}               # the relative loss that is still acceptable
# minimum_effect = 0.1                            # relative
"""


def write_template(
    home: Path,
    first_day: date | None = None,
    generated: bool = False,
    sources: str = "",
    markets: Sequence[str] = (),
    first_delivery: date | None = None,
) -> tuple[Path, bool]:
    """Creates UMG_HOME and landing/, and umg.toml unless it exists. Returns the file and whether it was written.

    first_day: default is 1 January of the current year. generated: for the generator's files, which begin
    on first_day and plant a fault among three records, too: sets first_delivery, a high quarantine_percent, a low
    known_users_percent (unknown users come in bursts) and a high volume_score (an experiment adds users of its own).
    sources: TOML of [[sources...]], which goes to the end of the file. markets, first_delivery: default is to leave
    them commented out.
    """
    day = first_day or date(utc_today().year, 1, 1)
    (home / "landing").mkdir(parents=True, exist_ok=True)
    file = home / FILE_NAME
    if file.exists():
        return file, False
    text = TEMPLATE
    if generated:
        text = text.replace("# first_delivery", "first_delivery")
        text = text.replace("# quarantine_percent = 5 ", "quarantine_percent = 50 ")
        text = text.replace("# known_users_percent = 95 ", "known_users_percent = 80 ")
        text = text.replace("# volume_score = 3.5 ", "volume_score = 40 ")
    if markets:
        named = ", ".join(f'"{market}"' for market in markets)
        text = re.sub(r"(?m)^# markets = .*$", f"markets = [{named}]   # guessed: the countries of the samples", text)
    if first_delivery:
        guessed = f"first_delivery = {first_delivery}     # guessed: the samples' first; files delivered before wait"
        text = re.sub(r"(?m)^# first_delivery = .*$", guessed, text)
    text = text.format(first_day=day.isoformat())
    file.write_text(f"{text}\n{sources}" if sources else text, encoding="utf-8")
    return file, True
