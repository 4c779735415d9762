"""Small results read from the tables for people: charts, the quarantine, sums of the ledger.

Plain rows, no printing: needs no engine, no Dagster, no typer and no rich.
"""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from umg_assets import tables
from umg_assets.planning.history import Entry, History
from umg_assets.privacy.keys import KeyFileError
from umg_assets.privacy.seals import Seals
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.reading import add_actions, day_shown, newest_day, partition_values, read_table
from umg_assets.tables import ARTIST_CRITERIA, CRITERIA, Criterion

CHART_COLUMNS = ("rank", "title", "artist_name", "genre", "plays", "streams", "listening_minutes", "listeners")
NARROW_CHART_COLUMNS = tuple(name for name in CHART_COLUMNS if name != "genre")
ARTIST_COLUMNS = ("rank", "artist_name", "plays", "streams", "listening_minutes")
FAVOURITE_COLUMNS = ("rank", "title", "artist_name", "plays")
MOVEMENT_COLUMNS = ("moved", "rank", "previous_rank", "peak_rank", "months_on_chart", "title", "artist_name")


class NothingToShowError(RuntimeError):
    """No rows match the request; the message says which there are."""


@dataclass(frozen=True)
class Chart:
    """A chart: rows of CHART_COLUMNS, track_id, month, country, criterion; data_through: the last play date counted."""

    rows: list[dict[str, Any]]
    data_through: date | None


def _complete(row: dict[str, Any]) -> dict[str, Any]:
    """Adds listening_minutes to the row, and takes the track_id where the title is unknown."""
    milliseconds = row.get("listening_ms")
    row["listening_minutes"] = None if milliseconds is None else round(milliseconds / 60_000)
    if "title" in row:
        row["title"] = row["title"] or row["track_id"]
    return row


def top_tracks(home: Path, market: str, month: date | None, criterion: Criterion, size: int) -> Chart:
    """The chart of a market and month (default: the last month that has one), read from the files of that slice.

    Raises NothingToShowError naming the markets or months that have a chart.
    """
    months = partition_values(home, tables.TOP_TRACKS_BY_COUNTRY, "month")
    wanted = month or (date.fromisoformat(months[-1]) if months else None)
    where = [("month", "=", wanted), ("country", "=", market), ("criterion", "=", criterion), ("rank", "<=", size)]
    rows = read_table(home, tables.TOP_TRACKS_BY_COUNTRY, where).sort_by("rank").to_pylist() if wanted else []
    if not rows:
        raise NothingToShowError(_no_chart(home, market, wanted, criterion, months))
    return Chart([_complete(row) for row in rows], rows[0]["data_through"])


def _no_chart(home: Path, market: str, month: date | None, criterion: Criterion, months: list[str]) -> str:
    if month is None:
        return f"no chart yet: {_why_no_play_counts(home)}"
    charts = read_table(
        home, tables.TOP_TRACKS_BY_COUNTRY, [("month", "=", month), ("country", "=", market)], ["criterion"]
    )
    criteria = sorted(set(charts.column("criterion").to_pylist()))
    if criteria:
        known = ", ".join(criteria)
        return f"no chart by {criterion} for {market} in {month:%Y-%m}: no play has the data for it; there are {known}"
    markets = ", ".join(partition_values(home, tables.TOP_TRACKS_BY_COUNTRY, "country"))
    known = ", ".join(name[:7] for name in months)
    return f"no chart by {criterion} for {market} in {month:%Y-%m}: there are charts for {markets} in {known}"


def movements(home: Path, market: str, month: date | None, criterion: Criterion, size: int) -> list[dict[str, Any]]:
    """How the chart of a market and month moved: MOVEMENT_COLUMNS, track_id, movement, month, country, criterion.

    moved: an arrow and the number of ranks; * for a new entry, + for a re-entry, empty in a market's first month.
    Raises NothingToShowError as `top_tracks` does.
    """
    chart = top_tracks(home, market, month, criterion, size)
    month = chart.rows[0]["month"]
    where = [("month", "=", month), ("country", "=", market), ("criterion", "=", criterion), ("rank", "<=", size)]
    rows = read_table(home, tables.CHART_MOVEMENTS, where).sort_by("rank").to_pylist()
    by_track = {row["track_id"]: row for row in chart.rows}
    signs = {"up": "▲", "down": "▼", "same": "=", "new": "*", "re-entry": "+", None: ""}
    for row in rows:
        ranks = abs(row["rank"] - row["previous_rank"]) if row["movement"] in ("up", "down") else ""
        row["moved"] = f"{signs[row['movement']]} {ranks}".strip()
        entry = by_track.get(row["track_id"], {})
        row.update(title=entry.get("title"), artist_name=entry.get("artist_name"))
    return rows


def top_artists(
    home: Path, genre: str, market: str | None, day: date | None, criterion: Criterion, size: int
) -> list[dict[str, Any]]:
    """The top artists of a genre over the window that ends on a day: ARTIST_COLUMNS, and the chart's other columns.

    market: None for all markets. day: None for the last complete one. Raises NothingToShowError naming the genres that
    have a chart.
    """
    wanted = day or last_complete_day(home)
    where = [("chart_date", "=", wanted), ("criterion", "=", criterion)]
    rows = [row for row in read_table(home, tables.TOP_ARTISTS_BY_GENRE, where).to_pylist() if row["market"] == market]
    genres = sorted({row["genre"] for row in rows})
    chart = [row for row in rows if row["genre"].lower() == genre.lower() and row["rank"] <= size]
    if not chart:
        hint = f"there are charts for {', '.join(genres)}" if genres else _why_no_genre(home)
        raise NothingToShowError(
            f"no chart of {genre!r} by {criterion}, {market or 'overall'}, over the days that end on {wanted}: {hint}"
        )
    return sorted((_complete(row) for row in chart), key=lambda row: row["rank"])


def favourites(home: Path, age_group: str, day: date | None, size: int) -> list[dict[str, Any]]:
    """The most played tracks of an age group over the window that ends on a day: FAVOURITE_COLUMNS and the others.

    day: None for the last complete one. Raises NothingToShowError naming the age groups that have a list.
    """
    wanted = day or last_complete_day(home)
    rows = read_table(home, tables.AGE_GROUP_FAVOURITES, [("chart_date", "=", wanted)]).to_pylist()
    groups = sorted({row["age_group"] for row in rows})
    chart = [row for row in rows if row["age_group"] == age_group and row["rank"] <= size]
    if not chart:
        hint = f"there are lists for {', '.join(groups)}" if groups else _why_no_age_group(home)
        raise NothingToShowError(f"no list of age group {age_group!r} over the days that end on {wanted}: {hint}")
    return sorted((_complete(row) for row in chart), key=lambda row: row["rank"])


def last_complete_day(home: Path) -> date:
    """The last day whose plays and window charts are complete. Raises NothingToShowError before the first run."""
    newest = newest_day(home, tables.PLAYS)
    if newest is None:
        raise NothingToShowError(f"no chart yet: {_why_no_play_counts(home)}")
    return day_shown(home, newest)


def _why_no_play_counts(home: Path) -> str:
    """Why no market has a chart: no file, nothing but bad records, or no play of a market of umg.toml."""
    delivered = [entry for entry in Ledger(home).read().delivered() if entry.source in ("plays", "events")]
    if not delivered:
        return "no file of plays has landed: drop files into landing/ and type `umg run`"
    if not any(entry.landed for entry in delivered):
        return _all_set_aside("plays", delivered)
    plays = read_table(home, tables.PLAYS, columns=["country"]).column("country").to_pylist()
    if not plays:
        return "the plays that have landed are of days that `umg run` has not built yet: type `umg run`"
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
    files = _counted(len(delivered), "file")
    return f"of {files} of {kind} no record has landed, {' and '.join(parts)}: `umg quarantine` says why"


def _why_none_of(home: Path, kind: tables.Kind, hint: str) -> str:
    """Why no users (tracks) are there: nothing but bad records, or no file; the hint says what they are needed for."""
    delivered = [entry for entry in Ledger(home).read().delivered() if entry.source == kind]
    if delivered and not any(entry.landed for entry in delivered):
        return _all_set_aside(kind, delivered)
    return f"no {kind} have landed, and {hint}: add [[sources.{kind}]] to umg.toml, and files to landing/"


def _why_no_genre(home: Path) -> str:
    """Why no genre has a chart of artists."""
    tracks = read_table(home, tables.TRACKS, columns=["genre", "artist_id"])
    if not tracks.num_rows:
        return _why_none_of(home, "tracks", "a genre is a track's")
    for column in ("genre", "artist_id"):
        if tracks.column(column).null_count == tracks.num_rows:
            return f"none of {tracks.num_rows:,} tracks has {column}: set it in the columns of [[sources.tracks]]"
    return _days_with(home, tables.TOP_ARTISTS_BY_GENRE)


def _why_no_age_group(home: Path) -> str:
    """Why no age group has a list of favourites."""
    users = read_table(home, tables.USERS, columns=["age_group"])
    if not users.num_rows:
        return _why_none_of(home, "users", "an age group is a user's")
    if users.column("age_group").null_count == users.num_rows:
        return "no user has an age group: set `age_group` or `birth_date` in the columns of [[sources.users]]"
    return _days_with(home, tables.AGE_GROUP_FAVOURITES)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _days_with(home: Path, table: tables.Table) -> str:
    days = partition_values(home, table, "chart_date")
    return f"there are charts from {days[0]} to {days[-1]}" if days else "there is none; type `umg run`"


def duplicates(home: Path, history: History) -> tuple[int, int]:
    """The number of copies of plays in raw_plays, and of plays: the difference is the number of duplicates.

    Days that have not begun wait in raw and are counted in neither.
    """
    days = {date.fromisoformat(day) for day in partition_values(home, tables.PLAYS, "play_date")}
    copies = sum(
        count
        for entry in history.standing("plays")
        for day, count in entry.rows_by_play_date.items()
        if date.fromisoformat(day) in days
    )
    return copies, rows_of(home, tables.PLAYS)


def rows_of(home: Path, table: tables.Table) -> int:
    """The number of rows of a table, from the statistics of its files."""
    return sum(add_actions(home, table).column("num_records").to_pylist())


class Quarantine(NamedTuple):
    """Records that could not land: counts by source and reason, the largest first, and the rows.

    sealed: why the rows' text stays sealed, and what opens it; None where it is open.
    """

    counts: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    sealed: str | None = None


def quarantine(home: Path, source: str | None, reason: str | None, days: tuple[date, date] | None) -> Quarantine:
    """The quarantine of the deliveries that match, its text opened if this user can read the key.

    days: the first and last delivery date. None matches everything. Raises SealError for a text that was changed.
    """
    where: list[tuple[str, str, str | date]] = []
    if source:
        where.append(("source", "=", source))
    if reason:
        where.append(("reason", "=", reason))
    if days:
        where += [("delivery_date", ">=", days[0]), ("delivery_date", "<=", days[1])]
    table = read_table(home, tables.QUARANTINE, where)
    rows = table.sort_by([(name, "ascending") for name in ("delivery_date", "source_file", "record")]).to_pylist()
    records = Counter((row["source"], row["reason"]) for row in rows)
    counts = [
        {"source": source, "reason": reason, "records": count}
        for (source, reason), count in sorted(records.items(), key=lambda item: (-item[1], item[0]))
    ]
    try:
        texts = Seals(home).opened(tables.QUARANTINE, [row["text"] for row in rows])
    except (KeyFileError, PermissionError) as error:
        return Quarantine(counts, [{**row, "text": None} for row in rows], f"the records' text is sealed: {error}")
    return Quarantine(counts, [{**row, "text": text} for row, text in zip(rows, texts, strict=True)])


def criterion_of(name: str) -> Criterion:
    """The criterion of a name, with - or _. Raises ValueError that lists the four."""
    for criterion in CRITERIA:
        if re.fullmatch(criterion, name.replace("-", "_")):
            return criterion
    raise ValueError(f"no such criterion: {name!r}; expected one of {', '.join(CRITERIA)}")


def artists_criterion_of(name: str) -> Criterion:
    """The criterion of a name, for a chart of artists. Raises ValueError that lists the three: not listeners."""
    if name not in ARTIST_CRITERIA and name in CRITERIA:
        raise ValueError(f"artists are not ranked by {name}; expected one of {', '.join(ARTIST_CRITERIA)}")
    return criterion_of(name)
