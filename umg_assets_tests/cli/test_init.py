"""`umg init --from FILE...`: from sample files to a umg.toml by which every record of them lands."""

import json
import re
import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from umg_assets import tables
from umg_assets.cli.doctor import findings
from umg_assets.cli.init import initialise, initialise_from
from umg_assets.settings.model import SettingsError, read_settings
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough

TSV = "scrobble_id\tuid\tsong\tplayed at\tseconds\tmarket\n" + "".join(
    f"s{number}\tu{number}\tt1\t{number % 2 + 2}.3.2026 9:05\t{number}\t{'--' if number % 2 else 'sk'}\n"
    for number in range(1, 13)
)
JSONL = "\n".join(
    json.dumps({"id": f"j{number}", "user": {"id": "u1"}, "track": "t2", "ts": 1772445600000 + number, "msPlayed": 9})
    for number in range(5)
)
CSV = "username,conn_country,dob,joined\nu1,AT,31.12.1990,2020-01-02\nu2,DE,,2020-01-02\n"
TRACKS = "isrc,name,performer,length\nt1,A,B,3:25\nt2,C,D,4:00\n"


def exported(folder: Path) -> list[Path]:
    """Files as an exporter leaves them: TSV, JSON lines, Parquet, CSV; of plays, users and tracks."""
    for name, content in {
        "plays/2026-03-12.tsv": TSV,
        "plays/2026-03-13.tsv": TSV.replace("\ns", "\nr").replace("rcrobble", "scrobble"),
        "app/20260303/events.json": JSONL,
        "crm/users.csv": CSV,
        "crm/tracks.csv": TRACKS,
    }.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    rows = {
        "play_id": [1, 2],
        "user_id": [7, 8],
        "track_id": ["t1", "t2"],
        "started_at": pa.array([1772445600, 1772445700], pa.timestamp("s", "UTC")),
        "played_ms": [10, 20],
    }
    parquet = folder / "dt=2026-03-02" / "part-00000-f3c1.parquet"
    parquet.parent.mkdir()
    pq.write_table(pa.table(rows), parquet)
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def guessed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, str]:
    """The lakehouse of `umg init --from` over files elsewhere, which were put into landing/ as it says; its output."""
    folder = tmp_path_factory.mktemp("guessed")
    samples = exported(folder / "export")
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("umg_assets.cli.init._say", lines.append)
        initialise_from(folder / "home", None, samples)
    settings = folder / "home" / "umg.toml"
    settings.write_text(re.sub(r"# (\w+_days) = \d+", r"\1 = 2", settings.read_text()))  # short windows
    shutil.copytree(folder / "export", folder / "home" / "landing", dirs_exist_ok=True)
    return Lake.opened(folder / "home"), "\n".join(lines)


def test_the_guesses_pass_the_doctor_and_land_every_record(guessed: tuple[Lake, str]):
    lake, _ = guessed
    of_sources = [finding for finding in findings(lake.home) if finding.subject.startswith(("sources", "landing"))]
    assert [finding for finding in of_sources if finding.state == "bad" or "no source takes" in finding.text] == []
    lake.run()
    standing = [entry for kind in tables.KINDS for entry in lake.history().standing(kind)]
    landed = {(entry.source, entry.path): (entry.records, entry.landed) for entry in standing}
    assert landed == {
        ("plays", "app/20260303/events.json"): (5, 5),
        ("plays", "dt=2026-03-02/part-00000-f3c1.parquet"): (2, 2),
        ("plays", "plays/2026-03-12.tsv"): (12, 12),
        ("plays", "plays/2026-03-13.tsv"): (12, 12),
        ("users", "crm/users.csv"): (2, 2),
        ("tracks", "crm/tracks.csv"): (2, 2),
    }
    first = lake.values("raw_plays", "play_id", "started_at", "played_ms", "country", "delivery_date")[0]
    assert (str(first[1]), *first[2:4], str(first[4])) == ("2026-03-02 10:00:00+00:00", 10, None, "2026-03-02")
    plays = lake.rows("raw_plays", "play_id", "started_at", "played_ms", "country")
    (twelfth,) = [row for row in plays if row["play_id"] == "s12"]
    assert (str(twelfth["started_at"]), twelfth["played_ms"], twelfth["country"]) == (
        "2026-03-02 09:05:00+00:00",
        12_000,
        "SK",
    )
    assert lake.values("raw_users", "user_id", "country", "birth_date")[1][:2] == ("u2", "DE")
    assert lake.values("raw_tracks", "track_id", "title", "duration_ms") == [("t1", "A", 205_000), ("t2", "C", 240_000)]


def test_it_sets_the_first_day_says_where_to_put_the_files_what_to_check_and_what_to_type(guessed: tuple[Lake, str]):
    lake, printed = guessed
    assert lake.settings.first_day.isoformat() == "2026-03-01"
    assert f"put what lies in {lake.home.parent / 'export'} into {lake.home / 'landing'}, with its folders" in printed
    assert "- plays, plays/*.tsv: started_at: its texts have no time zone" in printed
    assert printed.endswith("Then type: umg doctor, which tries every expression; and umg run")


def test_an_existing_umg_toml_is_left_and_the_sources_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "umg.toml").write_text("# mine\n")
    sample = tmp_path / "landing" / "tracks.csv"
    sample.parent.mkdir()
    sample.write_text(TRACKS)
    initialise_from(tmp_path, None, [sample])
    printed = capsys.readouterr().out
    assert (tmp_path / "umg.toml").read_text() == "# mine\n"
    assert "is there already: left as it is. Sources to add to it:" in printed
    assert '[[sources.tracks]]\nfiles = "tracks.csv"' in printed
    assert "put what lies in" not in printed


def test_markets_and_old_deliveries_of_the_samples_are_set(tmp_path: Path):
    sample = tmp_path / "landing" / "2020-01-01.csv"
    sample.parent.mkdir()
    sample.write_text(CSV.replace("DE", "US"))
    plays = tmp_path / "landing" / "plays.tsv"
    plays.write_text(TSV)
    initialise_from(tmp_path, None, [sample, plays])
    settings = read_settings(tmp_path)
    assert settings.markets == ("AT", "SK", "US")
    assert (settings.first_day.isoformat(), settings.deliveries_from.isoformat()) == ("2026-03-01", "2020-01-01")


def test_a_line_left_to_fill_in_is_named_by_the_settings(tmp_path: Path):
    sample = tmp_path / "plays.csv"
    sample.write_text("id,mail,track,at\n1,x@example.org,t,1772445600\n")
    initialise_from(tmp_path, None, [sample])
    lines = (tmp_path / "umg.toml").read_text().splitlines()
    (number,) = [at for at, line in enumerate(lines, 1) if "FILL IN" in line]
    with pytest.raises(SettingsError, match=rf"umg.toml:{number}: sources.plays\[0\].columns: .* for user_id"):
        read_settings(tmp_path)


def test_samples_that_are_no_files_or_of_no_kind_write_nothing(tmp_path: Path):
    with pytest.raises(ValueError, match=r"expected files to read as samples, got .*none.csv"):
        initialise_from(tmp_path, None, [tmp_path / "none.csv"])
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"no source could be guessed:\n.*a.csv: its kind"):
        initialise_from(tmp_path, None, [tmp_path / "a.csv"])
    assert not (tmp_path / "umg.toml").exists()


def test_the_first_day_that_holds_over_an_existing_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "umg.toml"
    file.write_text("first_day = 2026-01-01\n")
    initialise(tmp_path, date(2026, 5, 1))
    assert "left as it is; first_day = 2026-01-01 holds, not 2026-05-01: to change it, edit" in capsys.readouterr().out
    initialise(tmp_path, date(2026, 1, 1))
    assert "left as it is; its first_day is 2026-01-01, too" in capsys.readouterr().out
    initialise(tmp_path, None)
    assert "left as it is\n" in capsys.readouterr().out
    sample = tmp_path / "tracks.csv"
    sample.write_text(TRACKS)
    initialise_from(tmp_path, date(2026, 5, 1), [sample])
    assert "first_day = 2026-01-01 holds, not 2026-05-01" in capsys.readouterr().out
    file.write_text("first_day = May\n")
    initialise(tmp_path, date(2026, 5, 1))
    assert "its first_day cannot be read: " in capsys.readouterr().out
    assert file.read_text() == "first_day = May\n"
