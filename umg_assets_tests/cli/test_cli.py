"""The command line: what it prints, its exit codes, and which packages it does not load.

`umg` calls the entry point in this process. Only tests of what a command loads, and of what the interpreter itself
prints, start a process of their own.
"""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from umg_assets.resources.reading import partition_values
from umg_assets.tables import TOP_TRACKS_BY_COUNTRY
from umg_assets_tests.cli.conftest import Outcome, Umg
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import own_environment

pytestmark = pytest.mark.sail_enough

ENGINES = ("dagster", "pyspark", "pysail", "delta")
READING_COMMANDS = [
    ("chart", "top-tracks", "--market", "AT"),
    ("chart", "movements", "--market", "AT"),
    ("chart", "top-artists", "--genre", "Pop"),
    ("chart", "favourites", "--age-group", "18-24"),
    ("quarantine",),
    ("catalog", "--format", "json"),
]


def in_a_process(folder: Path, *arguments: str) -> Outcome:
    """Types `umg ARGUMENTS` in a directory, in a terminal of 80 columns."""
    command = [sys.executable, "-m", "umg_assets", *arguments]
    environment = {**own_environment(), "COLUMNS": "80", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


def loaded_by(home: Path, *commands: tuple[str, ...]) -> tuple[list[set[str]], str]:
    """The packages that are loaded after each of several commands of one process, and what they printed."""
    script = (
        "import sys, json\nfrom umg_assets.cli.main import main\n"
        "home, commands = sys.argv[1], json.loads(sys.argv[2])\n"
        "for arguments in commands:\n"
        "    sys.argv = ['umg', '--home', home, *arguments]\n"
        "    try:\n        main()\n    except SystemExit as ended:\n        assert not ended.code\n"
        "    print('LOADED', *{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    command = [sys.executable, "-c", script, str(home), json.dumps(commands)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = [set(line.split()[1:]) for line in done.stderr.splitlines() if line.startswith("LOADED ")]
    assert len(loaded) == len(commands)
    return loaded, done.stdout


def newest_chart(home: Path) -> str:
    """The newest month that has a chart, YYYY-MM."""
    return partition_values(home, TOP_TRACKS_BY_COUNTRY, "month")[-1][:7]


def test_commands_that_only_read_load_no_engine_no_dagster_and_no_pandas(generated_lake: Lake):
    loaded, _ = loaded_by(generated_lake.home, *READING_COMMANDS)
    for command, packages in zip(READING_COMMANDS, loaded, strict=True):
        assert not packages & {*ENGINES, "pandas"}, command


def test_a_second_run_says_nothing_is_new_and_starts_no_engine(generated_lake: Lake):
    versions = generated_lake.versions()
    (packages,), printed = loaded_by(generated_lake.home, ("run",))
    assert "Nothing is new" in printed
    assert generated_lake.versions() == versions
    assert not packages & {"pyspark", "pysail"}
    (packages,), again = loaded_by(generated_lake.home, ("run",))
    assert again == printed
    assert not packages & {*ENGINES, "pandas", "scipy", "obstore"}, "what the last run left tells enough"


def test_the_chart_table_fits_80_columns_with_one_line_per_rank(generated_lake: Lake, umg: Umg):
    code, printed, _ = umg("chart", "top-tracks", "--market", "AT", "--top", "5", home=generated_lake.home)
    assert code == 0
    title, *lines = printed.rstrip().splitlines()
    assert title.startswith(f"Top tracks by plays, AT {newest_chart(generated_lake.home)} (through ")
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[-5:]] == ["1", "2", "3", "4", "5"]
    assert all(re.search(r"( [\d,]+){4}$", re.sub(" +", " ", line.rstrip())) for line in lines[-5:])


def test_the_chart_is_printed_as_csv_and_as_json_with_the_rows_of_the_table(generated_lake: Lake, umg: Umg):
    month = newest_chart(generated_lake.home)
    command = ("chart", "top-tracks", "--market", "at", "--month", month, "--criterion", "listening-time", "--format")
    from_csv = list(csv.DictReader(io.StringIO(umg(*command, "csv", home=generated_lake.home).out)))
    from_json = json.loads(umg(*command, "json", home=generated_lake.home).out)
    stored = [
        (row["rank"], row["track_id"], row["plays"])
        for row in generated_lake.rows("top_tracks_by_country")
        if (str(row["month"])[:7], row["country"], row["criterion"]) == (month, "AT", "listening_time")
    ]
    assert [(row["rank"], row["track_id"], row["plays"]) for row in from_json] == sorted(stored)
    assert [(int(row["rank"]), row["track_id"], int(row["plays"])) for row in from_csv] == sorted(stored)


def test_the_quarantine_is_counted_by_reason_and_printed(generated_lake: Lake, umg: Umg):
    records = json.loads(umg("quarantine", "--format", "json", home=generated_lake.home).out)
    assert len(records) == len(generated_lake.rows("quarantine"))
    code, printed, _ = umg("quarantine", "--reason", "field_count", "--limit", "1", home=generated_lake.home)
    assert code == 0
    assert f"{sum(record['reason'] == 'field_count' for record in records)} records in quarantine" in printed
    assert "The first 1 of them" in printed


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("chart", "top-tracks"), 2, "Missing option '--market'. See: umg chart top-tracks --help"),
        (("chart", "nope"), 2, "No such command 'nope'. See: umg chart --help"),
        (("run", "--rnage", "x"), 2, "No such option: --rnage (Possible options: --range) See: umg run --help"),
        (("run", "--range", "2026"), 2, "Invalid value: expected a date as YYYY-MM-DD, got '2026' See: "),
        (("chart", "top-tracks", "--market", "AT", "--month", "10"), 2, "Invalid value: expected a month as YYYY-MM"),
        (
            ("chart", "top-tracks", "--market", "AT", "--criterion", "x"),
            2,
            "Invalid value: no such criterion: 'x'; expected",
        ),
        (("init", "--first-day", "May"), 2, "Invalid value: expected a date as YYYY-MM-DD, got 'May'"),
        (("run",), 1, "/umg_home/landing is not a directory: make it, or set UMG_HOME; `umg init` makes both"),
        (("chart", "top-tracks", "--market", "AT"), 1, "is not there yet: drop files into "),
        (("quarantine",), 1, "is not there yet: drop files into "),
        (("reconcile",), 1, "nothing has landed yet: drop files into "),
        (("reconcile", "--against", "list.csv"), 1, "list.csv: no such file"),
    ],
)
def test_an_error_is_one_line_on_stderr_that_says_what_to_do(
    umg: Umg, arguments: tuple[str, ...], code: int, message: str
):
    done = umg(*arguments)
    assert done.code == code
    assert done.out == ""
    last = done.err.strip().splitlines()[-1]
    assert last.startswith("umg: ")
    assert message in last
    assert "Traceback" not in done.err


def test_a_traceback_is_printed_with_debug_only(tmp_path: Path):
    (tmp_path / "umg.toml").write_text("charts = 5\n")
    at_home = ("--home", str(tmp_path))
    plain = in_a_process(tmp_path, *at_home, "run")
    assert plain.err.strip().startswith(f"umg: {tmp_path}/umg.toml:1: charts: expected")
    with_debug = in_a_process(tmp_path, *at_home, "--debug", "run")
    assert with_debug.code == 1
    assert "Traceback" in with_debug.err


@pytest.mark.exhaustive
def test_a_run_that_has_built_tables_leaves_nothing_on_stderr_but_its_stages(tmp_path: Path):
    lake = Lake(tmp_path / "home", on_disk=True)
    lake.home.chmod(0o700)
    lake.drop_plays("2026-03-01", [("p1", "u1", "s1", "t1", "2026-03-01T10:00:00Z", 190_000, "AT")])
    done = in_a_process(tmp_path, "--home", str(lake.home), "run")
    assert "after 5 runs" in done.out, done
    assert not [line for line in done.err.splitlines() if "━" not in line]


def test_init_creates_a_home_once_and_says_what_comes_next(umg: Umg, tmp_path: Path):
    first = umg("init", "--first-day", "2026-05-01")
    assert first.code == 0
    assert "Drop files into" in first.out
    assert "first_day = 2026-05-01" in (tmp_path / "umg_home/umg.toml").read_text()
    (tmp_path / "umg_home/umg.toml").write_text("# mine\n")
    assert "left as it is" in " ".join(umg("init").out.split())
    assert (tmp_path / "umg_home/umg.toml").read_text() == "# mine\n"


def test_generate_writes_files_and_truth_once(umg: Umg, tmp_path: Path):
    def modified() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (tmp_path / "umg_home").rglob("*") if path.is_file()}

    assert umg("generate", "--plays", "200", "--days", "3", "--last-day", "2026-05-03").code == 0
    generated = modified()
    assert any("truth" in path.parts for path in generated)
    assert any("landing" in path.parts for path in generated)
    again = umg("generate")
    assert (again.code, "holds files already" in " ".join(again.out.split())) == (0, True)
    assert generated == modified()


def test_doctor_and_reconcile_end_with_1_if_something_is_wrong(umg: Umg):
    assert umg("doctor").code == 1
    umg("init")
    assert umg("doctor").code == 0


def test_every_chart_prints_the_rows_of_its_table(generated_lake: Lake, umg: Umg):
    """The figures of `umg chart`, as CSV, against the tables read by delta-rs."""

    def printed(*arguments: str) -> list[dict[str, str]]:
        code, text, error = umg("chart", *arguments, "--format", "csv", home=generated_lake.home)
        assert code == 0, error
        return list(csv.DictReader(io.StringIO(text)))

    artists = [row for row in generated_lake.rows("top_artists_by_genre") if row["market"] == "AT"]
    top = next(row for row in artists if row["criterion"] == "streams" and row["rank"] == 1)
    day = top["chart_date"].isoformat()
    rows = printed("top-artists", "--genre", top["genre"], "--market", "AT", "--day", day, "--criterion", "streams")
    assert rows[0]["artist_id"] == top["artist_id"]
    assert rows[0]["streams"] == str(top["streams"])
    favourites = [row for row in generated_lake.rows("age_group_favourites") if row["age_group"] == "25-34"]
    day = max(row["chart_date"] for row in favourites)
    expected = sorted((row["rank"], row["track_id"], row["plays"]) for row in favourites if row["chart_date"] == day)
    rows = printed("favourites", "--age-group", "25-34", "--day", day.isoformat())
    assert [(int(row["rank"]), row["track_id"], int(row["plays"])) for row in rows] == expected
    moved = [
        row for row in generated_lake.rows("chart_movements") if row["country"] == "AT" and row["criterion"] == "plays"
    ]
    month = max(row["month"] for row in moved)
    expected = sorted((row["rank"], row["track_id"], row["movement"] or "") for row in moved if row["month"] == month)
    rows = printed("movements", "--market", "AT")
    assert [(int(row["rank"]), row["track_id"], row["movement"]) for row in rows] == expected
    assert {movement for *_, movement in expected} & {"up", "down", "new"}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("top-artists", "--genre", "Polka"), "no chart of 'Polka' by plays, overall"),
        (("top-artists", "--genre", "Pop", "--criterion", "listeners"), "artists are not ranked by listeners"),
        (("favourites", "--age-group", "18"), "no list of age group '18'"),
        (("favourites", "--age-group", "18-24", "--day", "2031-01-01"), "there are charts from 2025-"),
        (("movements", "--market", "FR"), "there are charts for"),
    ],
)
def test_the_error_for_a_chart_that_does_not_exist_is_one_line_that_names_those_that_do(
    generated_lake: Lake, umg: Umg, command: tuple[str, ...], message: str
):
    code, printed, error = umg("chart", *command, home=generated_lake.home)
    assert (code in (1, 2), printed) == (True, "")
    assert message in error
    assert error.count("\n") == 1


def test_what_is_piped_is_as_wide_as_its_content_and_no_name_is_cut(tmp_path: Path):
    lake = Lake(tmp_path / "home")
    title, artist = "A title that goes on " * 6 + "to its end", "An artist " * 9 + "of many names"
    lake.drop_tracks("2026-03-01", [("t1", title, "a", artist, "Pop", 200_000)])
    lake.drop_plays("2026-03-02", [("p1", "u1", "s", "t1", "2026-03-02T10:00:00Z", 190_000, "AT")])
    lake.run()
    piped = in_a_process(tmp_path, "--home", str(lake.home), "chart", "top-tracks", "--market", "AT")
    (row,) = [line for line in piped.out.splitlines() if title in line]
    assert artist in row
    assert "…" not in piped.out
    assert "listening" in piped.out, "and all columns are there"
