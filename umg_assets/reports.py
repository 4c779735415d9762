"""What the commands that only read say: charts, the quarantine, the ledger's sums. No engine, no Dagster."""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from umg_assets import tables
from umg_assets.resources.ledger import History
from umg_assets.resources.reading import add_actions, day_shown, newest_day, partition_values, read_table
from umg_assets.tables import ARTIST_CRITERIA, CRITERIA, Criterion

CHART_COLUMNS = ("rank", "title", "artist_name", "genre", "plays", "streams", "listening_minutes", "listeners")
NARROW_CHART_COLUMNS = tuple(name for name in CHART_COLUMNS if name != "genre")
ARTIST_COLUMNS = ("rank", "artist_name", "plays", "streams", "listening_minutes")
FAVOURITE_COLUMNS = ("rank", "title", "artist_name", "plays")
MOVEMENT_COLUMNS = ("moved", "rank", "previous_rank", "peak_rank", "months_on_chart", "title", "artist_name")


class NothingToShowError(RuntimeError):
    """There is no such slice; the message says which there are."""


@dataclass(frozen=True)
class Chart:
    """A chart's rows (CHART_COLUMNS, track_id, month, country, criterion) and the last play date counted."""

    rows: list[dict[str, Any]]
    data_through: date | None


def _complete(row: dict[str, Any]) -> dict[str, Any]:
    """The row with minutes listened, and the track's id where its title is not known."""
    listened = row.get("listening_ms")
    row["listening_minutes"] = None if listened is None else round(listened / 60_000)
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
        return "no chart yet: drop files into landing/ and type `umg run`"
    there = read_table(
        home, tables.TOP_TRACKS_BY_COUNTRY, [("month", "=", month), ("country", "=", market)], ["criterion"]
    )
    criteria = sorted(set(there.column("criterion").to_pylist()))
    if criteria:
        known = ", ".join(criteria)
        return f"no chart by {criterion} for {market} in {month:%Y-%m}: no play has the data for it; there are {known}"
    markets = ", ".join(partition_values(home, tables.TOP_TRACKS_BY_COUNTRY, "country"))
    shown = ", ".join(name[:7] for name in months)
    return f"no chart by {criterion} for {market} in {month:%Y-%m}: there are charts for {markets} in {shown}"


def movements(home: Path, market: str, month: date | None, criterion: Criterion, size: int) -> list[dict[str, Any]]:
    """How the chart of a market and month moved: MOVEMENT_COLUMNS, track_id, movement, month, country, criterion.

    moved: an arrow and by how many ranks; * for a new entry, + for a re-entry, empty in a market's first month.
    Raises NothingToShowError as `top_tracks` does.
    """
    chart = top_tracks(home, market, month, criterion, size)
    found = chart.rows[0]["month"]
    where = [("month", "=", found), ("country", "=", market), ("criterion", "=", criterion), ("rank", "<=", size)]
    rows = read_table(home, tables.CHART_MOVEMENTS, where).sort_by("rank").to_pylist()
    named = {row["track_id"]: row for row in chart.rows}
    signs = {"up": "▲", "down": "▼", "same": "=", "new": "*", "re-entry": "+", None: ""}
    for row in rows:
        by = abs(row["rank"] - row["previous_rank"]) if row["movement"] in ("up", "down") else ""
        row["moved"] = f"{signs[row['movement']]} {by}".strip()
        of_chart = named.get(row["track_id"], {})
        row.update(title=of_chart.get("title"), artist_name=of_chart.get("artist_name"))
    return rows


def top_artists(
    home: Path, genre: str, market: str | None, day: date | None, criterion: Criterion, size: int
) -> list[dict[str, Any]]:
    """The top artists of a genre over the window that ends on a day: ARTIST_COLUMNS, and the chart's other columns.

    market None: overall. day default: the last complete one. Raises NothingToShowError naming the genres there are.
    """
    wanted = day or last_complete_day(home)
    rows = read_table(home, tables.TOP_ARTISTS_BY_GENRE, [("chart_date", "=", wanted), ("criterion", "=", criterion)])
    found = [row for row in rows.to_pylist() if row["market"] == market]
    genres = sorted({row["genre"] for row in found})
    chart = [row for row in found if row["genre"].lower() == genre.lower() and row["rank"] <= size]
    if not chart:
        there = f"there are charts for {', '.join(genres)}" if genres else _days_with(home, tables.TOP_ARTISTS_BY_GENRE)
        raise NothingToShowError(
            f"no chart of {genre!r} by {criterion}, {market or 'overall'}, over the days that end on {wanted}: {there}"
        )
    return sorted((_complete(row) for row in chart), key=lambda row: row["rank"])


def favourites(home: Path, age_group: str, day: date | None, size: int) -> list[dict[str, Any]]:
    """The most played tracks of an age group over the window that ends on a day: FAVOURITE_COLUMNS and the others.

    day default: the last complete one. Raises NothingToShowError naming the age groups there are.
    """
    wanted = day or last_complete_day(home)
    rows = read_table(home, tables.AGE_GROUP_FAVOURITES, [("chart_date", "=", wanted)]).to_pylist()
    groups = sorted({row["age_group"] for row in rows})
    chart = [row for row in rows if row["age_group"] == age_group and row["rank"] <= size]
    if not chart:
        there = f"there are lists for {', '.join(groups)}" if groups else _days_with(home, tables.AGE_GROUP_FAVOURITES)
        raise NothingToShowError(f"no list of age group {age_group!r} over the days that end on {wanted}: {there}")
    return sorted((_complete(row) for row in chart), key=lambda row: row["rank"])


def last_complete_day(home: Path) -> date:
    """The last day whose plays and window charts are complete. Raises NothingToShowError before the first run."""
    newest = newest_day(home, tables.PLAYS)
    if newest is None:
        raise NothingToShowError("no chart yet: drop files into landing/ and type `umg run`")
    return day_shown(home, newest)


def _days_with(home: Path, table: tables.Table) -> str:
    days = partition_values(home, table, "chart_date")
    return f"there are charts from {days[0]} to {days[-1]}" if days else "there is none; type `umg run`"


def conservation(history: History) -> list[dict[str, Any]]:
    """Per source: files, records read, landed, filtered and quarantined, of the latest entry of each delivery."""
    latest = {
        (entry.source, entry.path, entry.delivery_date): entry
        for entry in history.entries
        if entry.state == "landed" and entry.source in tables.RAW
    }
    rows = []
    for source in tables.KINDS:
        own = [entry for entry in latest.values() if entry.source == source]
        if source == "events" and not own:
            continue
        rows.append(
            {
                "source": source,
                "files": len(own),
                "records_read": sum(entry.records for entry in own),
                "landed": sum(entry.landed for entry in own),
                "quarantined": sum(sum(entry.quarantined.values()) for entry in own),
                "filtered": sum(entry.filtered for entry in own),
            }
        )
    return rows


def duplicates(home: Path, history: History) -> tuple[int, int]:
    """Raw copies of plays that stand in raw_plays, and plays: their difference are the duplicates.

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
    """The rows of a table, from the statistics of its files."""
    return sum(add_actions(home, table).column("num_records").to_pylist())


def quarantine(
    home: Path, source: str | None, reason: str | None, days: tuple[date, date] | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The quarantine's counts by source and reason, and its rows, of the deliveries asked for."""
    where: list[tuple[str, str, str | date]] = []
    if source:
        where.append(("source", "=", source))
    if reason:
        where.append(("reason", "=", reason))
    if days:
        where += [("delivery_date", ">=", days[0]), ("delivery_date", "<=", days[1])]
    rows = read_table(home, tables.QUARANTINE, where)
    rows = rows.sort_by([(name, "ascending") for name in ("delivery_date", "source_file", "record")]).to_pylist()
    counted = Counter((row["source"], row["reason"]) for row in rows)
    counts = [
        {"source": key[0], "reason": key[1], "records": count}
        for key, count in sorted(counted.items(), key=lambda one: (-one[1], one[0]))
    ]
    return counts, rows


def criterion_of(name: str) -> Criterion:
    """The criterion of that name. ValueError lists the four."""
    for criterion in CRITERIA:
        if re.fullmatch(criterion, name.replace("-", "_")):
            return criterion
    raise ValueError(f"no such criterion: {name!r}; expected one of {', '.join(CRITERIA)}")


def artists_criterion_of(name: str) -> Criterion:
    """The criterion of that name, of a chart of artists. ValueError lists the three: listeners are of a month."""
    if name not in ARTIST_CRITERIA and name in CRITERIA:
        raise ValueError(f"artists are not ranked by {name}; expected one of {', '.join(ARTIST_CRITERIA)}")
    return criterion_of(name)
