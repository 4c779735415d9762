"""`umg doctor`: what is missing is named with how to get it, before anything has run, and no table is made."""

import os
from pathlib import Path

import pytest

from umg_assets.doctor import Finding, examine, findings
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough

LONG = "2026-03-02T10:00:00Z"


def found(home: Path, what: str) -> list[Finding]:
    """What the doctor says under that heading."""
    return [finding for finding in findings(home) if finding.what == what]


def test_a_lakehouse_that_has_not_run_is_well_and_no_table_is_made(lake: Lake, capsys: pytest.CaptureFixture[str]):
    lake.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", LONG, 190_000), ("p2", "u1", "s1", "t1", "soon", 1)])
    assert examine(lake.home)
    said = " ".join(capsys.readouterr().out.split())
    assert "every expression works on 2026-03-02.csv: 2 records, of which 1 unparsable_started_at" in said
    assert "users/*.csv: 0 files in landing/; every expression fits, tried with text columns" in said
    assert "Everything that is needed is there." in said
    assert sorted(path.name for path in lake.home.iterdir()) == ["landing", "umg.toml"]


def test_expressions_that_the_engine_cannot_do_on_the_file_are_named_each(lake: Lake):
    text = (lake.home / "umg.toml").read_text()
    text = text.replace('"to_timestamp(started_at)"', '"to_timestamp(started_at).year"')
    text = text.replace('played_ms = "cast(played_ms', 'played_ms = "cast(played_ms[1]')
    (lake.home / "umg.toml").write_text(text)
    lake.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", LONG, 190_000)])
    bad = found(lake.home, "sources.plays[0]")
    assert [one.state for one in bad] == ["bad", "bad"]
    assert "plays/*.csv*: 1 file; columns.started_at = 'to_timestamp(started_at).year': " in bad[0].said
    assert "columns.played_ms = 'cast(played_ms[1] as bigint)': " in bad[1].said
    assert not examine(lake.home)


def test_a_wrong_field_of_a_schema_is_found_with_no_file_there(lake: Lake):
    columns = 'play_id = "id"\nuser_id = "u.idd"\ntrack_id = "t"\nstarted_at = "to_timestamp(ts)"\n'
    schema = 'schema = "id STRING, u STRUCT<id: STRING>, t STRING, ts STRING"'
    lake.configure(sources=f'[[sources.plays]]\nfiles = "*.jsonl"\n{schema}\n[sources.plays.columns]\n{columns}')
    (bad,) = found(lake.home, "sources.plays[0]")
    assert bad.state == "bad"
    assert "columns.user_id = 'u.idd': " in bad.said


def test_a_file_that_lacks_a_column_and_files_that_no_source_takes_are_named(sail_lake: Lake):
    sail_lake.drop("plays/2026-03-02.csv", "play_id,user,session_id,track_id,started_at,played_ms,country\n")
    sail_lake.drop("notes.txt", "hello")
    (bad,) = found(sail_lake.home, "sources.plays[0]")
    assert bad.state == "bad"
    assert "2026-03-02.csv: missing_column: Missing columns: user_id" in bad.said
    (left,) = found(sail_lake.home, "landing/")
    assert (left.state, left.said) == ("note", "no source takes 1 file: notes.txt: add a source to umg.toml")


def test_a_missing_home_or_landing_says_what_makes_it(tmp_path: Path):
    home = tmp_path / "none"
    assert found(home, "UMG_HOME") == [Finding("note", "UMG_HOME", f"{home}: not made yet (`umg init` makes it)")]
    assert found(home, "landing/") == [
        Finding("bad", "landing/", f"{home}/landing: not a directory; `umg init` makes it")
    ]
    assert not home.exists()


def test_wrong_settings_are_told_a_line_each_with_java_and_jars_all_the_same(tmp_path: Path):
    (tmp_path / "umg.toml").write_text("markets = ['Austria']\ntimezone = 'UTC'\n")
    said = [one.said for one in found(tmp_path, "settings")]
    assert [line.split(":")[1] for line in said] == ["1", "2"]
    assert len(found(tmp_path, "Java")) == len(found(tmp_path, "Delta jar")) == 1


def test_java_is_missing_only_where_spark_is_the_engine(sail_lake: Lake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JAVA_HOME", str(sail_lake.home / "nowhere"))
    (note,) = found(sail_lake.home, "Java")
    assert (note.state, note.said) == ("note", "none that fits; only needed for UMG_ENGINE=spark")
    monkeypatch.setenv("UMG_ENGINE", "spark")
    (bad,) = found(sail_lake.home, "Java")
    assert bad.state == "bad"
    assert "apt-get install openjdk-17-jre-headless" in bad.said
    (engine,) = found(sail_lake.home, "engine")
    assert engine.state == "bad"


def test_jars_that_are_not_here_are_told_with_where_they_come_from(sail_lake: Lake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(sail_lake.home))
    (jar,) = found(sail_lake.home, "Delta jar")
    assert jar.state == "note"
    assert "Spark downloads it when it first starts (needs Maven Central); only needed for UMG_ENGINE=spark" in jar.said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_is_named(tmp_path: Path):
    tmp_path.chmod(0o500)
    (bad,) = found(tmp_path, "UMG_HOME")
    assert bad.state == "bad"
