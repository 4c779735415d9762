"""Every table's contract: columns, types, comments, partition columns, key, and whether it is personal.

The one module that declares columns. A type is a Spark SQL type name; resources/schema.py turns it into a Delta type,
and every write is cast to it. All columns are nullable in Delta; a contract changes only by columns added at its end.
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
"""The criteria of a window chart: without listeners, who are not a sum of daily listeners."""


@dataclass(frozen=True)
class Column:
    """A column of a contract: its name, Spark SQL type and comment."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Table:
    """A table's contract.

    key: the columns that identify a row. unknown: columns of the key in which NULL is a value (unknown, or overall).
    filled: other columns that hold no NULL. A write that breaks this is refused. pruned_by: columns by which reads and
    writes skip files: the log keeps each file's least and greatest value of them. personal: whether the table holds
    user_id or another direct identifier; only the owner can read its directory. sealed: the column whose values are
    encrypted at rest (privacy/seals.py).
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
    sealed: Literal["user_id", "text"] | None = None

    @property
    def names(self) -> list[str]:
        """The column names, in the table's order."""
        return [column.name for column in self.columns]

    @property
    def not_null(self) -> list[str]:
        """The columns that hold no NULL, in the table's order."""
        required = {*self.partitioned_by, *self.key, *self.filled} - {*self.unknown}
        return [name for name in self.names if name in required]

    @property
    def unique(self) -> list[str]:
        """The columns whose values together identify a row: the partition's and the key's; none without a key."""
        return list(dict.fromkeys((*self.partitioned_by, *self.key))) if self.key else []

    def type_of(self, name: str) -> str:
        """The Spark SQL type of a column. Raises KeyError when the contract has no such column."""
        return {column.name: column.type for column in self.columns}[name]


def _columns(*lines: str) -> tuple[Column, ...]:
    return tuple(Column(*(part.strip() for part in line.split("|", 2))) for line in lines)


_DELIVERED = (
    "delivery_date | date | UTC day of the delivery",
    "source_file | string | path of the file; relative to landing/ for files in it",
    "record | bigint | number of the record in its file, from 1",
)
_PSEUDONYMS = (
    "play_pseudonym | string | keyed hash of an id that contains user_id: plays.play_id; NULL where it does not",
    "session_pseudonym | string | keyed hash of a session_id that contains user_id; NULL where it does not",
)
_GENERATION = (
    "generation | bigint | number of the landing that brought the file; in a delivery day a later one wins; NULL is 0"
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
    "The ledger: what each delivery of a file brought and affects; written before its tables and again after them.",
    _columns(
        "sequence | bigint | order of the entries; a partition's watermark is the last one it was built from",
        "state | string | staged, withdrawing: before its tables are written; landed, withdrawn: after; accepted: may "
        "land though it shrank; expired: before what is old goes",
        "source | string | plays, users, tracks or events; stamps: a change of a table (path); of "
        "expired: the table, or landing_plays and its like for files",
        "path | string | path of the file; relative to landing/ for files in it; of expired: empty for all of the day",
        "signature | string | size, times and inode of the file; a file is read only when it changes; of a change of "
        "users or tracks: the last entry that it has read",
        "content_hash | string | SHA-256 of the file's bytes",
        "definition_hash | string | SHA-256 of the source's definition in umg.toml; after an internal error, ~ and the "
        "version that failed",
        "delivery_date | date | UTC day of the delivery",
        "records | bigint | records read",
        "landed | bigint | records that became rows of a raw table",
        "filtered | bigint | records that the source's `where` leaves out",
        "quarantined | map<string,bigint> | records in quarantine, by reason",
        "rows_by_play_date | map<string,bigint> | of plays and events: landed rows by local date (ISO)",
        "repeats | array<string> | pairs of local dates (ISO/ISO) that share a play_id or event_id",
        "play_dates | array<date> | affected local dates: of rows brought or replaced, and of their other copies",
        "chart_months | array<date> | months of which only the charts are affected (a track's new title)",
        "window_dates | array<date> | play dates that window charts must count again (a track's new artist or genre)",
        "chart_dates | array<date> | days of which only the window charts are affected (a new name in them)",
        "recorded_at | timestamp | when the entry was written",
        "generation | bigint | number of the landing that first brought this content of the file; NULL is 0",
        "suppressed | bigint | records of people who have been forgotten, which did not land; NULL is 0",
    ),
    key=("sequence",),
    pruned_by=("sequence", "delivery_date"),
    personal=True,
)
RAW_PLAYS = Table(
    "raw_plays",
    "Plays as delivered, typed: every copy of every play.",
    _columns(
        "play_id | string | identifier of the play, given by the exporter",
        "user_id | string | identifier of the user, as delivered; sealed: `siv1:KEY:...` (personal)",
        "user_key | string | HMAC-SHA256 of user_id under the lakehouse's key",
        "session_id | string | identifier of the session, unique with the user only",
        "track_id | string | identifier of the track",
        "started_at | timestamp | when the play started, UTC",
        "played_ms | bigint | milliseconds listened; NULL when the exporter does not know",
        "country | string | market in which the play happened; NULL when not delivered",
        "play_date | date | local date of started_at in the reporting time zone",
        *_DELIVERED,
        "section | string | section of the app from which the play was started; NULL where not known",
        _GENERATION,
        *_PSEUDONYMS,
    ),
    partitioned_by=("delivery_date",),
    pruned_by=("play_date", "source_file"),
    personal=True,
    sealed="user_id",
    filled=("play_id", "user_id", "user_key", "track_id", "started_at", "play_date", "source_file", "record"),
)
RAW_USERS = Table(
    "raw_users",
    "Users as delivered, typed.",
    _columns(
        "user_id | string | identifier of the user, as delivered; sealed: `siv1:KEY:...` (personal)",
        "user_key | string | HMAC-SHA256 of user_id under the lakehouse's key",
        "country | string | market of the user",
        "age_group | string | age group, where it is delivered instead of a birth date",
        "birth_date | date | date of birth (personal; never leaves raw); its month where age_group is delivered",
        "signed_up_on | date | day on which the user signed up",
        *_DELIVERED,
        _GENERATION,
    ),
    partitioned_by=("delivery_date",),
    pruned_by=("source_file",),
    personal=True,
    sealed="user_id",
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
        _GENERATION,
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
        "user_id | string | identifier of the user, as delivered; sealed: `siv1:KEY:...` (personal)",
        "user_key | string | HMAC-SHA256 of user_id under the lakehouse's key",
        "session_id | string | identifier of the session, unique with the user only",
        "track_id | string | identifier of the track that the event is about",
        "occurred_at | timestamp | when it happened, UTC",
        "experiment | string | name of the experiment to which it belongs",
        "variant | string | variant that the app showed",
        "properties | string | other properties of the event, as a JSON object",
        "event_date | date | local date of occurred_at in the reporting time zone",
        *_DELIVERED,
        _GENERATION,
        *_PSEUDONYMS,
    ),
    partitioned_by=("delivery_date",),
    pruned_by=("event_date", "source_file"),
    personal=True,
    sealed="user_id",
    filled=("event_id", "event_name", "user_id", "user_key", "occurred_at", "event_date", "source_file", "record"),
)
QUARANTINE = Table(
    "quarantine",
    "Records that could not land: one row for each, with the reason and its text.",
    _columns(
        "source | string | plays, users, tracks or events",
        "delivery_date | date | UTC day of the delivery",
        "source_file | string | path of the file; relative to landing/ for files in it",
        "record | bigint | number of the record in its file, from 1; 0 for a file refused whole",
        "reason | string | why it could not land",
        "text | string | the record as delivered; sealed: `gcm1:KEY:...` (personal)",
    ),
    partitioned_by=("delivery_date",),
    pruned_by=("source_file",),
    personal=True,
    sealed="text",
    filled=("source", "source_file", "record", "reason"),
)
USERS = Table(
    "users",
    "Each user's market and age group, by the days on which they held (slowly changing dimension, type 2).",
    _columns(
        "user_key | string | HMAC-SHA256 of the user's id",
        "country | string | market of the user",
        "age_group | string | age group",
        "valid_from | date | first day on which this is valid; 1900-01-01 for the earliest row",
        "valid_to | date | first day on which this is no longer valid; NULL for the current row",
    ),
    key=("user_key", "valid_from"),
)
TRACKS = Table(
    "tracks",
    "The catalogue of tracks: title, artist, genre and length of each, as last delivered.",
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
    "Every play, once: one row for each, by local play date, with the user's market and age group on that day.",
    _columns(
        "play_date | date | local date of started_at in the reporting time zone",
        "play_id | string | identifier of the play; a keyed hash if it contained user_id",
        "user_key | string | HMAC-SHA256 of the user's id",
        "session_id | string | identifier of the session, unique with the user only",
        "track_id | string | identifier of the track",
        "started_at | timestamp | when the play started, UTC",
        "played_ms | bigint | milliseconds listened; NULL when not known",
        "is_stream | boolean | played for the stream threshold (30 s) or longer",
        "is_skip | boolean | played for less than the stream threshold",
        "is_complete | boolean | played for the complete threshold (95 %) of the track or longer",
        "country | string | market of the play, or else of the user on that day; NULL when neither is known",
        "age_group | string | age group of the user on that day; NULL when unknown",
        "section | string | section of the app from which the play was started; NULL where not known",
    ),
    partitioned_by=("play_date",),
    key=("play_id",),
    filled=("user_key", "track_id", "started_at"),
)
DAILY_TRACK_PLAYS = Table(
    "daily_track_plays",
    "How often each track was played on a day, and for how long, by country and age group.",
    _columns(
        "play_date | date | local date",
        "country | string | market; NULL when unknown",
        "age_group | string | age group; NULL when unknown",
        "track_id | string | identifier of the track",
        *_SUMS,
        "section_plays | bigint | those of the plays started from the section that shows age_group_favourites",
    ),
    partitioned_by=("play_date",),
    key=("play_date", "country", "age_group", "track_id"),
    unknown=("country", "age_group"),
    filled=("plays",),
)
MONTHLY_TRACK_PLAYS = Table(
    "monthly_track_plays",
    "How often each track was played in a month and market, and by how many listeners exactly.",
    _columns(
        "month | date | first day of the month",
        "country | string | market; NULL when unknown",
        "track_id | string | identifier of the track",
        *_SUMS,
        "listeners | bigint | distinct users; a user who moved counts in both countries",
        "data_through | date | latest play date counted in the month, over all countries",
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
        "rank | int | 1 is the top; ties are broken by plays, then track_id",
        "track_id | string | identifier of the track",
        "title | string | title",
        "artist_name | string | name of the artist",
        "genre | string | genre",
        "plays | bigint | tracks started",
        "streams | bigint | plays of the stream threshold or longer",
        "listening_ms | bigint | milliseconds listened",
        "listeners | bigint | distinct users",
        "data_through | date | latest play date counted in the month",
    ),
    partitioned_by=("month", "country"),
    key=("month", "country", "criterion", "rank"),
    filled=("track_id", "plays", "listeners"),
)

SESSIONS = Table(
    "sessions",
    "Listening sessions: one row for each, by the local day on which it began.",
    _columns(
        "session_date | date | local date of its first play",
        "session_key | string | SHA-256 of user_key, session_id and the start of its first play",
        "user_key | string | HMAC-SHA256 of the user's id",
        "started_at | timestamp | start of its first play, UTC",
        "ended_at | timestamp | latest end of any of its plays, UTC",
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
    "Visits to the app: sessions with or without a play, one row for each, by the local day on which it began.",
    _columns(
        "visit_date | date | local date of its first play or event",
        "visit_key | string | SHA-256 of user_key, session_id and its start",
        "user_key | string | HMAC-SHA256 of the user's id",
        "session_id | string | identifier of the session, unique with the user only; NULL when not delivered",
        "started_at | timestamp | time of its first play or event, UTC",
        "ended_at | timestamp | time of its last event, or the latest end of any of its plays, UTC",
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
    "What each user did on a day: sums of the visits that began on it; additive over days and users.",
    _columns(
        "activity_date | date | local date",
        "user_key | string | HMAC-SHA256 of the user's id",
        "sessions | bigint | visits, including those without a play",
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
    "Each user's first event of each name on a day of an experiment; a readout takes the first of all days.",
    _columns(
        "exposure_date | date | local date of the events",
        "experiment | string | the experiment that the events name",
        "event_name | string | what happened",
        "is_eligible | boolean | false when the app reports the user as not eligible",
        "user_key | string | HMAC-SHA256 of the user's id",
        "first_at | timestamp | time of the day's first such event, UTC; ties are broken by event_id",
        "session_id | string | session of that event",
        "variant | string | variant that the app showed at that event",
        "other_variant | string | another variant that the app showed on that day; NULL if none",
        "events | bigint | number of such events on the day",
        "section_events | bigint | those of them from the section that shows age_group_favourites",
    ),
    partitioned_by=("exposure_date",),
    key=("exposure_date", "experiment", "event_name", "is_eligible", "user_key"),
)
EXPERIMENT_DAYS = Table(
    "experiment_days",
    "The evidence on an experiment through a day: aggregates only, from which its readout is computed.",
    _columns(
        "experiment | string | name of the experiment",
        "through_date | date | last local day counted",
        "definition_hash | string | hash of the current definition",
        "exposed | bigint | users exposed, over all variants",
        "sessions | bigint | their visits, from the visit with the first exposure on",
        "frozen | string | the definition at the time of the first exposure, as JSON",
        "evidence | string | sums over users, as JSON (statistics/moments.py: Evidence)",
    ),
    partitioned_by=("experiment", "through_date"),
    key=("experiment", "through_date"),
)
READOUTS = Table(
    "readouts",
    "The looks that readouts have taken, each once and in order; append-only.",
    _columns(
        "experiment | string | name of the experiment",
        "look | string | the look (metric, treatment, day, information, bound, alpha spent, ...) as JSON",
        "definition_hash | string | hash of the definition that was used",
        "taken_at | timestamp | when the look was taken",
    ),
)
DECISIONS = Table(
    "decisions",
    "Decisions on experiments: what was decided, by whom, on which readout.",
    _columns(
        "experiment | string | name of the experiment",
        "verdict | string | what was decided",
        "decided_by | string | who decided",
        "reason | string | why",
        "through_date | date | last day of the readout on which the decision is based",
        "readout_verdict | string | verdict of that readout",
        "definition_hash | string | hash of the definition that was used",
        "decided_at | timestamp | when it was decided",
    ),
)
TOP_ARTISTS_BY_GENRE = Table(
    "top_artists_by_genre",
    "The most played artists of each genre over the 30 days that end on a day; overall and by market.",
    _columns(
        "chart_date | date | local date on which the window ends",
        "market | string | market; NULL for overall, including plays of unknown countries",
        "genre | string | genre",
        "criterion | string | plays, streams or listening_time",
        "rank | int | 1 is the top; ties are broken by plays, then artist_id",
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
    "The most played tracks of each age group over the 14 days that end on a day; without plays started from the "
    "section that shows them.",
    _columns(
        "chart_date | date | local date on which the window ends",
        "age_group | string | age group",
        "rank | int | 1 is the top; ties are broken by track_id",
        "track_id | string | identifier of the track",
        "title | string | title",
        "artist_name | string | name of the artist",
        "plays | bigint | tracks started, without those started from the section that shows this list",
    ),
    partitioned_by=("chart_date",),
    key=("chart_date", "age_group", "rank"),
    filled=("track_id", "plays"),
)
CHART_MOVEMENTS = Table(
    "chart_movements",
    "Up, down, new or back: how each entry of the top tracks moved since the month before.",
    _columns(
        "month | date | first day of the month",
        "country | string | market",
        "criterion | string | plays, streams, listening_time or listeners",
        "rank | int | rank in the month",
        "track_id | string | identifier of the track",
        "previous_rank | int | rank in the month before; NULL when it was not on that month's chart",
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
PUBLISHED = (
    TOP_TRACKS_BY_COUNTRY,
    CHART_MOVEMENTS,
    TOP_ARTISTS_BY_GENRE,
    AGE_GROUP_FAVOURITES,
    MONTHLY_TRACK_PLAYS,
    DAILY_TRACK_PLAYS,
    TRACKS,
)
"""Tables of a published set that the dashboard may read. None knows a user."""
RECOUNTED = (
    PLAYS,
    SESSIONS,
    DAILY_TRACK_PLAYS,
    MONTHLY_TRACK_PLAYS,
    TOP_TRACKS_BY_COUNTRY,
    CHART_MOVEMENTS,
    TOP_ARTISTS_BY_GENRE,
    AGE_GROUP_FAVOURITES,
)
"""Tables whose rows are counted again from the raw tables."""
OF_EXPERIMENTS = (VISITS, USER_DAYS, EXPOSURE_DAYS, EXPERIMENT_DAYS, READOUTS, DECISIONS)
"""Tables that stay empty in a lakehouse without experiments."""
BY_NAME: dict[str, Table] = {table.name: table for table in ALL}
RAW: dict[Kind, Table] = {"plays": RAW_PLAYS, "users": RAW_USERS, "tracks": RAW_TRACKS, "events": RAW_APP_EVENTS}
CATALOGUED = tuple(table for table in ALL if not table.personal and table not in RAW.values())
"""Tables that a published set names with their versions, and that other tools find (resources/interop.py). Of people
they hold user_key alone."""
SEALED = tuple(table for table in ALL if table.sealed)
"""Tables with a column that is encrypted at rest."""


@dataclass(frozen=True)
class Occurrence:
    """The columns of a kind whose records happen at an instant: the record's id, the instant, its local date."""

    id: str
    at: str
    date: str


OCCURRENCES: dict[Kind, Occurrence] = {
    "plays": Occurrence("play_id", "started_at", "play_date"),
    "events": Occurrence("event_id", "occurred_at", "event_date"),
}

COMPOSED_IDS = ("play_id", "session_id", "event_id")
"""Ids that an exporter may have made of a user's: no error and no check's result tells one."""

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
"""By kind, the columns that a source's `columns` may name, with their types."""
REQUIRED: dict[Kind, tuple[str, ...]] = {
    "plays": ("play_id", "user_id", "track_id", "started_at"),
    "users": ("user_id",),
    "tracks": ("track_id",),
    "events": ("event_id", "event_name", "user_id", "occurred_at"),
}
"""By kind, the columns without which a record cannot land."""
DURATIONS: dict[Kind, tuple[str, ...]] = {
    "plays": ("played_ms",),
    "users": (),
    "tracks": ("duration_ms",),
    "events": (),
}

"""By kind, the columns of milliseconds, which are neither negative nor over 24 hours."""

DELETED = "_deleted"
"""The column of a merge's rows that is true where the row of that key is to be deleted."""
