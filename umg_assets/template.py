"""The commented umg.toml that `umg init` writes."""

from datetime import date
from pathlib import Path

from umg_assets.partitions import utc_today
from umg_assets.settings import FILE_NAME

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
# quarantine_percent = 5        # share of a delivery's records set aside that turns a check red
# known_users_percent = 95      # least share of a day's plays whose user (track) is known
# known_tracks_percent = 95
# volume_weeks = 8              # a day's plays are compared with the same weekday of so many weeks before
# volume_score = 3.5            # and are too far off at this robust z-score
# shrunk_percent = 20           # a file delivered again and smaller by more is held until `umg accept PATH`

[automation]
# sensor_seconds = 10
# quiet_seconds = 5             # a file changed less long ago is still being written
# daily_at = "05:00"            # local time of the daily safety net

[freshness]                     # hours since a table was written, and since the newest day in it ended
# raw_hours = 36                # raw tables, by the newest delivery day (UTC)
# plays_hours = 36              # plays and what is summed of them, by the newest play date
# charts_hours = 36             # charts and exports, since they were written

# Sources: your own data without code. Without any [[sources...]], the built-in ones read the generator's files.
# `columns` maps the contract's columns to Spark SQL expressions over the file's columns (CSV and JSON columns are
# strings). plays need play_id, user_id, track_id, started_at; session_id, played_ms, country, section are optional.
# users need user_id; country, age_group or birth_date, signed_up_on. tracks need track_id; title, artist_id,
# artist_name, genre, duration_ms. events need event_id, event_name, user_id, occurred_at; session_id, track_id,
# experiment, variant, properties (a JSON object as text). A text that an expression turns into NULL makes a bad record.
# Nested JSON lines need a Spark DDL, e.g. schema = "id STRING, user STRUCT<id: STRING>"; then user.id is a column.
# `umg doctor` tries every expression on the first file that it takes.
#
# [[sources.plays]]
# files = "plays/*.csv.gz"                        # glob under landing/, or absolute
# format = "csv"                                  # csv, tsv, jsonl, parquet; default: by suffix
# delivered_on = '(\\d{{4}}-\\d{{2}}-\\d{{2}})'         # default: the day on which the file was modified (UTC)
# where = "event = 'play'"                        # other records are counted as filtered
# [sources.plays.columns]
# play_id = "id"
# user_id = "user"
# track_id = "track"
# started_at = "to_timestamp(ts)"
# played_ms = "cast(seconds as bigint) * 1000"
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
# guardrails = {{ skip_rate = 0.05 }}               # the relative loss that is still acceptable
# minimum_effect = 0.1                            # relative
"""


def write_template(home: Path, first_day: date | None = None, nothing_before: bool = False) -> tuple[Path, bool]:
    """Makes UMG_HOME and landing/, and umg.toml unless it is there. Returns the file and whether it was written.

    first_day defaults to the first of January of the running year. nothing_before: no file was delivered before it.
    """
    day = first_day or date(utc_today().year, 1, 1)
    (home / "landing").mkdir(parents=True, exist_ok=True)
    file = home / FILE_NAME
    if file.exists():
        return file, False
    text = TEMPLATE.replace("# first_delivery", "first_delivery") if nothing_before else TEMPLATE
    file.write_text(text.format(first_day=day.isoformat()), encoding="utf-8")
    return file, True
