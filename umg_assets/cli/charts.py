"""The charts as rows for people, read from the tables: needs no engine, no Dagster, no typer and no rich."""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from umg_assets import tables
from umg_assets.calendar import months_before
from umg_assets.cli.nothing import NothingToShowError, why_no_age_group, why_no_genre, why_no_play_counts
from umg_assets.resources.reading import day_shown, newest_day, partition_values, read_table
from umg_assets.tables import ARTIST_CRITERIA, CRITERIA, Criterion

CHART_COLUMNS = ("rank", "title", "artist_name", "genre", "plays", "streams", "listening_minutes", "listeners")
NARROW_CHART_COLUMNS = tuple(name for name in CHART_COLUMNS if name != "genre")
ARTIST_COLUMNS = ("rank", "artist_name", "plays", "streams", "listening_minutes")
FAVOURITE_COLUMNS = ("rank", "title", "artist_name", "plays")
MOVEMENT_COLUMNS = ("moved", "rank", "previous_rank", "peak_rank", "months_on_chart", "title", "artist_name")
MOVEMENTS = ("new", "re-entry", "up", "down", "same", "left")
_ALL = 1_000_000
_SIGNS = {"up": "▲", "down": "▼", "same": "=", "new": "*", "re-entry": "+", "left": "-", None: ""}


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
        return f"no chart yet: {why_no_play_counts(home)}"
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


def movement_of(name: str) -> str:
    """A kind of movement by its name, with - or _. Raises ValueError that lists the kinds."""
    wanted = name.strip().lower().replace("_", "-").replace("reentry", "re-entry")
    if wanted not in MOVEMENTS:
        raise ValueError(f"no such movement: {name!r}; expected one of {', '.join(MOVEMENTS)}")
    return wanted


def movements(
    home: Path, market: str, month: date | None, criterion: Criterion, size: int, kinds: Collection[str] = ()
) -> list[dict[str, Any]]:
    """How the chart of a market and month moved: MOVEMENT_COLUMNS, track_id, movement, month, country, criterion.

    moved: an arrow and the number of ranks; * for a new entry, + for a re-entry, - for what left, empty in a market's
    first month. size: at most so many entries, and as many that left. kinds: of MOVEMENTS; none for all entries.
    What left is on the chart of the month before and not on this one; its peak and months are as of then.
    Raises NothingToShowError as `top_tracks` does, and naming the movements that there are.
    """
    chart = top_tracks(home, market, month, criterion, _ALL)
    charted_in: date = chart.rows[0]["month"]
    stored = _movements(home, market, charted_in, criterion)
    rows = [row for row in stored if not kinds or row["movement"] in kinds][:size]
    for row in rows:
        ranks = abs(row["rank"] - row["previous_rank"]) if row["movement"] in ("up", "down") else ""
        row["moved"] = f"{_SIGNS[row['movement']]} {ranks}".strip()
    titles = {row["track_id"]: row for row in chart.rows}
    if "left" in kinds:
        last = months_before(charted_in, 2)[0]
        charted = {row["track_id"] for row in stored}
        left = [row for row in _movements(home, market, last, criterion) if row["track_id"] not in charted]
        before = top_tracks(home, market, last, criterion, _ALL).rows if left else []
        titles |= {row["track_id"]: row for row in before}
        changed = {"month": charted_in, "rank": None, "movement": "left", "moved": _SIGNS["left"]}
        rows += [{**row, "previous_rank": row["rank"], **changed} for row in left[:size]]
    if not rows:
        counts = Counter(row["movement"] for row in stored if row["movement"])
        there = ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common())
        hint = f"there are {there}" if there else "it is the market's first month, with nothing to compare it with"
        what = f"{' or '.join(kinds)} in {market} {charted_in:%Y-%m} by {criterion}"
        raise NothingToShowError(f"no movement {what}: {hint}")
    for row in rows:
        entry = titles.get(row["track_id"], {})
        row.update(title=entry.get("title"), artist_name=entry.get("artist_name"))
    return rows


def _movements(home: Path, market: str, month: date, criterion: Criterion) -> list[dict[str, Any]]:
    where = [("month", "=", month), ("country", "=", market), ("criterion", "=", criterion)]
    return read_table(home, tables.CHART_MOVEMENTS, where).sort_by("rank").to_pylist()


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
        hint = f"there are charts for {', '.join(genres)}" if genres else why_no_genre(home)
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
        hint = f"there are lists for {', '.join(groups)}" if groups else why_no_age_group(home)
        raise NothingToShowError(f"no list of age group {age_group!r} over the days that end on {wanted}: {hint}")
    return sorted((_complete(row) for row in chart), key=lambda row: row["rank"])


def last_complete_day(home: Path) -> date:
    """The last day whose plays and window charts are complete. Raises NothingToShowError before the first run."""
    newest = newest_day(home, tables.PLAYS)
    if newest is None:
        raise NothingToShowError(f"no chart yet: {why_no_play_counts(home)}")
    return day_shown(home, newest)


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
