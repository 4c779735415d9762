"""`umg reconcile`: an independent recount; it fails and names the row if a file or a table differs."""

import bz2
import gzip
import json
import random
import sys
from dataclasses import replace
from pathlib import Path

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from umg_assets.build import build_definitions
from umg_assets.catalogue import LAND_FILES
from umg_assets.cli.main import main
from umg_assets.cli.reconcile import against_list, reconcile, recount_files, recount_tables
from umg_assets.files.layout import Layout
from umg_assets.files.parse import parse_file
from umg_assets.recount.second_reader import count_records
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.reading import TableMissingError
from umg_assets_tests.lake import SOURCES, Lake
from umg_assets_tests.recount.changing import CHANGES, change_a_row

pytestmark = pytest.mark.sail_enough

CELLS = ("a", "b 1", "", '"q"', '"a""b"', '"x\ny"', '"x,y"', ' "s"', '5" disk', '"open', 'end"', '"a"b', "  ")


@pytest.mark.parametrize(
    ("name", "data", "records"),
    [
        ("a.csv", b"id,x\n1,a\n2,b\n", 2),
        ("no end of line.csv", b"id,x\n1,a\n2,b", 2),
        ("crlf.csv", b"\xef\xbb\xbfid,x\r\n1,a\r\n\r\n2,b\r\n", 2),
        ("cr.csv", b"id,x\r1,a\r2,b\r", 2),
        ("newline in quotes.csv", b'id,x\n1,"a\nb\n\nc"\n2,b\n', 2),
        ("stray quote.csv", b'id,x\n1,"a\n2,b\n3,c\n', 3),
        ("quote within.csv", b'id,x\n1,5" disk\n2,7" disk\n', 2),
        ("text after a quote.csv", b'id,x\n1,"a"b\n2,b\n', 2),
        ("bad bytes.csv", b"id,x\n1,\xff\n2,b\n", 2),
        ("header.csv", b"id,x\n", 0),
        ("empty.csv", b"", 0),
        ("blank.csv", b"\n\n", 0),
        ("tabs.tsv", b"id\tx\n1\ta,b\n\t\n", 2),
        ("a.csv.gz", gzip.compress(b"id,x\n1,a\n", mtime=0), 1),
        ("two members.csv.gz", gzip.compress(b"id,x\n1,a\n", mtime=0) + gzip.compress(b"2,b\n", mtime=0), 2),
        ("a.csv.zst", zstandard.compress(b"id,x\n1,a\n"), 1),
        ("EXPORT.CSV.GZ", gzip.compress(b'id,x\n1,"a\n2"\n2,b\n', mtime=0), 2),
        ("export.txt", b'id,x\n1,"a\n2"\n2,b\n', 2),
        ("a.jsonl.bz2", bz2.compress(b'{"id":1}\n\n{broken\n'), 2),
        ("a.jsonl", b'{"id":"\xe2\x80\xa8"}\r\n{"id":2}', 2),
    ],
)
def test_records_are_counted_as_the_parser_counts_them(tmp_path: Path, name: str, data: bytes, records: int):
    file = tmp_path / name
    file.write_bytes(data)
    form = "jsonl" if ".jsonl" in name else "tsv" if ".tsv" in name else "csv"
    assert count_records(file) == records
    assert parse_file(file, Layout(form, ("id",)), tmp_path / "staged").records == records


def test_the_rows_of_a_parquet_file_are_its_records(tmp_path: Path):
    pq.write_table(pa.table({"id": list(range(7))}), tmp_path / "a.parquet")
    assert count_records(tmp_path / "a.parquet") == 7


def test_both_readers_count_alike_whatever_the_quotes_are(tmp_path: Path):
    for seed in range(600):
        chance = random.Random(seed)
        width, (delimiter, form) = chance.choice([1, 2, 3, 5]), chance.choice([(",", "csv"), ("\t", "tsv")])
        lines = [delimiter.join(f"c{position}" for position in range(width))]
        for _ in range(chance.randint(0, 14)):
            fields = width if chance.random() < 0.9 else chance.randint(1, width + 2)
            cells = [
                chance.choice(CELLS) if chance.random() < 0.25 else f"v{chance.randint(0, 99)}" for _ in range(fields)
            ]
            lines += [delimiter.join(cells), *([""] if chance.random() < 0.1 else [])]
        file = tmp_path / f"{seed}.{form}"
        file.write_bytes(chance.choice(["\n", "\r\n", "\r"]).join(lines).encode())
        parsed = parse_file(file, Layout(form, ("c0",)), tmp_path / "staged")  # type: ignore[arg-type]
        assert parsed.refused or count_records(file) == parsed.records, file.read_bytes()


LOG_SOURCE = SOURCES.split("[[sources.users]]")[0].replace(
    'files = "plays/*.csv*"', 'files = "plays/*.log"\nformat = "jsonl"'
)
"""A source of plays whose files have a name that does not tell their format."""


@pytest.fixture(scope="module")
def live_and_copy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Lake]:
    """Two CSV files of plays, one of four records bad, and a .log file with a play of another track, after a run.

    The lake itself, which one test runs once more, and a copy to copy from.
    """
    with pytest.MonkeyPatch.context() as changes:
        changes.setenv("UMG_ENGINE", "sail")
        lake = Lake(tmp_path_factory.mktemp("landed") / "home")
        lake.configure(sources=SOURCES + LOG_SOURCE)
        plays = [(f"p{at}", "u1", "s1", "t1", f"2026-03-02T10:0{at}:00Z", 190_000, "AT") for at in range(3)]
        lake.drop_plays("2026-03-02-a", [*plays[:2], ("", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 1, "AT")])
        lake.drop_plays("2026-03-02-b", plays[2:])
        log = {"play_id": "p4", "user_id": "u", "session_id": "s", "track_id": "t", "played_ms": 1, "country": "AT"}
        lake.drop("plays/2026-03-02.log", json.dumps({**log, "started_at": "2026-03-02T10:00:00Z"}))
        lake.run()
    return lake, lake.copied(tmp_path_factory.mktemp("copy") / "home")


@pytest.fixture
def landed(live_and_copy: tuple[Lake, Lake], tmp_path: Path) -> Lake:
    """A copy of the lake, for a test to change; it is not run."""
    return live_and_copy[1].copied(tmp_path / "landed")


def test_it_fails_if_the_ledger_or_a_table_differs(landed: Lake, capsys: pytest.CaptureFixture[str]):
    tables = landed.home / "tables"
    raw, quarantine = (deltalake.DeltaTable(tables / name) for name in ("raw_plays", "quarantine"))
    before = raw.version(), quarantine.version()

    raw.delete("play_id = 'p1'")
    assert not recount_files(landed.settings)
    assert "1 counts differ" in capsys.readouterr().out
    deltalake.DeltaTable(tables / "raw_plays").restore(before[0])
    assert recount_files(landed.settings)

    quarantine.delete()
    assert not recount_files(landed.settings)
    deltalake.DeltaTable(tables / "quarantine").restore(before[1])
    assert recount_files(landed.settings)

    (entry,) = [entry for entry in landed.history().latest().values() if entry.path == "plays/2026-03-02-b.csv"]
    with Ledger(landed.home).change([replace(entry, records=2, landed=2)]):
        pass
    capsys.readouterr()
    assert not recount_files(landed.settings)
    assert "2 counts differ" in capsys.readouterr().out


def test_every_record_of_a_generated_world_with_all_its_faults_is_accounted_for(
    generated_lake: Lake, capsys: pytest.CaptureFixture[str]
):
    assert recount_files(generated_lake.settings)
    read = sum(entry.records for entry in generated_lake.history().latest().values())
    assert f"{read:,} records" in capsys.readouterr().out
    assert read > 4_000


def test_a_file_that_is_gone_or_has_changed_is_reported_and_is_no_difference(
    landed: Lake, capsys: pytest.CaptureFixture[str]
):
    (landed.home / "landing/plays/2026-03-02-a.csv").unlink()
    landed.drop_plays("2026-03-02-b", [])
    capsys.readouterr()
    assert recount_files(landed.settings)
    assert "1 file counted again, 1 record; 1 no longer lie in landing/; 1 changed since" in printed(capsys)


def test_before_the_first_run_it_says_what_to_do(sail_lake: Lake):
    with pytest.raises(TableMissingError, match=r"nothing has landed yet: drop files into .* and type `umg run`"):
        recount_files(sail_lake.settings)


def test_a_published_list_names_each_difference_and_the_tracks_that_only_one_side_has(
    landed: Lake, capsys: pytest.CaptureFixture[str]
):
    file = landed.home / "list.tsv"
    file.write_text("song\tcount\nt1\t3\nt9\t5\n")
    assert against_list(landed.home, file, "song", "count")
    text = capsys.readouterr().out
    assert "1 tracks only in list.tsv: 't9'" in text
    assert "1 tracks only in plays: 't'" in text
    file.write_text("song\tcount\nt1\t4\n")
    assert not against_list(landed.home, file, "song", "count")
    assert "0 agree, 1 differ" in capsys.readouterr().out
    file.write_text("song\tcount\nt1\tmany\n")
    with pytest.raises(ValueError, match="record 1: count = 'many' is no count"):
        against_list(landed.home, file, "song", "count")
    with pytest.raises(ValueError, match="Missing columns: plays"):
        against_list(landed.home, file, "song", "plays")


def test_a_file_whose_name_does_not_tell_its_format_is_counted_in_the_format_of_its_source(
    landed: Lake, capsys: pytest.CaptureFixture[str]
):
    assert landed.values("raw_plays", "play_id", "source_file")[-1] == ("p4", "plays/2026-03-02.log")
    assert recount_files(landed.settings)
    assert "3 files counted again, 5 records." in printed(capsys)


def ended_with(lake: Lake, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of `umg reconcile ARGUMENTS`."""
    monkeypatch.setenv("UMG_HOME", str(lake.home))
    monkeypatch.setattr(sys, "argv", ["umg", "reconcile", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed since the last call, with any white space as one blank."""
    return " ".join(capsys.readouterr().out.split())


def test_every_row_of_a_generated_world_agrees(
    generated_lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    rows = sum(len(generated_lake.rows(table)) for table in CHANGES)
    assert ended_with(generated_lake, monkeypatch) == 0
    assert f"from the raw tables by DuckDB: {rows:,} rows of {len(CHANGES)} tables, 0 differ." in printed(capsys)


def test_it_fails_if_one_row_of_one_chart_is_changed_by_hand_and_names_the_row(
    generated_lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    lake = generated_lake.copied(tmp_path / "copy")
    row, difference = change_a_row(lake, "top_tracks_by_country")
    assert ended_with(lake, monkeypatch) == 1
    text = printed(capsys)
    assert f"top_tracks_by_country: 1 row differs: {row}: {difference}" in text
    assert f"of {len(CHANGES)} tables, 1 differ." in text


def test_a_row_changed_by_hand_is_named_in_every_table(
    generated_lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Each table is recounted from the raw tables alone: a fault in one table makes no other table differ."""
    lake = generated_lake.copied(tmp_path / "copy")
    changed = {table: change_a_row(lake, table) for table in CHANGES}
    assert ended_with(lake, monkeypatch) == 1
    text = printed(capsys)
    for table, (row, difference) in changed.items():
        assert f"{table}: 1 row differs: {row}: {difference}" in text
    assert f"of {len(CHANGES)} tables, {len(CHANGES)} differ." in text


def test_what_landed_after_the_tables_were_written_waits_for_a_run_and_is_no_difference(
    live_and_copy: tuple[Lake, Lake], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("UMG_ENGINE", "sail")
    landed, _ = live_and_copy
    assert recount_tables(landed.settings)
    landed.drop_plays("2026-03-03", [("p9", "u1", "s1", "t1", "2026-03-02T12:00:00Z", 190_000, "AT")])
    assert recount_tables(landed.settings)
    assert "1 file new or changed in landing/, for `umg run` to land" in printed(capsys)
    job = build_definitions(landed.settings).resolve_job_def(LAND_FILES)
    assert job.execute_in_process(instance=landed.instance, tags={"dagster/partition": "2026-03-03"}).success
    assert not recount_tables(landed.settings)
    text = printed(capsys)
    assert "1 deliveries landed after the tables were written, e.g. plays/2026-03-03.csv: type `umg run`" in text
    assert "differ" not in text
    landed.run()
    assert recount_tables(landed.settings)


def test_a_list_named_in_the_settings_is_compared_too(landed: Lake, capsys: pytest.CaptureFixture[str]):
    file = landed.home / "umg.toml"
    file.write_text(f'{file.read_text()}\n[[published]]\nfile = "list.csv"\nplays = "count"\n')
    (landed.home / "list.csv").write_text("track_id,count\nt1,3\n")
    assert reconcile(landed.settings)
    assert "1 tracks in both: 1 agree, 0 differ." in printed(capsys)
    (landed.home / "list.csv").write_text("track_id,count\nt1,4\n")
    assert not reconcile(landed.settings)
    assert "0 agree, 1 differ" in printed(capsys)
