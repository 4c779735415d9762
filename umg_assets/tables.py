"""Every table's contract: columns, types, comments, partition columns, key, and what is personal.

The one place that knows columns. A type is a Spark SQL type name; resources/lakehouse.py makes the Delta
schema from it and casts every write to it. A contract is declared once, nullable, and never evolves by accident.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["plays", "users", "tracks", "events"]
KINDS: tuple[Kind, ...] = ("plays", "users", "tracks", "events")
Criterion = Literal["plays", "streams", "listening_time", "listeners"]
CRITERIA: dict[Criterion, str] = {
    "plays": "plays",
    "streams": "streams",
    "listening_time": "listening_ms",
    "listeners": "listeners",
}
ARTIST_CRITERIA = {name: CRITERIA[name] for name in ("plays", "streams", "listening_time")}
"""Criteria of a window: listeners of several days are no sum of daily ones."""


@dataclass(frozen=True)
class Column:
    """One column of a contract: its name, Spark SQL type and comment."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Table:
    """A table's contract.

    key: the columns that identify a row; unknown: those of them in which NULL is a value (not known, or overall);
    filled: other columns that hold no NULL. A write that breaks this is refused. pruned_by: columns that a read or a
    write names beside the partition, of which the log keeps each file's least and greatest value. personal: whether it
    holds user_id or another direct identifier, so that its directory is readable by its owner alone.
    """

    name: str
    comment: str
    columns: tuple[Column, ...]
    partitioned_by: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    pruned_by: tuple[str, ...] = ()
    personal: bool = False

    @property
    def names(self) -> list[str]:
        """The column names, in the table's order."""
        return [column.name for column in self.columns]

    @property
    def not_null(self) -> list[str]:
        """The columns that hold no NULL, in the table's order."""
        held = {*self.partitioned_by, *self.key, *self.filled} - {*self.unknown}
        return [name for name in self.names if name in held]

    @property
    def unique(self) -> list[str]:
        """The columns of which no two rows hold the same values: the key within its partition."""
        return list(dict.fromkeys((*self.partitioned_by, *self.key))) if self.key else []

    def type_of(self, name: str) -> str:
        """The Spark SQL type of a column; KeyError when the contract has no such column."""
        return {column.name: column.type for column in self.columns}[name]


def _columns(*lines: str) -> tuple[Column, ...]:
    return tuple(Column(*(part.strip() for part in line.split("|", 2))) for line in lines)


_DELIVERED = (
    "delivery_date | date | UTC day of the delivery",
    "source_file | string | path of the file, relative to landing/ where it lies there",
    "record | bigint | number of the record in its file, from 1",
)
_SUMS = (
    "plays | bigint | tracks started",
    "streams | bigint | plays of the stream threshold (30 s) or longer; NULL where no duration is known",
    "skips | bigint | plays shorter than the stream threshold; NULL where no duration is known",
    "completes | bigint | plays of the complete threshold (95 %) of the track or longer; NULL where unknown",
    "listening_ms | bigint | milliseconds listened; NULL where no duration is known",
)

DELIVERIES = Table(
    "deliveries",
    "The ledger: what each delivery of a file brought and touched; written before and after its tables are.",
    _columns(
        "sequence | bigint | order of the entries; what was built from it is stamped with it",
        "state | string | staged: about to be written; landed: its tables are written; accepted: may shrink",
        "source | string | plays, users, tracks, events; stamps: a changed users or tracks table (path) touched plays",
        "path | string | path of the file, relative to landing/ where it lies there",
        "signature | string | size, times and inode of the file: unchanged means unread",
        "content_hash | string | SHA-256 of the file's bytes",
        "definition_hash | string | SHA-256 of the source's definition in umg.toml",
        "delivery_date | date | UTC day of the delivery",
        "records | bigint | records read",
        "landed | bigint | records that became rows of a raw table",
        "filtered | bigint | records that the source's where leaves out",
        "quarantined | map<string,bigint> | records set aside, by reason",
        "rows_by_play_date | map<string,bigint> | plays, events: landed rows by local play or event date (ISO)",
        "repeats | array<string> | pairs of play (event) dates (ISO/ISO) that share a play_id (event_id)",
        "play_dates | array<date> | local play (event) dates touched: rows brought or replaced, other copies of both",
        "chart_months | array<date> | months whose charts alone are touched (a track's new title)",
        "window_dates | array<date> | play dates that windows count anew (a track's new artist or genre)",
        "chart_dates | array<date> | days whose window charts alone are touched (a new name in them)",
        "recorded_at | timestamp | when the entry was written",
    ),
    key=("sequence",),
    personal=True,
)
RAW_PLAYS = Table(
    "raw_plays",
    "Plays as delivered, typed: every copy of every play.",
    _columns(
        "play_id | string | identifier of the play, given by the exporter",
        "user_id | string | identifier of the user, as delivered (personal)",
        "user_key | string | HMAC-SHA256 of user_id under the lakehouse's key",
        "session_id | string | identifier of the session, unique with the user only",
        "track_id | string | identifier of the track",
        "started_at | timestamp | instant at which the play started, UTC",
        "played_ms | bigint | milliseconds listened; NULL when the exporter does not know",
        "country | string | market in which the play happened, of the event; NULL when not given",
        "play_date | date | local date of started_at in the reporting time zone",
        *_DELIVERED,
        "section | string | section of the app from which the play was started; NULL where not known",
    ),
    partitioned_by=("delivery_date",),
    pruned_by=("play_date", "source_file"),
    personal=True,
    filled=("play_id", "user_id", "user_key", "track_id", "started_at", "play_date", "source_file", "record"),
)
RAW_USERS = Table(
    "raw_users",
    "Users as delivered, typed.",
    _columns(
        "user_id | string | identifier of the user, as delivered (personal)",
        "user_key | string | HMAC-SHA256 of user_id under the lakehouse's key",
        "country | string | market of the user",
        "age_group | string | age group, when delivered instead of a birth date",
        "birth_date | date | date of birth (personal; never leaves raw)",
        "signed_up_on | date | day of the user's sign-up",
        *_DELIVERED,
    ),
    partitioned_by=("delivery_date",),
    pruned_by=("source_file",),
    personal=True,
    filled=("user_id", "user_key", "source_file", "record"),
)
RAW_TRACKS = Table(
    "raw_tracks",
    "Tracks as delivered, typed.",
    _columns(
        "track_id | string | identifier of the track",
        "title | string | title",
        "artist_id | string | identifier of the artist",
        "artist_name | string | name of the artist",
        "genre | string | genre",
        "duration_ms | bigint | length of the track in milliseconds",
        *_DELIVERED,
    ),
    partitioned_by=("delivery_date",),
    filled=("track_id", "source_file", "record"),
    pruned_by=("source_file",),
)
RAW_APP_EVENTS = Table(
    "raw_app_events",
    "Events of the app as delivered, typed: every copy of every event.",
    _columns(
        "event_id | string | identifier of the event, given by the app",
        "event_name | string | what happened: home_loaded, play_start, play_end, ...",
        "user_id | string | identifier of the user, as delivered (personal)",
        "user_key | string | HMAC-SHA256 of user_id under the lakehouse's key",
        "session_id | string | identifier of the session, unique with the user only",
        "track_id | string | identifier of the track that the event is about",
        "occurred_at | timestamp | instant at which it happened, UTC",
        "experiment | string | name of the experiment that it belongs to",
        "variant | string | variant that the app showed",
        "properties | string | what else the app says, as a JSON object",
        "event_date | date | local date of occurred_at in the reporting time zone",
        *_DELIVERED,
    ),
    partitioned_by=("delivery_date",),
    personal=True,
)
QUARANTINE = Table(
    "quarantine",
    "Records that could not land, one row each, with the reason and their text.",
    _columns(
        "source | string | plays, users, tracks or events",
        "delivery_date | date | UTC day of the delivery",
        "source_file | string | path of the file, relative to landing/ where it lies there",
        "record | bigint | number of the record in its file, from 1; 0 for a file refused whole",
        "reason | string | why it could not land",
        "text | string | the record as it came (personal)",
    ),
    partitioned_by=("delivery_date",),
    pruned_by=("source_file",),
    personal=True,
    filled=("source", "source_file", "record", "reason"),
)
USERS = Table(
    "users",
    "Users' history by day (slowly changing dimension, type 2).",
    _columns(
        "user_key | string | HMAC-SHA256 of the user's id",
        "country | string | market of the user",
        "age_group | string | age group",
        "valid_from | date | first day on which this holds; 1900-01-01 for the first known",
        "valid_to | date | first day on which it no longer holds; NULL for the current one",
    ),
    key=("user_key", "valid_from"),
)
TRACKS = Table(
    "tracks",
    "Tracks, each as its latest delivery says.",
    _columns(
        "track_id | string | identifier of the track",
        "title | string | title",
        "artist_id | string | identifier of the artist",
        "artist_name | string | name of the artist",
        "genre | string | genre",
        "duration_ms | bigint | length of the track in milliseconds",
    ),
    key=("track_id",),
)
PLAYS = Table(
    "plays",
    "One row a play, by local play date, with the user's market and age group of that day.",
    _columns(
        "play_date | date | local date of started_at in the reporting time zone",
        "play_id | string | identifier of the play",
        "user_key | string | HMAC-SHA256 of the user's id",
        "session_id | string | identifier of the session, unique with the user only",
        "track_id | string | identifier of the track",
        "started_at | timestamp | instant at which the play started, UTC",
        "played_ms | bigint | milliseconds listened; NULL when not known",
        "is_stream | boolean | played for the stream threshold (30 s) or longer",
        "is_skip | boolean | played for less than the stream threshold",
        "is_complete | boolean | played for the complete threshold (95 %) of the track or longer",
        "country | string | market: of the event, else of the user on that day; NULL when neither is known",
        "age_group | string | age group of the user on that day; NULL when unknown",
        "section | string | section of the app from which the play was started; NULL where not known",
    ),
    partitioned_by=("play_date",),
    key=("play_id",),
    filled=("user_key", "track_id", "started_at"),
)
DAILY_TRACK_PLAYS = Table(
    "daily_track_plays",
    "Sums of plays by day, country, age group and track.",
    _columns(
        "play_date | date | local date",
        "country | string | market; NULL when unknown",
        "age_group | string | age group; NULL when unknown",
        "track_id | string | identifier of the track",
        *_SUMS,
        "section_plays | bigint | of its plays, those started from the section that shows age_group_favourites",
    ),
    partitioned_by=("play_date",),
    key=("play_date", "country", "age_group", "track_id"),
    unknown=("country", "age_group"),
    filled=("plays",),
)
MONTHLY_TRACK_PLAYS = Table(
    "monthly_track_plays",
    "Sums of plays and exact distinct listeners by month, country and track.",
    _columns(
        "month | date | first day of the month",
        "country | string | market; NULL when unknown",
        "track_id | string | identifier of the track",
        *_SUMS,
        "listeners | bigint | distinct users; one who moved counts in both countries",
        "data_through | date | latest play date of the month that is counted, over all countries",
    ),
    partitioned_by=("month",),
    key=("month", "country", "track_id"),
    unknown=("country",),
    filled=("plays", "listeners", "data_through"),
)
TOP_TRACKS_BY_COUNTRY = Table(
    "top_tracks_by_country",
    "The most played tracks of a month in each market, by four criteria.",
    _columns(
        "month | date | first day of the month; the running month is ranked to date",
        "country | string | market",
        "criterion | string | plays, streams, listening_time or listeners",
        "rank | int | 1 is the top; ties go by plays, then track_id",
        "track_id | string | identifier of the track",
        "title | string | title",
        "artist_name | string | name of the artist",
        "genre | string | genre",
        "plays | bigint | tracks started",
        "streams | bigint | plays of the stream threshold or longer",
        "listening_ms | bigint | milliseconds listened",
        "listeners | bigint | distinct users",
        "data_through | date | latest play date of the month that is counted",
    ),
    partitioned_by=("month", "country"),
    key=("month", "country", "criterion", "rank"),
    filled=("track_id", "plays", "listeners"),
)

SESSIONS = Table(
    "sessions",
    "One row a session, by the local day on which it began.",
    _columns(
        "session_date | date | local date of its first play",
        "session_key | string | SHA-256 of user_key, session_id and the first play's start",
        "user_key | string | HMAC-SHA256 of the user's id",
        "started_at | timestamp | start of its first play, UTC",
        "ended_at | timestamp | latest end of what it played, UTC",
        *_SUMS[:1],
        *_SUMS[2:],
        "country | string | market of its first play",
        "age_group | string | age group of its first play",
    ),
    partitioned_by=("session_date",),
    key=("session_key",),
    filled=("user_key", "started_at", "ended_at", "plays"),
)
VISITS = Table(
    "visits",
    "One row a visit: a session with or without a play, by the local day on which it began.",
    _columns(
        "visit_date | date | local date of its first play or event",
        "visit_key | string | SHA-256 of user_key, session_id and its start",
        "user_key | string | HMAC-SHA256 of the user's id",
        "session_id | string | identifier of the session, unique with the user only; NULL where none is delivered",
        "started_at | timestamp | its first play or event, UTC",
        "ended_at | timestamp | its last event, or the end of what it played, UTC",
        "plays | bigint | tracks started; 0 without a play",
        "streams | bigint | plays of the stream threshold or longer",
        "skips | bigint | plays shorter than the stream threshold",
        "completes | bigint | plays of the complete threshold of the track or longer",
        "listening_ms | bigint | milliseconds listened; 0 without a play",
        "country | string | market of its first play or event; NULL when unknown",
        "age_group | string | age group of the user at its first play or event; NULL when unknown",
    ),
    partitioned_by=("visit_date",),
    key=("visit_key",),
)
USER_DAYS = Table(
    "user_days",
    "Sums of visits by user and the local day on which they began: additive over days and users.",
    _columns(
        "activity_date | date | local date",
        "user_key | string | HMAC-SHA256 of the user's id",
        "sessions | bigint | visits, those without a play included",
        "plays | bigint | tracks started",
        "streams | bigint | plays of the stream threshold or longer",
        "skips | bigint | plays shorter than the stream threshold",
        "completes | bigint | plays of the complete threshold of the track or longer",
        "listening_ms | bigint | milliseconds listened",
        "listening_squares | decimal(38,0) | sum over its visits of listening_ms squared",
        "country | string | market of its first visit; NULL when unknown",
        "age_group | string | age group of its first visit; NULL when unknown",
    ),
    partitioned_by=("activity_date",),
    key=("activity_date", "user_key"),
)
EXPOSURE_DAYS = Table(
    "exposure_days",
    "Each user's first event of a name on a day in an experiment; the overall first is taken at readout.",
    _columns(
        "exposure_date | date | local date of the events",
        "experiment | string | the experiment that the events name",
        "event_name | string | what happened",
        "is_eligible | boolean | false where the app says that the user is not eligible",
        "user_key | string | HMAC-SHA256 of the user's id",
        "first_at | timestamp | the day's first such event, UTC; ties go by event_id",
        "session_id | string | session of that event",
        "variant | string | variant that the app showed at that event",
        "other_variant | string | another variant that it showed on the day; NULL for none",
        "events | bigint | such events on the day",
        "section_events | bigint | those of the section that shows age_group_favourites",
    ),
    partitioned_by=("exposure_date",),
    key=("exposure_date", "experiment", "event_name", "is_eligible", "user_key"),
)
EXPERIMENT_DAYS = Table(
    "experiment_days",
    "What the data says of an experiment through a day: aggregates only, which its readout is made of.",
    _columns(
        "experiment | string | name of the experiment",
        "through_date | date | last local day that is counted",
        "definition_hash | string | hash of the definition as it is",
        "exposed | bigint | users exposed, over all variants",
        "sessions | bigint | their visits from the one with the first exposure on",
        "frozen | string | the definition as it was at the first exposure, as JSON",
        "evidence | string | sums over users, as JSON (experiments/moments.py: Evidence)",
    ),
    partitioned_by=("experiment", "through_date"),
    key=("experiment", "through_date"),
)
READOUTS = Table(
    "readouts",
    "Looks that readouts have taken, each once, in the order in which they were; nothing is taken back.",
    _columns(
        "experiment | string | name of the experiment",
        "look | string | the look (metric, treatment, day, information, bound, alpha spent, ...) as JSON",
        "definition_hash | string | hash of the definition that was read",
        "taken_at | timestamp | when",
    ),
)
DECISIONS = Table(
    "decisions",
    "What was decided on an experiment, by whom, on which readout.",
    _columns(
        "experiment | string | name of the experiment",
        "verdict | string | what was decided",
        "decided_by | string | who decided",
        "reason | string | why",
        "through_date | date | last day of the readout that was looked at",
        "readout_verdict | string | what that readout said",
        "definition_hash | string | hash of the definition that was read",
        "decided_at | timestamp | when",
    ),
)
TOP_ARTISTS_BY_GENRE = Table(
    "top_artists_by_genre",
    "The most played artists of each genre over the 30 days that end on a day; overall and by market.",
    _columns(
        "chart_date | date | local date on which the window ends",
        "market | string | market; NULL: overall, plays of unknown countries included",
        "genre | string | genre",
        "criterion | string | plays, streams or listening_time",
        "rank | int | 1 is the top; ties go by plays, then artist_id",
        "artist_id | string | identifier of the artist",
        "artist_name | string | name of the artist",
        "plays | bigint | tracks started",
        "streams | bigint | plays of the stream threshold or longer",
        "listening_ms | bigint | milliseconds listened",
    ),
    partitioned_by=("chart_date",),
    key=("chart_date", "market", "genre", "criterion", "rank"),
    unknown=("market",),
    filled=("artist_id", "plays"),
)
AGE_GROUP_FAVOURITES = Table(
    "age_group_favourites",
    "The most played tracks of each age group over the 14 days that end on a day; plays started from the section that "
    "shows them are left out.",
    _columns(
        "chart_date | date | local date on which the window ends",
        "age_group | string | age group",
        "rank | int | 1 is the top; ties go by track_id",
        "track_id | string | identifier of the track",
        "title | string | title",
        "artist_name | string | name of the artist",
        "plays | bigint | tracks started, but for those started from the section that shows this list",
    ),
    partitioned_by=("chart_date",),
    key=("chart_date", "age_group", "rank"),
    filled=("track_id", "plays"),
)
CHART_MOVEMENTS = Table(
    "chart_movements",
    "How each entry of the top tracks moved, as of its month.",
    _columns(
        "month | date | first day of the month",
        "country | string | market",
        "criterion | string | plays, streams, listening_time or listeners",
        "rank | int | rank in the month",
        "track_id | string | identifier of the track",
        "previous_rank | int | rank in the month before; NULL when it was not on that chart",
        "peak_rank | int | best rank up to the month",
        "months_on_chart | bigint | months on the chart up to the month",
        "movement | string | new, re-entry, up, down or same; NULL in the chart's first month",
    ),
    partitioned_by=("country",),
    key=("month", "country", "criterion", "rank"),
    filled=("track_id", "peak_rank", "months_on_chart"),
)

ALL: tuple[Table, ...] = (
    DELIVERIES,
    RAW_PLAYS,
    RAW_USERS,
    RAW_TRACKS,
    RAW_APP_EVENTS,
    QUARANTINE,
    USERS,
    TRACKS,
    PLAYS,
    DAILY_TRACK_PLAYS,
    SESSIONS,
    MONTHLY_TRACK_PLAYS,
    TOP_TRACKS_BY_COUNTRY,
    CHART_MOVEMENTS,
    TOP_ARTISTS_BY_GENRE,
    AGE_GROUP_FAVOURITES,
    VISITS,
    USER_DAYS,
    EXPOSURE_DAYS,
    EXPERIMENT_DAYS,
    READOUTS,
    DECISIONS,
)
OF_EXPERIMENTS = (VISITS, USER_DAYS, EXPOSURE_DAYS, EXPERIMENT_DAYS, READOUTS, DECISIONS)
"""Tables that stay empty in a lakehouse without experiments."""
BY_NAME: dict[str, Table] = {table.name: table for table in ALL}
RAW: dict[Kind, Table] = {"plays": RAW_PLAYS, "users": RAW_USERS, "tracks": RAW_TRACKS, "events": RAW_APP_EVENTS}


@dataclass(frozen=True)
class Moment:
    """Of a kind whose records happen: the columns with the record's id, its instant and the local date of that."""

    id: str
    at: str
    date: str


MOMENTS: dict[Kind, Moment] = {
    "plays": Moment("play_id", "started_at", "play_date"),
    "events": Moment("event_id", "occurred_at", "event_date"),
}

# What a source's `columns` may name, and what a record cannot do without.
SOURCE_COLUMNS: dict[Kind, dict[str, str]] = {
    "plays": {
        name: RAW_PLAYS.type_of(name)
        for name in ("play_id", "user_id", "session_id", "track_id", "started_at", "played_ms", "country", "section")
    },
    "users": {
        name: RAW_USERS.type_of(name) for name in ("user_id", "country", "age_group", "birth_date", "signed_up_on")
    },
    "tracks": {
        name: RAW_TRACKS.type_of(name)
        for name in ("track_id", "title", "artist_id", "artist_name", "genre", "duration_ms")
    },
    "events": {
        name: RAW_APP_EVENTS.type_of(name)
        for name in (
            "event_id",
            "event_name",
            "user_id",
            "session_id",
            "track_id",
            "occurred_at",
            "experiment",
            "variant",
            "properties",
        )
    },
}
REQUIRED: dict[Kind, tuple[str, ...]] = {
    "plays": ("play_id", "user_id", "track_id", "started_at"),
    "users": ("user_id",),
    "tracks": ("track_id",),
    "events": ("event_id", "event_name", "user_id", "occurred_at"),
}
DURATIONS: dict[Kind, tuple[str, ...]] = {
    "plays": ("played_ms",),
    "users": (),
    "tracks": ("duration_ms",),
    "events": (),
}

DELETED = "_deleted"
"""Of the rows given to a merge: true where the key's row goes."""
