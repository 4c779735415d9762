"""`umg reconcile`: counted again by another way; red, with the row named, when a file or a table says otherwise."""

import bz2
import gzip
import json
import random
import sys
from pathlib import Path

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from umg_assets.automation import LAND
from umg_assets.cli import main
from umg_assets.definitions import build_definitions
from umg_assets.reconcile import against_list, reconcile, recount_files, recount_tables
from umg_assets.recount.second_reader import count_records
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.parsing import Layout, parse_file
from umg_assets.resources.reading import TableMissingError
from umg_assets_tests.lake import Lake
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
        ("a.csv.gz", gzip.compress(b"id,x\n1,a\n"), 1),
        ("two members.csv.gz", gzip.compress(b"id,x\n1,a\n") + gzip.compress(b"2,b\n"), 2),
        ("a.csv.zst", zstandard.compress(b"id,x\n1,a\n"), 1),
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


@pytest.fixture
def landed(sail_lake: Lake) -> Lake:
    """Two files of plays, of four records one is bad."""
    plays = [(f"p{at}", "u1", "s1", "t1", f"2026-03-02T10:0{at}:00Z", 190_000, "AT") for at in range(3)]
    sail_lake.drop_plays("2026-03-02-a", [*plays[:2], ("", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 1, "AT")])
    sail_lake.drop_plays("2026-03-02-b", plays[2:])
    sail_lake.run()
    assert recount_files(sail_lake.settings)
    return sail_lake


def test_it_is_red_when_the_ledger_or_a_table_says_otherwise(landed: Lake, capsys: pytest.CaptureFixture[str]):
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

    (entry,) = [one for one in landed.history().latest().values() if one.path == "plays/2026-03-02-b.csv"]
    with Ledger(landed.home).change([type(entry)(**{**vars(entry), "records": 2, "landed": 2})]):
        pass
    capsys.readouterr()
    assert not recount_files(landed.settings)
    assert "2 counts differ" in capsys.readouterr().out


def test_every_record_of_a_made_up_world_with_all_its_faults_is_accounted_for(
    made_lake: Lake, capsys: pytest.CaptureFixture[str]
):
    assert recount_files(made_lake.settings)
    read = sum(entry.records for entry in made_lake.history().latest().values())
    assert f"{read:,} records" in capsys.readouterr().out
    assert read > 4_000


def test_a_file_that_is_gone_or_changed_since_is_told_and_no_difference(
    landed: Lake, capsys: pytest.CaptureFixture[str]
):
    (landed.home / "landing/plays/2026-03-02-a.csv").unlink()
    landed.drop_plays("2026-03-02-b", [])
    capsys.readouterr()
    assert recount_files(landed.settings)
    said = " ".join(capsys.readouterr().out.split())
    assert "0 files counted again, 0 records; 1 no longer lie in landing/; 1 changed since" in said


def test_before_the_first_run_it_says_what_to_do(sail_lake: Lake):
    with pytest.raises(TableMissingError, match=r"nothing has landed yet: drop files into .* and type `umg run`"):
        recount_files(sail_lake.settings)


def test_a_published_list_names_each_difference_and_what_only_one_side_has(
    landed: Lake, capsys: pytest.CaptureFixture[str]
):
    file = landed.home / "list.tsv"
    file.write_text("song\tcount\nt1\t3\nt9\t5\n")
    assert against_list(landed.home, file, "song", "count")
    assert "1 tracks only in list.tsv: 't9'" in capsys.readouterr().out
    file.write_text("song\tcount\nt1\t4\n")
    assert not against_list(landed.home, file, "song", "count")
    assert "0 agree, 1 differ" in capsys.readouterr().out
    file.write_text("song\tcount\nt1\tmany\n")
    with pytest.raises(ValueError, match="record 1: count = 'many' is no count"):
        against_list(landed.home, file, "song", "count")
    with pytest.raises(ValueError, match="Missing columns: plays"):
        against_list(landed.home, file, "song", "plays")


def test_a_file_read_in_a_format_that_its_name_does_not_say_is_counted_in_that_format(sail_lake: Lake):
    source = (
        sail_lake.home.joinpath("umg.toml")
        .read_text()
        .replace('files = "plays/*.csv*"', 'files = "plays/*.log"\nformat = "jsonl"')
    )
    (sail_lake.home / "umg.toml").write_text(source)
    play = {"play_id": "p1", "user_id": "u", "session_id": "s", "track_id": "t", "played_ms": 1, "country": "AT"}
    sail_lake.drop("plays/2026-03-02.log", json.dumps({**play, "started_at": "2026-03-02T10:00:00Z"}))
    sail_lake.run()
    assert recount_files(sail_lake.settings)


def ended_with(lake: Lake, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of `umg reconcile ARGUMENTS`."""
    monkeypatch.setenv("UMG_HOME", str(lake.home))
    monkeypatch.setattr(sys, "argv", ["umg", "reconcile", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed since the last time, however its lines were broken."""
    return " ".join(capsys.readouterr().out.split())


def test_of_a_made_up_world_every_row_agrees(
    made_lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    rows = sum(len(made_lake.rows(table)) for table in CHANGES)
    assert ended_with(made_lake, monkeypatch) == 0
    assert f"from the raw tables by DuckDB: {rows:,} rows of {len(CHANGES)} tables, 0 differ." in printed(capsys)


def test_it_is_red_when_one_row_of_one_chart_is_changed_by_hand_and_names_it(
    made_lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    lake = made_lake.copied(tmp_path / "copy")
    row, said = change_a_row(lake, "top_tracks_by_country")
    assert ended_with(lake, monkeypatch) == 1
    text = printed(capsys)
    assert f"top_tracks_by_country: 1 rows differ: {row}: {said}" in text
    assert f"of {len(CHANGES)} tables, 1 differ." in text


def test_a_row_that_is_changed_by_hand_is_named_in_every_table(
    made_lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Tables are recounted from raw alone: what is wrong in one does not make another one differ."""
    lake = made_lake.copied(tmp_path / "copy")
    changed = {table: change_a_row(lake, table) for table in CHANGES}
    assert ended_with(lake, monkeypatch) == 1
    text = printed(capsys)
    for table, (row, said) in changed.items():
        assert f"{table}: 1 rows differ: {row}: {said}" in text
    assert f"of {len(CHANGES)} tables, {len(CHANGES)} differ." in text


def test_what_has_landed_since_the_tables_were_written_waits_for_a_run_and_is_no_difference(
    landed: Lake, capsys: pytest.CaptureFixture[str]
):
    assert recount_tables(landed.settings)
    landed.drop_plays("2026-03-03", [("p9", "u1", "s1", "t1", "2026-03-02T12:00:00Z", 190_000, "AT")])
    assert recount_tables(landed.settings, brief=True)
    assert "1 new or changed files in landing/ wait for `umg run`" in printed(capsys)
    job = build_definitions(landed.settings).resolve_job_def(LAND)
    assert job.execute_in_process(instance=landed.instance, tags={"dagster/partition": "2026-03-03"}).success
    assert not recount_tables(landed.settings)
    said = printed(capsys)
    assert "1 deliveries landed after the tables were written, e.g. plays/2026-03-03.csv: type `umg run`" in said
    assert "differ" not in said
    landed.run()
    assert recount_tables(landed.settings)


def test_a_list_that_the_settings_name_is_compared_too(landed: Lake, capsys: pytest.CaptureFixture[str]):
    file = landed.home / "umg.toml"
    file.write_text(f'{file.read_text()}\n[[published]]\nfile = "list.csv"\nplays = "count"\n')
    (landed.home / "list.csv").write_text("track_id,count\nt1,3\n")
    assert reconcile(landed.settings)
    assert "1 tracks in both: 1 agree, 0 differ." in printed(capsys)
    (landed.home / "list.csv").write_text("track_id,count\nt1,4\n")
    assert not reconcile(landed.settings)
    assert "0 agree, 1 differ" in printed(capsys)
