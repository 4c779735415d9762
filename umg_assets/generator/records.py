"""The users and tracks files: a full snapshot on the first day, then new and changed records; with bad records."""

import csv
import io
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from umg_assets.generator.catalogue import GENRES, Catalogue
from umg_assets.generator.ids import id_of_artist, id_of_track, id_of_user
from umg_assets.generator.people import NO_DATE, People
from umg_assets.generator.world import AGE_GROUPS, World, date_of

USER_COLUMNS = ("user_id", "country", "birth_date", "age_group", "signed_up_on")
TRACK_COLUMNS = ("track_id", "title", "artist_id", "artist_name", "genre", "duration_ms")
_BAD_DATES = ("n/a", "30.02.1999", "unknown")
_BAD_DURATIONS = ("3:25", "n/a", "long")

Record = dict[str, str | int | None]


@dataclass(frozen=True)
class FileCount:
    """The contents of a file: the number of good records (landed), and of bad ones by reason."""

    source: str
    path: str
    day: int
    landed: int
    reasons: dict[str, int]


def write_users(world: World, people: People, landing: Path) -> list[FileCount]:
    """Write users/users_<date>.csv on the first day (without age_group), then .jsonl every week."""
    days = np.unique(people.row_day).tolist()
    by_day: dict[int, list[Record]] = {day: [] for day in days}
    columns = (people.row_user, people.row_day, people.row_country, people.row_birth, people.row_age_group)
    dates = {int(d): date_of(d).isoformat() for d in np.unique(np.append(people.row_birth, people.row_signed_up))}
    dates[NO_DATE] = ""
    rows = zip(*(column.tolist() for column in (*columns, people.row_signed_up)), strict=True)
    for user, day, country, birth, age_group, signed_up in rows:
        by_day[day].append(
            {
                "user_id": id_of_user(user),
                "country": world.markets[country],
                "birth_date": dates[birth] or None,
                "age_group": AGE_GROUPS[age_group] if age_group >= 0 else None,
                "signed_up_on": dates[signed_up],
            }
        )
    files = _Files(world, landing, "users", "user_id", ("birth_date", "unparsable_birth_date", _BAD_DATES))
    snapshot = tuple(name for name in USER_COLUMNS if name != "age_group")
    return [files.write(day, records, snapshot) for day, records in by_day.items()]


def write_tracks(world: World, catalogue: Catalogue, landing: Path) -> list[FileCount]:
    """Write tracks/tracks_<date>.csv on the first day, then .jsonl with new tracks, titles and durations."""
    by_day: dict[int, list[Record]] = {}
    for row in catalogue.rows:
        artist = int(catalogue.artist[row.track])
        by_day.setdefault(row.day, []).append(
            {
                "track_id": id_of_track(row.track),
                "title": row.title,
                "artist_id": id_of_artist(artist),
                "artist_name": catalogue.artist_names[artist],
                "genre": GENRES[catalogue.genre[row.track]],
                "duration_ms": row.duration_ms,
            }
        )
    files = _Files(world, landing, "tracks", "track_id", ("duration_ms", "unparsable_duration_ms", _BAD_DURATIONS))
    return [files.write(day, records, TRACK_COLUMNS) for day, records in by_day.items()]


class _Files:
    """Writes the files of one source, planting its bad records."""

    def __init__(
        self, world: World, landing: Path, source: str, key: str, unparsable: tuple[str, str, tuple[str, ...]]
    ) -> None:
        self._world, self._landing, self._source, self._key = world, landing, source, key
        self._field, self._reason, self._texts = unparsable
        self._rng = world.rng(f"dirty {source}")
        (landing / source).mkdir(parents=True, exist_ok=True)

    def write(self, day: int, records: list[Record], snapshot_columns: tuple[str, ...]) -> FileCount:
        """Write a CSV file of snapshot_columns on day 0, else JSON lines of whole records."""
        as_csv = day == 0
        write = _csv_lines if as_csv else _json_lines
        columns = snapshot_columns if as_csv else tuple(records[0])
        lines = write(records, columns)
        reasons: Counter[str] = Counter()
        for reason in self._reasons(as_csv, len(records)):
            like = records[int(self._rng.integers(0, len(records)))]
            place = int(self._rng.integers(1 if as_csv else 0, len(lines) + 1))
            lines.insert(place, self._bad(reason, like, columns, as_csv))
            reasons[reason] += 1
        suffix = "csv" if as_csv else "jsonl"
        path = f"{self._source}/{self._source}_{self._world.calendar.iso(day)}.{suffix}"
        (self._landing / path).write_bytes("".join(lines).encode())
        return FileCount(self._source, path, day, len(records), dict(reasons))

    def _reasons(self, as_csv: bool, records: int) -> list[str]:
        """The bad records of a file: each reason at least once in the snapshot, one in each later file."""
        if self._world.dirty == 0:
            return []
        kinds = [f"missing_{self._key}", self._reason, "field_count" if as_csv else "broken_json"]
        rest = round(self._world.dirty * records) if as_csv else 1
        return [*(kinds if as_csv else []), *self._rng.choice(kinds, max(0, rest - 3 * as_csv)).tolist()]

    def _bad(self, reason: str, like: Record, columns: tuple[str, ...], as_csv: bool) -> str:
        """A copy of a good record with a fault; a reader that accepted it would change the good record."""
        record = {**like}
        if "country" in record:
            record["country"] = self._world.markets[0]
        if "title" in record:
            record["title"] = "Not a title"
        if reason.startswith("missing_"):
            record[self._key] = None
        elif reason == self._reason:
            record[self._field] = str(self._rng.choice(self._texts))
        elif reason == "field_count":
            columns = columns[:-1]
        if as_csv:
            return _csv_lines([record], columns)[1]
        text = _json_lines([record], columns)[0]
        return text[: len(text) // 2] + "\n" if reason == "broken_json" else text


def _csv_lines(records: list[Record], columns: tuple[str, ...]) -> list[str]:
    """The header and each record as text; a record may hold line ends inside quotes."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    lines = []
    for values in (columns, *([record[name] for name in columns] for record in records)):
        buffer.seek(0)
        buffer.truncate()
        writer.writerow(values)
        lines.append(buffer.getvalue())
    return lines


def _json_lines(records: list[Record], columns: tuple[str, ...]) -> list[str]:
    return [json.dumps({name: record[name] for name in columns}, ensure_ascii=False) + "\n" for record in records]
