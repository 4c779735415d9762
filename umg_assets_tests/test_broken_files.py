"""200 broken files of every kind, landed and built: every record is accounted for by construction."""

import gzip
import io
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from umg_assets.build import build_definitions
from umg_assets.catalogue import LAND_FILES
from umg_assets.report import Report
from umg_assets.runner import RunFailedError
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


GUARDED_SOURCE = (
    SOURCES[: SOURCES.index("[[sources.users]]")]
    .replace("plays/*.csv*", "guarded/*.csv")
    .replace('"country"', "\"case when country = 'boom' then raise_error(concat('no ', country)) else country end\"", 1)
)
"""A source whose expression raises for a country."""


@dataclass
class Broken:
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


def csv_of(name: str, *records: tuple[str, str | None], end: str = "\n", start: str = "") -> Broken:
    """A CSV file of records (line, reason or None for a good one)."""
    text = start + end.join([HEADER, *(line for line, _ in records)]) + end
    bad = {number: reason for number, (_, reason) in enumerate(records, 1) if reason}
    return Broken(f"{name}.csv", text.encode(errors="surrogateescape"), len(records) - len(bad), 0, bad)


def refused(name: str, content: bytes, reason: str) -> Broken:
    """A file refused whole."""
    return Broken(name, content, bad={0: reason})


def json_of(name: str, *records: tuple[str, str | None]) -> Broken:
    """A file of JSON lines."""
    bad = {number: reason for number, (_, reason) in enumerate(records, 1) if reason}
    text = "\n".join(line for line, _ in records).encode(errors="surrogateescape")
    return Broken(f"{name}.jsonl", text, len(records) - len(bad), 0, bad)


def play(name: str, **changed: Any) -> str:
    """A good JSON line, but for what is changed."""
    good = {"id": name, "user": {"id": "u1", "country": None}, "ts": NOON, "ms": 1000, "track": "t1"}
    return json.dumps({**good, **changed})


def parquet_of(name: str, columns: dict[str, pa.Array], **expected: Any) -> Broken:
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
    return Broken(f"{name}.parquet", buffer.getvalue(), **expected)


def junk(pick: random.Random) -> bytes:
    """Bytes that are not text."""
    return b"\x00" + pick.randbytes(pick.randrange(40, 400))


def kinds(pick: random.Random) -> list[Callable[[str], Broken]]:
    """Every kind of broken file, as functions of the file's name."""
    some = pick.randrange(1, 6)

    def good(name: str) -> list[tuple[str, None]]:
        return [(row(f"{name}-{number}"), None) for number in range(some)]

    def with_bad(*bad: tuple[str, str]) -> Callable[[str], Broken]:
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
        lambda name: Broken(f"{name}.csv"),
        lambda name: Broken(f"{name}.csv", f"{HEADER}\n".encode()),
        lambda name: csv_of(name, *good(name), start="\ufeff", end="\r\n"),
        lambda name: csv_of(name, *good(name), ("a,b", "field_count"), end="\r"),
        lambda name: Broken(
            f"{name}.csv", f"{HEADER}\r\n{row(name)}\n{row(name + 'b')}\r{row(name + 'c')}".encode(), 3
        ),
        lambda name: csv_of(
            name, (row(f'"{name}\nof two lines"'), None), (row("x", played_ms='"1\n2"'), "unparsable_played_ms")
        ),
        lambda name: Broken(
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


@dataclass
class Broken200:
    """The lake of 200 broken files and of an expression that raises, after its one run."""

    lake: Lake
    files: list[Broken]
    report: Report

    def of(self, folder: str, table: str, *columns: str) -> list[tuple]:
        """A table's rows of the files in a folder of landing/, as tuples of columns."""
        rows = (row for row in self.lake.rows(table) if row["source_file"].startswith(folder))
        return sorted((tuple(row[name] for name in columns) for row in rows), key=repr)


def allow_raise_error(patch: pytest.MonkeyPatch) -> None:
    """Lets expressions call raise_error()."""
    from umg_assets.settings import expressions

    patch.setattr(expressions, "FUNCTIONS", expressions.FUNCTIONS | {"raise_error"})


def drop_guarded(lake: Lake) -> None:
    """Two files of GUARDED_SOURCE; its expression raises for records 3 and 11 of the first."""
    lines = [row(f"guarded-{number}", country="boom" if number in (3, 11) else "") for number in range(1, 14)]
    lake.drop("guarded/2026-03-02.csv", "\n".join([HEADER, *lines]))
    lake.drop("guarded/2026-03-02-fine.csv", f"{HEADER}\n{row('guarded-other')}\n")


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, engine: str) -> Broken200:
    """200 broken files in plays/, and in guarded/ two files of a source whose expression raises; one run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMG_ENGINE", engine)
        allow_raise_error(patch)
        pick, lake = random.Random(20260302), Lake(tmp_path_factory.mktemp("broken") / "home")
        lake.configure(sources=MORE_SOURCES + GUARDED_SOURCE + SOURCES)
        files = [kinds(pick)[number % len(kinds(pick))](f"2026-03-02-{number:03}") for number in range(200)]
        for file in files:
            lake.drop(f"plays/{file.name}", file.content)
        drop_guarded(lake)
        return Broken200(lake, files, lake.run())


@pytest.mark.sail_enough
def test_two_hundred_broken_files_are_read_to_the_last_record_and_the_run_succeeds(broken: Broken200):
    assert not broken.report.scan.waiting
    assert not broken.report.scan.unclaimed
    bad = [(f"plays/{file.name}", record, reason) for file in broken.files for record, reason in file.bad.items()]
    assert broken.of("plays/", "quarantine", "source_file", "record", "reason") == sorted(bad, key=repr)
    entries = [entry for entry in broken.lake.history().entries if entry.state == "landed"]
    assert {
        entry.path: (entry.records, entry.landed, entry.filtered, sum(entry.quarantined.values()))
        for entry in entries
        if entry.path.startswith("plays/")
    } == {
        f"plays/{file.name}": (file.landed + file.filtered + len(file.bad), file.landed, file.filtered, len(file.bad))
        for file in broken.files
    }
    landed = sum(file.landed for file in broken.files)
    raw = broken.of("plays/", "raw_plays", "source_file", "record")
    assert len(raw) == len(set(raw)) == landed
    plays = [play_id for (play_id,) in broken.lake.values("plays", "play_id") if not play_id.startswith("guarded-")]
    assert len(plays) == landed
    rejects = broken.of("plays/", "quarantine", "source_file", "record", "text")
    texts = {(path, record): text for path, record, text in rejects}
    first = max(record for path, record in texts if path.endswith("-000.csv")) - 1
    assert texts["plays/2026-03-02-000.csv", first] == "a,b,c"
    assert "caf\\xe9" in texts[next(key for key in texts if key[0].endswith("-001.csv"))]


def assert_raising_records_are_set_aside(broken: Broken200) -> None:
    """Asserts that records 3 and 11 are in quarantine, and that all others of both files have landed."""
    rejects = broken.of("guarded/", "quarantine", "record", "reason", "text")
    assert [(record, reason) for record, reason, _ in rejects] == [(11, "expression_error"), (3, "expression_error")]
    assert json.loads(rejects[0][2])["country"] == "boom"
    landed = {play_id for (play_id,) in broken.of("guarded/", "raw_plays", "play_id")}
    assert landed == {"guarded-other", *(f"guarded-{number}" for number in range(1, 14) if number not in (3, 11))}
    assert {country for (country,) in broken.of("guarded/", "raw_plays", "country")} == {None, "AT"}


@pytest.mark.sail_enough
def test_records_for_which_an_expression_raises_are_set_aside_and_their_neighbours_land(broken: Broken200):
    assert_raising_records_are_set_aside(broken)
    plays = {play_id for (play_id,) in broken.lake.values("plays", "play_id") if play_id.startswith("guarded-")}
    assert plays == {play_id for (play_id,) in broken.of("guarded/", "raw_plays", "play_id")}


@pytest.mark.spark_only
def test_spark_too_sets_aside_records_for_which_an_expression_raises(lake: Lake, monkeypatch: pytest.MonkeyPatch):
    allow_raise_error(monkeypatch)
    lake.configure(sources=MORE_SOURCES + GUARDED_SOURCE + SOURCES)
    drop_guarded(lake)
    job = build_definitions(lake.settings).resolve_job_def(LAND_FILES)
    assert job.execute_in_process(instance=lake.instance, tags={"dagster/partition": "2026-03-02"}).success
    assert_raising_records_are_set_aside(Broken200(lake, [], Report()))


NOTHING_GOOD = {"empty": b"", "header": f"{HEADER}\n".encode(), "html": b"<html>", "bad": f"{HEADER}\na,b\n".encode()}
"""Contents of deliveries without a single good record, by the end of their file's name."""


@dataclass
class Repaired:
    """A lake whose files come again, and what it held after each of its three runs."""

    lake: Lake
    plays: list[set[tuple]] = field(default_factory=list)
    rejects: list[list[tuple]] = field(default_factory=list)
    landed: list[set[tuple]] = field(default_factory=list)

    def run(self) -> Report:
        """A run; keeps (source_file, play_id) of raw plays, (play_id,) of plays, (path, record, reason) of rejects."""
        report = self.lake.run()
        self.landed.append(set(self.lake.values("raw_plays", "source_file", "play_id")))
        self.plays.append(set(self.lake.values("plays", "play_id")))
        self.rejects.append(self.lake.values("quarantine", "source_file", "record", "reason"))
        return report


@pytest.fixture(scope="module")
def repaired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repaired]:
    """A failed run, then a run of all first files, of all second ones, and of the third of the refused file."""
    from umg_assets.landing import staging

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMG_ENGINE", "sail")
        pick, lake = random.Random(20260302), Lake(tmp_path_factory.mktemp("repaired") / "home")
        lake.configure(sources=MORE_SOURCES + SOURCES)
        files = [kind(f"2026-03-02-{number:03}") for number, kind in enumerate(kinds(pick))]
        for file in files:
            lake.drop(f"plays/{file.name}", file.content)
        for name, content in NOTHING_GOOD.items():
            lake.drop(f"plays/2026-03-03-{name}.csv", content)
        lake.drop("plays/2026-03-04.csv", f"{HEADER}\n{row('refused-1')}\n{row('refused-2', played_ms='x')}\n")
        with pytest.MonkeyPatch.context() as failing:
            failing.setattr(staging.Lakehouse, "staging", lambda self: self.home / "no such place\0")
            with pytest.raises(RunFailedError):
                lake.run()
        repaired = Repaired(lake)
        repaired.run()
        for file in files:
            lake.drop(f"plays/{file.name.split('.')[0]}.csv", f"{HEADER}\n{row(file.name)}\n")
            if ".csv" not in file.name or file.name.endswith(".gz"):
                (lake.home / "landing/plays" / file.name).unlink()
        lake.drop("plays/2026-03-04.csv", "<html>")
        repaired.run()
        lake.drop("plays/2026-03-04.csv", f"{HEADER}\n{row('refused-2')}\n")
        repaired.run()
        yield repaired


def test_broken_files_that_come_again_whole_leave_the_quarantine(repaired: Repaired):
    assert any("2026-03-02" in path for path, *_ in repaired.rejects[0])
    left = {path for path, *_ in repaired.rejects[1] if "2026-03-02" in path}
    assert all(not path.endswith(".csv") for path in left)


@pytest.mark.parametrize("name", NOTHING_GOOD)
def test_a_delivery_without_a_single_good_record_lands_nothing_and_the_run_succeeds(repaired: Repaired, name: str):
    path = f"plays/2026-03-03-{name}.csv"
    assert path not in {source_file for landed in repaired.landed for source_file, _ in landed}
    assert [entry.state for entry in repaired.lake.history().entries if entry.path == path] == ["staged", "landed"]
    assert repaired.lake.run().runs == 0


def test_a_file_refused_whole_leaves_what_its_path_had_landed(repaired: Repaired):
    def plays(run: int) -> set[str]:
        return {play_id for (play_id,) in repaired.plays[run] if play_id.startswith("refused-")}

    def rejects(run: int) -> list[tuple]:
        return [(record, reason) for path, record, reason in repaired.rejects[run] if path == "plays/2026-03-04.csv"]

    assert plays(0) == plays(1) == {"refused-1"}
    assert rejects(1) == [(0, "not_the_format")]
    assert plays(2) == {"refused-2"}
    assert rejects(2) == []


def test_an_engine_that_fails_is_no_bad_record(repaired: Repaired):
    """The first run of this lake failed while it staged the files."""
    assert {play_id for (play_id,) in repaired.plays[0] if play_id.startswith("refused-")} == {"refused-1"}
    assert "expression_error" not in {reason for *_, reason in repaired.rejects[0]}
    assert (2, "unparsable_played_ms") in [
        (record, reason) for path, record, reason in repaired.rejects[0] if path == "plays/2026-03-04.csv"
    ]
