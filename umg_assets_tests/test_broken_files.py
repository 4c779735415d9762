"""200 broken files of every kind, run the whole way on each engine: every record is accounted for by construction."""

import gzip
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from umg_assets_tests.lake import PLAY_COLUMNS, SOURCES, Lake

HEADER = ",".join(PLAY_COLUMNS)
MORE_SOURCES = """
[[sources.plays]]
files = "plays/*.jsonl"
schema = "id string, user struct<id: string, country: string>, ts string, ms string, track string"
delivered_on = '(\\d{4}-\\d{2}-\\d{2})'
[sources.plays.columns]
play_id = "id"
user_id = "user.id"
track_id = "track"
started_at = "timestamp_millis(cast(ts as bigint))"
played_ms = "cast(ms as bigint)"
country = "user.country"

[[sources.plays]]
files = "plays/*.parquet"
delivered_on = '(\\d{4}-\\d{2}-\\d{2})'
where = "track_id <> 'ad' or track_id is null"
[sources.plays.columns]
play_id = "play_id"
user_id = "user_id"
track_id = "track_id"
started_at = "started_at"
played_ms = "played_ms"
"""
NOON = 1_772_366_400_000
"""2026-03-01T12:00:00Z in milliseconds; files are delivered on 2026-03-02."""


@dataclass
class Made:
    """A file and what must come of it: rows that land, records filtered, and the reason of each bad record."""

    name: str
    content: bytes = b""
    landed: int = 0
    filtered: int = 0
    bad: dict[int, str] = field(default_factory=dict)


def row(name: str, **changed: str) -> str:
    """A good line of CSV, but for what is changed."""
    values = ("u1", "s1", "t1", "2026-03-01T12:00:00Z", "1000", "AT")
    return ",".join({**dict(zip(PLAY_COLUMNS, (name, *values), strict=True)), **changed}.values())


def csv_of(name: str, *records: tuple[str, str | None], end: str = "\n", start: str = "") -> Made:
    """A CSV file of records (line, reason or None for a good one)."""
    text = start + end.join([HEADER, *(line for line, _ in records)]) + end
    bad = {number: reason for number, (_, reason) in enumerate(records, 1) if reason}
    return Made(f"{name}.csv", text.encode(errors="surrogateescape"), len(records) - len(bad), 0, bad)


def refused(name: str, content: bytes, reason: str) -> Made:
    """A file refused whole."""
    return Made(name, content, bad={0: reason})


def json_of(name: str, *records: tuple[str, str | None]) -> Made:
    """A file of JSON lines."""
    bad = {number: reason for number, (_, reason) in enumerate(records, 1) if reason}
    text = "\n".join(line for line, _ in records).encode(errors="surrogateescape")
    return Made(f"{name}.jsonl", text, len(records) - len(bad), 0, bad)


def play(name: str, **changed: Any) -> str:
    """A good JSON line, but for what is changed."""
    good = {"id": name, "user": {"id": "u1", "country": None}, "ts": NOON, "ms": 1000, "track": "t1"}
    return json.dumps({**good, **changed})


def parquet_of(name: str, columns: dict[str, pa.Array], **expected: Any) -> Made:
    """A Parquet file; rows are good but for the columns given."""
    rows = max(len(column) for column in columns.values())
    good = {
        "play_id": pa.array([f"{name}-{number}" for number in range(rows)]),
        "user_id": pa.array(["u1"] * rows),
        "track_id": pa.array(["t1"] * rows),
        "started_at": pa.array([NOON * 1000] * rows, pa.timestamp("us", "UTC")),
        "played_ms": pa.array([1000] * rows),
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table({**good, **columns}), buffer)
    return Made(f"{name}.parquet", buffer.getvalue(), **expected)


def junk(pick: random.Random) -> bytes:
    """Bytes that are no text."""
    return b"\x00" + pick.randbytes(pick.randrange(40, 400))


def kinds(pick: random.Random) -> list[Callable[[str], Made]]:
    """Every kind of file of the issue; each makes one of that kind under a name."""
    some = pick.randrange(1, 6)

    def good(name: str) -> list[tuple[str, None]]:
        return [(row(f"{name}-{number}"), None) for number in range(some)]

    def with_bad(*bad: tuple[str, str]) -> Callable[[str], Made]:
        return lambda name: csv_of(name, *good(name), *bad, (row(f"{name}-last"), None))

    plain = f"{HEADER}\n{row('cut')}\n".encode() * 50
    return [
        with_bad(("a,b,c", "field_count"), (row("x") + ",1,2", "field_count")),
        with_bad((row("x", track_id="caf\udce9"), "bad_encoding")),
        with_bad(*[(row("x", **{key: ""}), f"missing_{key}") for key in ("play_id", "user_id", "track_id")]),
        with_bad(
            (row("x", started_at=""), "missing_started_at"), (row("x", started_at="noon"), "unparsable_started_at")
        ),
        with_bad(
            (row("x", played_ms="3:25"), "unparsable_played_ms"), (row("x", played_ms="1.5"), "unparsable_played_ms")
        ),
        with_bad(
            (row("x", played_ms="9" * 25), "unparsable_played_ms"), (row("x", played_ms="-1"), "negative_duration")
        ),
        lambda name: csv_of(
            name, (row(name, played_ms="86400000"), None), (row("x", played_ms="86400001"), "duration_over_24h")
        ),
        lambda name: csv_of(
            name,
            (row(f"{name}-1", started_at="2026-03-03T23:59:59Z"), None),
            (row("x", started_at="2026-03-04T00:00:00Z"), "starts_after_delivery"),
            (row("x", started_at="+12345-01-01T00:00:00Z"), "unparsable_started_at"),
        ),
        lambda name: csv_of(
            name,
            (row(f"{name}-1", started_at="2025-12-31T23:30:00Z"), None),
            (row("x", started_at="2025-12-31T22:30:00Z"), "before_first_day"),
            (row("x", started_at="0001-01-01T00:00:00Z"), "unparsable_started_at"),
        ),
        lambda name: refused(f"{name}.csv.gz", gzip.compress(plain)[: -pick.randrange(1, 60)], "unreadable_file"),
        lambda name: refused(f"{name}.csv", b"<html><body>502</body></html>", "not_the_format"),
        lambda name: refused(f"{name}.csv", junk(pick), "not_the_format"),
        lambda name: refused(f"{name}.csv", b"play_id,user_id\n1,2\n", "missing_column"),
        lambda name: Made(f"{name}.csv"),
        lambda name: Made(f"{name}.csv", f"{HEADER}\n".encode()),
        lambda name: csv_of(name, *good(name), start="\ufeff", end="\r\n"),
        lambda name: csv_of(name, *good(name), ("a,b", "field_count"), end="\r"),
        lambda name: Made(f"{name}.csv", f"{HEADER}\r\n{row(name)}\n{row(name + 'b')}\r{row(name + 'c')}".encode(), 3),
        lambda name: csv_of(
            name, (row(f'"{name}\nof two lines"'), None), (row("x", played_ms='"1\n2"'), "unparsable_played_ms")
        ),
        lambda name: Made(
            f"{name}.csv",
            "extra,{}\n1,{}\n".format(
                ",".join(reversed(HEADER.split(","))), ",".join(reversed(row(name).split(",")))
            ).encode(),
            1,
        ),
        lambda name: json_of(name, (play(name), None), (play("x")[:-3], "broken_json"), ("[1]", "broken_json")),
        lambda name: json_of(
            name,
            (play("x", user=None), "missing_user_id"),
            (play("x", ts=10**18), "unparsable_started_at"),
            (play("x", ts=2**63 - 1), "unparsable_started_at"),
            (play("x", ts="9" * 30), "unparsable_started_at"),
            (play("x", track="caf\udce9").replace("\\udce9", "\udce9"), "bad_encoding"),
            (play(name), None),
        ),
        lambda name: refused(f"{name}.parquet", junk(pick), "not_the_format"),
        lambda name: parquet_of(name, {"started_at": pa.array([[1], [2]])}, bad={0: "not_the_format"}),
        lambda name: parquet_of(
            name,
            {
                "started_at": pa.array([NOON * 1000, 2**62, None, NOON * 1000], pa.timestamp("us", "UTC")),
                "track_id": pa.array(["t1", "t1", "t1", "ad"]),
            },
            landed=1,
            filtered=1,
            bad={2: "unparsable_started_at", 3: "missing_started_at"},
        ),
    ]


def test_two_hundred_broken_files_are_read_to_the_last_record_and_the_run_stays_green(lake: Lake):
    pick = random.Random(20260302)
    lake.configure(sources=MORE_SOURCES + SOURCES)
    made = [kinds(pick)[number % len(kinds(pick))](f"2026-03-02-{number:03}") for number in range(200)]
    for one in made:
        lake.drop(f"plays/{one.name}", one.content)
    report = lake.run()
    assert not report.scan.waiting
    assert not report.scan.unclaimed
    expected = sorted((f"plays/{one.name}", record, why) for one in made for record, why in one.bad.items())
    assert lake.values("quarantine", "source_file", "record", "reason") == sorted(expected, key=repr)
    entries = {entry.path: entry for entry in lake.history().entries if entry.state == "landed"}
    assert {path: (e.records, e.landed, e.filtered, sum(e.quarantined.values())) for path, e in entries.items()} == {
        f"plays/{one.name}": (one.landed + one.filtered + len(one.bad), one.landed, one.filtered, len(one.bad))
        for one in made
    }
    raw = lake.values("raw_plays", "source_file", "record")
    assert len(raw) == len(set(raw)) == sum(one.landed for one in made)
    assert len(lake.rows("plays", "play_id")) == sum(one.landed for one in made)
    texts = {(path, record): text for path, record, text in lake.values("quarantine", "source_file", "record", "text")}
    assert texts["plays/2026-03-02-000.csv", max(r for p, r in texts if p.endswith("-000.csv")) - 1] == "a,b,c"
    assert "caf\\xe9" in texts[next(key for key in texts if key[0].endswith("-001.csv"))]


def test_broken_files_that_come_again_whole_leave_the_quarantine(sail_lake: Lake):
    pick = random.Random(20260302)
    sail_lake.configure(sources=MORE_SOURCES + SOURCES)
    made = [kind(f"2026-03-02-{number:03}") for number, kind in enumerate(kinds(pick))]
    for one in made:
        sail_lake.drop(f"plays/{one.name}", one.content)
    sail_lake.run()
    assert sail_lake.rows("quarantine")
    for one in made:
        sail_lake.drop(f"plays/{one.name.split('.')[0]}.csv", f"{HEADER}\n{row(one.name)}\n")
        if ".csv" not in one.name or one.name.endswith(".gz"):
            (sail_lake.home / "landing/plays" / one.name).unlink()
    sail_lake.run()
    left = {path for (path,) in sail_lake.values("quarantine", "source_file")}
    assert all(not path.endswith(".csv") for path in left)


@pytest.mark.parametrize("content", [b"", f"{HEADER}\n".encode(), b"<html>", f"{HEADER}\na,b\n".encode()])
def test_a_delivery_without_a_single_good_record_lands_nothing_and_stays_green(sail_lake: Lake, content: bytes):
    sail_lake.drop("plays/2026-03-02.csv", content)
    sail_lake.run()
    assert sail_lake.rows("plays") == []
    assert sail_lake.run().runs == 0


def test_a_file_refused_whole_leaves_what_its_path_had_landed(sail_lake: Lake):
    sail_lake.drop("plays/2026-03-02.csv", f"{HEADER}\n{row('p1')}\n{row('p2', played_ms='x')}\n")
    sail_lake.run()
    sail_lake.drop("plays/2026-03-02.csv", "<html>")
    sail_lake.run()
    assert sail_lake.values("plays", "play_id") == [("p1",)]
    assert sail_lake.values("quarantine", "record", "reason") == [(0, "not_the_format")]
    sail_lake.drop("plays/2026-03-02.csv", f"{HEADER}\n{row('p2')}\n")
    sail_lake.run()
    assert sail_lake.values("plays", "play_id") == [("p2",)]
    assert sail_lake.rows("quarantine") == []


def test_records_for_which_an_expression_raises_are_set_aside_and_their_neighbours_land(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    from umg_assets import expressions

    monkeypatch.setattr(expressions, "FUNCTIONS", expressions.FUNCTIONS | {"raise_error"})
    guarded = SOURCES.replace(
        '"country"', "\"case when country = 'boom' then raise_error(concat('no ', country)) else country end\"", 1
    )
    lake.configure(sources=guarded)
    lines = [row(f"p{number}", country="boom" if number in (3, 11) else "") for number in range(1, 14)]
    lake.drop("plays/2026-03-02.csv", "\n".join([HEADER, *lines]))
    lake.drop("plays/2026-03-02-fine.csv", f"{HEADER}\n{row('other')}\n")
    lake.run()
    assert lake.values("quarantine", "record", "reason") == [(11, "expression_error"), (3, "expression_error")]
    assert json.loads(lake.rows("quarantine")[0]["text"])["country"] == "boom"
    assert {play for (play,) in lake.values("plays", "play_id")} == {
        "other",
        *(f"p{number}" for number in range(1, 14) if number not in (3, 11)),
    }
    assert {country for (country,) in lake.values("raw_plays", "country")} == {None, "AT"}


def test_an_engine_that_fails_is_no_bad_record(sail_lake: Lake, monkeypatch: pytest.MonkeyPatch):
    from umg_assets.resources import staging
    from umg_assets.running import RunFailedError

    sail_lake.drop("plays/2026-03-02.csv", f"{HEADER}\n{row('p1')}\n")
    with monkeypatch.context() as broken:
        broken.setattr(staging.Lakehouse, "staging", lambda self: self.home / "no such place\0")
        with pytest.raises(RunFailedError):
            sail_lake.run()
    sail_lake.run()
    assert sail_lake.values("plays", "play_id") == [("p1",)]
