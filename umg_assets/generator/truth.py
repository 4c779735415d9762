"""The truth about the files: what a correct lakehouse builds from them, computed from the generator's arrays.

Every table is a Parquet file in truth/; dates are local dates in the world's zone, except delivery dates (UTC).

- files: source, path (under landing/), delivery_date, records, landed, quarantined
- file_reasons: path, reason, count
- plays_by_day: play_date, landed (raw copies of that date), plays (after deduplication), duplicates
- daily_track_plays, top_tracks_by_country, top_artists_by_genre, age_group_favourites: see charts.py
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from umg_assets.generator.catalogue import GENRES, Catalogue
from umg_assets.generator.faults import Deliveries
from umg_assets.generator.ids import id_of_artist, id_of_track
from umg_assets.generator.people import People
from umg_assets.generator.plays import Plays
from umg_assets.generator.records import FileCount
from umg_assets.generator.world import AGE_GROUPS, CORRECTION_DAYS, World, calendar_parts, date_of


@dataclass(frozen=True)
class Counted:
    """The rows that count, one for each play.

    local_date: days since 1970; country, age_group: indices, -1 if unknown.
    """

    plays: Plays
    local_date: np.ndarray
    country: np.ndarray
    age_group: np.ndarray


def write_file_counts(counts: list[FileCount], world: World, truth: Path) -> None:
    """Write files.parquet and file_reasons.parquet."""
    ordered = sorted(counts, key=lambda count: count.path)
    quarantined = [sum(count.reasons.values()) for count in ordered]
    dates = [date_of(world.calendar.first + count.day) for count in ordered]
    files = {
        "source": [count.source for count in ordered],
        "path": [count.path for count in ordered],
        "delivery_date": pa.array(dates, pa.date32()),
        "records": [count.landed + bad for count, bad in zip(ordered, quarantined, strict=True)],
        "landed": [count.landed for count in ordered],
        "quarantined": quarantined,
    }
    pq.write_table(pa.table(files), truth / "files.parquet")
    reasons = [(c.path, reason, n) for c in ordered for reason, n in sorted(c.reasons.items())]
    types = {"path": pa.string(), "reason": pa.string(), "count": pa.int64()}
    columns = [pa.array([row[i] for row in reasons], kind) for i, kind in enumerate(types.values())]
    pq.write_table(pa.table(columns, names=list(types)), truth / "file_reasons.parquet")


def count_plays(world: World, people: People, deliveries: Deliveries, truth: Path) -> Counted:
    """Write plays_by_day.parquet and return the rows that count after deduplication."""
    rows = deliveries.rows
    local = world.calendar.local_date(rows.start)
    latest = _latest_copies(deliveries, local)
    low, high = int(local.min()), int(local.max())
    landed = np.bincount(local - low, minlength=high - low + 1)
    for index, file in enumerate(deliveries.files):
        if file.again:
            part = slice(deliveries.start[index], deliveries.start[index + 1])
            landed += np.bincount(local[part] - low, minlength=high - low + 1)
    plays = rows.take(latest)
    local = local[latest]
    kept = np.bincount(local - low, minlength=high - low + 1)
    dates = pa.array(np.arange(low, high + 1, dtype=np.int32)).cast(pa.date32())
    table = pa.table({"play_date": dates, "landed": landed, "plays": kept, "duplicates": landed - kept})
    pq.write_table(table.filter(pa.array(landed > 0)), truth / "plays_by_day.parquet")

    row = people.row_on(plays.user, local - world.calendar.first)
    home = np.where(row < 0, -1, people.row_country[row])
    country = np.where(plays.country >= 0, plays.country, home).astype(np.int8)
    return Counted(plays, local, country, people.age_group_on(row, local))


def _latest_copies(deliveries: Deliveries, local: np.ndarray) -> np.ndarray:
    """Indices of the rows that count: of each play_id the copy delivered last, by delivery date, path, then position.

    Copies belong to one play if, ordered by local day, none is more than 35 days after the previous one. The second
    copy of a file needs no attention: it has the same rows, and its path sorts before that of the first.
    """
    number = deliveries.rows.number
    copied = np.flatnonzero(np.bincount(number)[number] > 1)
    by_day = copied[np.lexsort((local[copied], number[copied]))]
    other = number[by_day][1:] != number[by_day][:-1]
    apart = local[by_day][1:] - local[by_day][:-1] > CORRECTION_DAYS
    cluster = np.concatenate([[0], np.cumsum(other | apart)])
    file = np.searchsorted(deliveries.start, by_day, side="right") - 1
    ranked = sorted(range(len(deliveries.files)), key=lambda f: (deliveries.files[f].day, deliveries.files[f].path))
    rank = np.empty(len(ranked), np.int64)
    rank[ranked] = np.arange(len(ranked))
    order = np.lexsort((by_day, rank[file], cluster))
    last = order[np.append(np.flatnonzero(np.diff(cluster[order])), len(order) - 1)]
    counts = np.ones(len(number), bool)
    counts[copied] = False
    counts[by_day[last]] = True
    return np.flatnonzero(counts)


def connect_truth(world: World, catalogue: Catalogue, counted: Counted) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with `plays` (one row for each play), and tracks, markets and age_groups by index.

    plays: day (days since 1970), country, age_group (indices, -1: unknown), track, played_ms, complete. The latest
    catalogue decides what is complete (95 % of the track); plays of unknown tracks are never complete.
    listeners: month (first day), country, track, listeners (distinct users), for known tracks and countries.
    """
    con = duckdb.connect()
    latest = catalogue.latest()
    duration = np.full(catalogue.total, np.iinfo(np.int64).max)
    duration[: catalogue.known] = [row.duration_ms for row in latest]
    plays = counted.plays
    least = np.where(duration < np.iinfo(np.int64).max, duration * 95 // 100 + (duration * 95 % 100 > 0), duration)
    tables = {
        "plays": {
            "day": counted.local_date,
            "country": counted.country,
            "age_group": counted.age_group,
            "track": plays.track,
            "played_ms": plays.played,
            "complete": plays.played >= least[plays.track],
        },
        "tracks": {
            "track": np.arange(catalogue.known),
            "track_id": [id_of_track(track) for track in range(catalogue.known)],
            "title": [row.title for row in latest],
            "artist_id": [id_of_artist(artist) for artist in catalogue.artist[: catalogue.known].tolist()],
            "artist_name": [catalogue.artist_names[artist] for artist in catalogue.artist[: catalogue.known].tolist()],
            "genre": [GENRES[genre] for genre in catalogue.genre[: catalogue.known].tolist()],
        },
        "unknown_tracks": {
            "track": np.arange(catalogue.known, catalogue.total),
            "track_id": [id_of_track(track) for track in range(catalogue.known, catalogue.total)],
        },
        "markets": {"country": np.arange(len(world.markets)), "name": list(world.markets)},
        "age_groups": {"age_group": np.arange(len(AGE_GROUPS)), "name": list(AGE_GROUPS)},
        "listeners": _listeners(catalogue, counted, len(world.markets)),
    }
    for name, columns in tables.items():
        con.register(name, pa.table(columns))
    return con


def _listeners(catalogue: Catalogue, counted: Counted, countries: int) -> dict[str, np.ndarray]:
    """Distinct users by month, country and track, as columns; the countries are the indices below `countries`."""
    plays = counted.plays
    low = int(counted.local_date.min())
    dates = np.arange(low, int(counted.local_date.max()) + 1)
    year, monthday = calendar_parts(dates)
    month = (year * 12 + monthday // 100 - 1).astype(np.int64)
    first_month = int(month[0])
    charted = (counted.country >= 0) & (plays.track < catalogue.known)
    users = int(plays.user.max()) + 1
    group = (month[counted.local_date - low] - first_month) * countries + counted.country
    keys = np.sort(((group * catalogue.total + plays.track) * users + plays.user)[charted])
    keys = keys[np.append(True, keys[1:] != keys[:-1])] // users
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    keys, listeners = keys[starts], np.diff(np.append(starts, len(keys)))
    group, track = np.divmod(keys, catalogue.total)
    month, country = np.divmod(group, countries)
    months = (month + first_month - 1970 * 12).astype("datetime64[M]").astype("datetime64[D]")
    return {"month": months, "country": country, "track": track, "listeners": listeners}
