"""Why a chart is empty: what has not landed, was set aside, or lacks the column that the chart is made of."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from umg_assets import tables
from umg_assets.planning.entry import Entry
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.reading import partition_values, read_table, rows_of
from umg_assets.text import counted

if TYPE_CHECKING:
    from umg_assets.settings.model import Settings


class NothingToShowError(RuntimeError):
    """No rows match the request; the message says which there are."""


def signs_of(home: Path) -> list[str]:
    """What looks wrong in landing/ and the tables (landing/signs.py); nothing where umg.toml cannot be read."""
    from umg_assets.landing.scan import claims
    from umg_assets.landing.signs import signs

    settings = _settings(home)
    known = settings is not None and settings.landing.is_dir()
    return list(signs(settings, claims(settings), Ledger(home).read())) if settings and known else []


def _settings(home: Path) -> "Settings | None":
    from umg_assets.settings.model import SettingsError, read_settings

    try:
        return read_settings(home)
    except SettingsError:
        return None


def why_no_play_counts(home: Path) -> str:
    """Why no market has a chart: no file, nothing but bad records, no track, or no play of a market of umg.toml."""
    delivered = [entry for entry in Ledger(home).read().delivered() if entry.source in ("plays", "events")]
    if not delivered:
        return "no file of plays has landed: drop files into landing/ and type `umg run`"
    if not any(entry.landed for entry in delivered):
        return _all_set_aside("plays", delivered)
    plays = read_table(home, tables.PLAYS, columns=["country"]).column("country").to_pylist()
    if not plays:
        return "the plays that have landed are of days that `umg run` has not built yet: type `umg run`"
    settings = _settings(home)
    if settings and settings.sources.tracks and set(plays) & {*settings.markets}:
        why = _why_none_of(home, "tracks", "where there is a source of tracks, a chart holds only tracks that it names")
        return why if not rows_of(home, tables.TRACKS) else "none of the tracks played is named by [[sources.tracks]]"
    countries = Counter(country or "no country" for country in plays)
    seen = ", ".join(f"{count:,} of {country}" for country, count in countries.most_common(3))
    return (
        f"none of {len(plays):,} plays is of a market in umg.toml ({seen}): set `markets`, or give plays or users "
        "a country in `columns`"
    )


def _all_set_aside(kind: str, delivered: list[Entry]) -> str:
    records = sum(sum(entry.quarantined.values()) for entry in delivered if not entry.refused)
    refused = sum(entry.refused for entry in delivered)
    parts = [f"{refused:,} refused whole"] if refused else []
    parts += [f"{records:,} are in quarantine"] if records or not refused else []
    files = counted(len(delivered), "file")
    return f"of {files} of {kind} no record has landed, {' and '.join(parts)}: `umg quarantine` says why"


def _why_none_of(home: Path, kind: tables.Kind, hint: str) -> str:
    """Why no users (tracks) are there: nothing but bad records, or no file; the hint says what they are needed for."""
    delivered = [entry for entry in Ledger(home).read().delivered() if entry.source == kind]
    if delivered and not any(entry.landed for entry in delivered):
        return _all_set_aside(kind, delivered)
    return f"no {kind} have landed, and {hint}: add [[sources.{kind}]] to umg.toml, and files to landing/"


def why_no_genre(home: Path) -> str:
    """Why no genre has a chart of artists."""
    return _why_tracks_lack(home, "genre", "artist_id") or _days_with(home, tables.TOP_ARTISTS_BY_GENRE)


def why_no_artist(home: Path) -> str | None:
    """Why no artist is known; None where some are."""
    return _why_tracks_lack(home, "artist_id")


def _why_tracks_lack(home: Path, *columns: str) -> str | None:
    tracks = read_table(home, tables.TRACKS, columns=columns)
    if not tracks.num_rows:
        return _why_none_of(home, "tracks", f"{'a genre' if 'genre' in columns else 'an artist'} is a track's")
    for column in columns:
        if tracks.column(column).null_count == tracks.num_rows:
            return f"none of {tracks.num_rows:,} tracks has {column}: set it in the columns of [[sources.tracks]]"
    return None


def why_no_age_group(home: Path) -> str:
    """Why no age group has a list of favourites."""
    users = read_table(home, tables.USERS, columns=["age_group"])
    if not users.num_rows:
        return _why_none_of(home, "users", "an age group is a user's")
    if users.column("age_group").null_count == users.num_rows:
        return "no user has an age group: set `age_group` or `birth_date` in the columns of [[sources.users]]"
    return _days_with(home, tables.AGE_GROUP_FAVOURITES)


def _days_with(home: Path, table: tables.Table) -> str:
    days = partition_values(home, table, "chart_date")
    return f"there are charts from {days[0]} to {days[-1]}" if days else "there is none; type `umg run`"
