"""The names that exporters give the columns of the contract."""

import re

from umg_assets.files.sample import Column

SYNONYMS = {
    "play_id": "play_id stream_id listen_id scrobble_id event_id unique_id record_id uuid guid id",
    "event_id": "event_id insert_id uuid guid record_id id",
    "user_id": "user_id uid user user_name account account_id customer customer_id member_id subscriber_id listener "
    "listener_id profile_id client_id",
    "session_id": "session_id session sid visit_id",
    "track_id": "track_id track_uri spotify_track_uri song_id isrc recording_id recording_mbid recording_msid "
    "track_mbid track song item_id",
    "started_at": "started_at start_time started played_at listened_at play_time timestamp ts unix_time uts datetime "
    "event_time occurred_at utc_time time at date end_time ended_at stopped_at created_at",
    "occurred_at": "occurred_at event_time event_timestamp timestamp ts unix_time datetime time at created_at date",
    "played_ms": "played_ms ms_played milliseconds_played listened_ms play_duration_ms ms seconds_played "
    "played_seconds listen_seconds seconds secs sec play_duration duration_seconds duration_ms duration",
    "country": "country country_code country_iso market market_code conn_country user_country territory cc",
    "section": "section screen surface placement page",
    "age_group": "age_group age_band age_bracket age_range",
    "birth_date": "birth_date date_of_birth dob birthday birthdate born born_on",
    "signed_up_on": "signed_up_on signed_up_at signup_date sign_up_date registered registered_on registered_at "
    "registration_date joined joined_on join_date member_since created_at",
    "title": "title track_name track_title song_title song_name master_metadata_track_name song track name",
    "artist_id": "artist_id artist_uri artist_mbid artist_msid",
    "artist_name": "artist_name artist performer master_metadata_album_artist_name",
    "genre": "genre genres primary_genre style",
    "duration_ms": "duration_ms length_ms track_duration_ms ms duration_seconds duration_s length_s duration length",
    "event_name": "event_name event event_type action name type",
    "experiment": "experiment experiment_name experiment_id ab_test test_name",
    "variant": "variant variation treatment arm",
    "properties": "properties props event_properties payload params attributes",
}
"""By contract column, the names that exporters give it, the surest first."""
ENDS = ("endtime", "endedat", "stoppedat")
_VAGUE = {"id", "name", "type", "date", "time", "at", "title", "event"}
"""Names that say nothing of a nested field without the name of what holds it, unless that says nothing, either."""
_HOLDERS = {"meta", "metadata", "data", "record", "item", "info", "payload", "track", "song"}


def names_for(column: Column) -> list[str]:
    """The names by which a column is known: of a nested field, its own and that with the field's that holds it."""
    if len(column) == 1:
        return [plain(column)]
    last, holder = plain(column), plain(column[:-1])
    return [f"{holder}{last}", *([last] if last not in _VAGUE or (holder in _HOLDERS and last != "id") else [])]


def plain(column: Column) -> str:
    """The last name of a column: lower case, letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", column[-1].casefold())
