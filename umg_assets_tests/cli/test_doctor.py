"""`umg doctor`: it names what is missing and how to get it, before the first run, and writes no table."""

import io
import json
import os
import zipfile
from datetime import date
from pathlib import Path

import deltalake
import pytest

from umg_assets import tables
from umg_assets.cli.doctor import Finding, examine, findings
from umg_assets.experiments.look_log import LookLog
from umg_assets.resources.engine import Engine, EngineError
from umg_assets.resources.schema import delta_schema
from umg_assets.settings.model import read_settings
from umg_assets.statistics.looks import Look
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough

LONG = "2026-03-02T10:00:00Z"


def findings_about(home: Path, subject: str) -> list[Finding]:
    """The doctor's findings about a subject."""
    return [finding for finding in findings(home) if finding.subject == subject]


def test_a_lakehouse_that_has_not_run_is_healthy_and_has_no_table_yet(lake: Lake, capsys: pytest.CaptureFixture[str]):
    lake.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", LONG, 190_000), ("p2", "u1", "s1", "t1", "soon", 1)])
    assert examine(lake.home)
    printed = " ".join(capsys.readouterr().out.split())
    assert "every expression works on 2026-03-02.csv: 2 records, of which 1 unparsable_started_at" in printed
    assert "users/*.csv: 0 files in landing/; every expression fits, tried with text columns" in printed
    assert "Everything that is needed is there. Much of the data would be set aside: see the lines with !" in printed
    assert sorted(path.name for path in lake.home.iterdir()) == ["landing", "umg.toml"]


def test_each_expression_that_the_engine_cannot_evaluate_on_the_file_is_named(lake: Lake):
    text = (lake.home / "umg.toml").read_text()
    text = text.replace('"to_timestamp(started_at)"', '"to_timestamp(started_at).year"')
    text = text.replace('played_ms = "cast(played_ms', 'played_ms = "cast(played_ms[1]')
    (lake.home / "umg.toml").write_text(text)
    lake.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", LONG, 190_000)])
    bad = findings_about(lake.home, "sources.plays[0]")
    assert [finding.state for finding in bad] == ["bad", "bad"]
    assert "plays/*.csv*: 1 file; columns.started_at = 'to_timestamp(started_at).year': " in bad[0].text
    assert "columns.played_ms = 'cast(played_ms[1] as bigint)': " in bad[1].text
    assert not examine(lake.home)


def test_a_wrong_field_of_a_schema_is_found_without_any_file(lake: Lake):
    columns = 'play_id = "id"\nuser_id = "u.idd"\ntrack_id = "t"\nstarted_at = "to_timestamp(ts)"\n'
    schema = 'schema = "id STRING, u STRUCT<id: STRING>, t STRING, ts STRING"'
    lake.configure(sources=f'[[sources.plays]]\nfiles = "*.jsonl"\n{schema}\n[sources.plays.columns]\n{columns}')
    (bad,) = findings_about(lake.home, "sources.plays[0]")
    assert bad.state == "bad"
    assert "columns.user_id = 'u.idd': " in bad.text


def test_records_and_members_are_tried_on_the_files(sail_lake: Lake):
    columns = "".join(f'{name} = "{name}"\n' for name in ("play_id", "user_id", "track_id"))
    columns += 'started_at = "to_timestamp(started_at)"\n'
    source = (
        f'[[sources.plays]]\nfiles = "*.zip"\nmembers = "*.json"\nrecords = "items"\n[sources.plays.columns]\n{columns}'
    )
    play = {"play_id": "p1", "user_id": "u1", "track_id": "t1", "started_at": LONG}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("plays.json", json.dumps({"items": [play]}))
        members.writestr("notes.pdf", b"%PDF")
    sail_lake.drop("a.zip", archive.getvalue())
    sail_lake.configure(sources=source)
    good, no_market = findings_about(sail_lake.home, "sources.plays[0]")
    assert "every expression works on a.zip: 1 record" in good.text
    assert no_market.text.startswith("1 of 1 plays have no market: set `country`")
    sail_lake.configure(sources=source.replace('"items"', '"plays"'))
    (bad,) = findings_about(sail_lake.home, "sources.plays[0]")
    assert bad.state == "bad"
    assert "plays.json in the archive: Expected an array of objects at records = 'plays'" in bad.text


def test_a_file_without_a_needed_column_and_files_that_no_source_takes_are_named(sail_lake: Lake):
    sail_lake.drop("plays/2026-03-02.csv", "play_id,user,session_id,track_id,started_at,played_ms,country\n")
    sail_lake.drop("notes.txt", "hello")
    (bad,) = findings_about(sail_lake.home, "sources.plays[0]")
    assert bad.state == "bad"
    assert "2026-03-02.csv: missing_column: Missing columns: user_id" in bad.text
    (unclaimed,) = findings_about(sail_lake.home, "landing/")
    assert (unclaimed.state, unclaimed.text) == ("note", "no source takes 1 file: notes.txt: add a source to umg.toml")


def test_settings_that_do_not_fit_a_text_file_are_named_with_the_one_that_fits(sail_lake: Lake):
    columns = """[sources.plays.columns]
play_id = "id"
user_id = "user"
track_id = "track"
started_at = "to_timestamp(at)"
country = "upper(regexp_extract(file_path, '/([a-z]{2})/', 1))"
"""
    given = {
        "files = 'plays/at/header.csv'": "missing_column: Missing columns: id, user, track, at. The header is not "
        "divided by ',' but by ';': set delimiter = \";\".",
        "files = 'plays/at/bare.csv'\nheader = false\ncolumn_names = ['id', 'user', 'track', 'at']": "4 field_count; "
        "no record would land: column_names has 4 names, and ';' gives as many fields: set delimiter to it",
        "files = 'plays/at/bytes.csv'": "2 bad_encoding; no record would land: the text is not utf-8: set encoding",
        "files = 'plays/at/header.csv'\ndelimiter = ';'": "every expression works on header.csv: 3 records",
    }
    sail_lake.configure(sources="".join(f"[[sources.plays]]\n{setting}\n{columns}" for setting in given))
    records = "".join(f"p{at};u;t;2026-03-02T10:0{at}:00Z\n" for at in range(3))
    sail_lake.drop("plays/at/header.csv", f"id;user;track;at\n{records}")
    sail_lake.drop("plays/at/bare.csv", f"id;user;track;at\n{records}")
    sail_lake.drop("plays/at/bytes.csv", "id,user,track,at\n1,ž,t,x\n2,š,t,x\n".encode("cp1250"))
    results = [finding for finding in findings(sail_lake.home) if finding.subject.startswith("sources.plays")]
    assert [finding.state for finding in results] == ["bad", "bad", "bad", "good"]
    for finding, text in zip(results, given.values(), strict=True):
        assert text in finding.text


def test_a_missing_home_or_landing_says_which_command_creates_it(tmp_path: Path):
    home = tmp_path / "none"
    assert findings_about(home, "UMG_HOME") == [
        Finding("note", "UMG_HOME", f"{home}: not made yet (`umg init` makes it)")
    ]
    assert findings_about(home, "landing/") == [
        Finding("bad", "landing/", f"{home}/landing: not a directory; `umg init` makes it")
    ]
    assert not home.exists()


def test_each_wrong_setting_gets_a_line_and_java_and_jars_are_still_examined(tmp_path: Path):
    (tmp_path / "umg.toml").write_text("markets = ['Austria']\ntimezone = 'UTC'\n")
    lines = [finding.text for finding in findings_about(tmp_path, "settings")]
    assert [line.split(":")[1] for line in lines] == ["1", "2"]
    assert len(findings_about(tmp_path, "Java")) == len(findings_about(tmp_path, "Delta jar")) == 1


def test_java_is_missing_only_where_spark_is_the_engine(sail_lake: Lake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JAVA_HOME", str(sail_lake.home / "nowhere"))
    (note,) = findings_about(sail_lake.home, "Java")
    assert (note.state, note.text) == ("note", "none that fits; only needed for UMG_ENGINE=spark")
    monkeypatch.setenv("UMG_ENGINE", "spark")
    (bad,) = findings_about(sail_lake.home, "Java")
    assert bad.state == "bad"
    assert "apt-get install openjdk-17-jre-headless" in bad.text
    (engine,) = findings_about(sail_lake.home, "engine")
    assert engine.state == "bad"


def test_missing_jars_are_named_with_where_they_come_from(sail_lake: Lake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(sail_lake.home))
    (jar,) = findings_about(sail_lake.home, "Delta jar")
    assert jar.state == "note"
    assert "Spark downloads it when it first starts (needs Maven Central); only needed for UMG_ENGINE=spark" in jar.text


def test_looks_that_two_readouts_logged_at_once_are_counted_by_experiment_and_named_as_ignored(sail_lake: Lake):
    look = Look("session_duration", "b", date(2026, 3, 2), 100.0, 0.1, 0.001, 3.3, 1.2, False, "hash")
    table = sail_lake.home / "tables" / tables.READOUTS.name
    deltalake.DeltaTable.create(table, delta_schema(tables.READOUTS))
    LookLog(sail_lake.home, "fine").append([look])
    assert findings_about(sail_lake.home, "experiments.fine") == []
    for _ in range(2):
        LookLog(sail_lake.home, "doubled").append([look])
    (note,) = findings_about(sail_lake.home, "experiments.doubled")
    assert note.state == "note"
    assert note.text.startswith("1 look is in table readouts again, logged by two readouts at once: ignored")
    assert findings_about(sail_lake.home, "experiments.fine") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_is_named(tmp_path: Path):
    tmp_path.chmod(0o500)
    (bad,) = findings_about(tmp_path, "UMG_HOME")
    assert bad.state == "bad"


def test_play_ids_that_several_users_have_are_warned_of_with_the_id_to_compose(lake: Lake):
    plays = [(f"{n}", user, "s", "t1", LONG, 190_000) for user in ("u1", "u2", "u3") for n in range(4)]
    lake.drop_plays("2026-03-02", plays[:6])
    lake.drop_plays("2026-03-03", plays[6:])
    text = "4 of 4 play_ids are of several users, and each would count once: if ids are unique per user only, "
    expected = Finding("warning", "sources.plays[0]", text + "play_id = \"concat(user_id, '-', play_id)\"")
    assert expected in findings_about(lake.home, "sources.plays[0]")
    lake.drop_plays("2026-03-02", plays[:4])
    lake.drop_plays("2026-03-03", [(f"{user}-{n}", user, *rest) for n, user, *rest in plays])
    assert not any("several users" in finding.text for finding in findings_about(lake.home, "sources.plays[0]"))


def test_a_home_below_which_the_engine_finds_no_tables_is_named_and_a_link_to_it_is_good(tmp_path: Path):
    home = tmp_path / "my lake"
    (home / "landing").mkdir(parents=True)
    (link := tmp_path / "lake").symlink_to(home)
    (bad,) = findings_about(home, "UMG_HOME")
    assert (bad.state, "below a path with ' ' the embedded engine finds no tables" in bad.text) == ("bad", True)
    with pytest.raises(EngineError, match=r"got ' ', and below such a path the engine finds no tables"):
        Engine.of(read_settings(home))
    lake = Lake.opened(link)
    lake.configure()
    lake.drop_tracks("2026-03-01", [("t1", "A", "a", "A", "rock", 1000)])
    assert lake.run().runs
