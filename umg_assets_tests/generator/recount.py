"""The lakehouse's rules a second time, record by record in plain Python, for small landing files."""

import bz2
import csv
import gzip
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import zstandard

DAY_MS = 86_400_000
AGES = {"13-17": 13, "18-24": 18, "25-34": 25, "35-44": 35, "45-54": 45, "55-64": 55, "65+": 65}
Row = dict[str, Any]


def read_text(path: Path) -> str:
    """The file's text, decompressed; bytes that are not UTF-8 become surrogates."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    elif path.suffix == ".bz2":
        content = bz2.decompress(content)
    elif path.suffix == ".zst":
        content = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content)).read()
    return content.decode("utf-8", "surrogateescape")


def read_records(path: Path) -> Iterator[Row | str]:
    """Each record: its fields, or the reason why it has none."""
    if path.suffix == ".parquet":
        yield from pq.ParquetFile(path).read().to_pylist()
        return
    text = read_text(path)
    if path.suffix == ".jsonl":
        for line in text.removesuffix("\n").split("\n") if text else []:
            if not line.isascii() and not _is_unicode(line):
                yield "bad_encoding"
                continue
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                yield "broken_json"
        return
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(lines)
    try:
        for fields in lines:
            if not _is_unicode("".join(fields)):
                yield "bad_encoding"
            elif len(fields) != len(header):
                yield "field_count"
            else:
                yield {name: value or None for name, value in zip(header, fields, strict=True)}
    except csv.Error:
        yield "broken_quote"


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


@dataclass
class Recount:
    """The contents of the files by path: good rows, and bad records by reason."""

    zone: ZoneInfo
    first_day: date
    good: dict[str, list[Row]]
    bad: dict[str, Counter[str]]

    def rows(self, source: str) -> list[Row]:
        """The good rows of a source, ordered by delivery date, path and position: the last row of a key counts."""
        paths = sorted((p for p in self.good if p.startswith(f"{source}/")), key=lambda p: (delivered_on(p), p))
        return [row for path in paths for row in self.good[path]]


def recount(landing: Path, zone: str, first_day: date) -> Recount:
    """Read and check every file under landing."""
    contents = Recount(ZoneInfo(zone), first_day, {}, {})
    for path in sorted(p for p in landing.rglob("*") if p.is_file()):
        name = path.relative_to(landing).as_posix()
        contents.good[name], contents.bad[name] = [], Counter()
        check = {"plays": _check_play, "users": _check_user, "tracks": _check_track}[name.split("/")[0]]
        for record in read_records(path):
            row = record if isinstance(record, str) else check(contents, record, delivered_on(name))
            if isinstance(row, str):
                contents.bad[name][row] += 1
            else:
                contents.good[name].append(row | {"delivered": delivered_on(name)})
    return contents


def delivered_on(path: str) -> date:
    at = path.index("_20") if "_20" in path else path.index("=20")
    return date.fromisoformat(path[at + 1 : at + 11])


def _check_play(contents: Recount, record: Row, delivered: date) -> Row | str:
    if "ts" in record:
        user = record["user"] or {}
        record = {
            "play_id": record["id"],
            "user_id": user.get("id"),
            "session_id": record["session"],
            "track_id": record["track"],
            "started_at": record["ts"],
            "played_ms": record["played_ms"],
            "country": user.get("country"),
        }
    for name in ("play_id", "user_id", "track_id", "started_at"):
        if record[name] is None:
            return f"missing_{name}"
    start = _instant(record["started_at"])
    if start is None:
        return "unparsable_started_at"
    try:
        played = int(record["played_ms"])
    except ValueError:
        return "unparsable_played_ms"
    local = start.astimezone(contents.zone).date()
    if played < 0 or played > DAY_MS:
        return "negative_duration" if played < 0 else "duration_over_24h"
    if start.date() > delivered + timedelta(days=1):
        return "starts_after_delivery"
    if local < contents.first_day:
        return "before_first_day"
    return {"country": None} | record | {"started_at": start, "played_ms": played, "play_date": local}


def _instant(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, int):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except ValueError:
        return None


def _check_user(contents: Recount, record: Row, delivered: date) -> Row | str:
    if record["user_id"] is None:
        return "missing_user_id"
    try:
        birth = record["birth_date"] and date.fromisoformat(record["birth_date"])
    except ValueError:
        return "unparsable_birth_date"
    return {"age_group": None} | record | {"birth_date": birth}


def _check_track(contents: Recount, record: Row, delivered: date) -> Row | str:
    if record["track_id"] is None:
        return "missing_track_id"
    try:
        return record | {"duration_ms": int(record["duration_ms"])}
    except ValueError:
        return "unparsable_duration_ms"


def plays_that_count(contents: Recount) -> list[Row]:
    """The copy of each play that was delivered last, with country, age_group and track (None: unknown) added.

    Copies of a play_id on local days more than 35 days apart are different plays.
    """
    copies: dict[str, list[tuple[int, Row]]] = defaultdict(list)
    for position, row in enumerate(contents.rows("plays")):
        copies[row["play_id"]].append((position, row))
    kept: list[Row] = []
    for rows in copies.values():
        rows.sort(key=lambda copy: copy[1]["play_date"])
        groups = [[rows[0]]]
        for copy in rows[1:]:
            if copy[1]["play_date"] - groups[-1][-1][1]["play_date"] > timedelta(days=35):
                groups.append([])
            groups[-1].append(copy)
        kept += [max(group, key=lambda copy: copy[0])[1] for group in groups]
    history: dict[str, list[Row]] = defaultdict(list)
    for row in contents.rows("users"):
        history[row["user_id"]].append(row)
    tracks = {row["track_id"]: row for row in contents.rows("tracks")}
    return [_complete(play, history.get(play["user_id"], []), tracks.get(play["track_id"])) for play in kept]


def _complete(play: Row, history: list[Row], track: Row | None) -> Row:
    day = play["play_date"]
    user = next((row for row in reversed(history) if row["delivered"] <= day), history[0] if history else None)
    group = user and (age_group(user["birth_date"], day) if user["birth_date"] else user["age_group"])
    return play | {
        "country": play["country"] or (user and user["country"]),
        "age_group": group,
        "track": track,
        "is_stream": play["played_ms"] >= 30_000,
        "is_complete": track is not None and play["played_ms"] * 100 >= 95 * track["duration_ms"],
    }


def age_group(birth: date, day: date) -> str:
    """The age group by completed years; a birthday on 29 February is on the 28th in other years."""
    try:
        birthday = birth.replace(year=day.year)
    except ValueError:
        birthday = date(day.year, 2, 28)
    age = day.year - birth.year - (day < birthday)
    return max((name for name, least in AGES.items() if least <= age), key=lambda name: AGES[name])


def sums(plays: list[Row]) -> dict[str, int]:
    """plays, streams and listening_ms of some plays."""
    return {
        "plays": len(plays),
        "streams": sum(play["is_stream"] for play in plays),
        "listening_ms": sum(play["played_ms"] for play in plays),
    }


def grouped(plays: list[Row], *keys: Any) -> dict[tuple, list[Row]]:
    """Plays by the values of the keys, each a column or a function of the play."""
    groups: dict[tuple, list[Row]] = defaultdict(list)
    for play in plays:
        groups[tuple(key(play) if callable(key) else play[key] for key in keys)].append(play)
    return groups


def top(entries: list[Row], criterion: str, tie: str, size: int) -> list[Row]:
    """The ranked entries of one chart by one criterion."""
    figure = {"listening_time": "listening_ms"}.get(criterion, criterion)
    ordered = sorted((e for e in entries if e[figure] > 0), key=lambda e: (-e[figure], -e["plays"], e[tie]))
    return [entry | {"criterion": criterion, "rank": rank} for rank, entry in enumerate(ordered[:size], 1)]
