"""The command line as it is typed: what it prints, its exit codes, and what it does not load."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from umg_assets.resources.reading import partition_values
from umg_assets.tables import TOP_TRACKS_BY_COUNTRY
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough

ENGINES = ("dagster", "pyspark", "pysail", "delta")


class Typed(NamedTuple):
    """What a command left: exit code, standard output and error."""

    code: int
    out: str
    err: str


Umg = Callable[..., Typed]


@pytest.fixture
def umg(tmp_path: Path) -> Umg:
    """Types `umg ARGUMENTS` in an empty directory, in a terminal of 80 columns; home=PATH gives --home."""

    def typed(*arguments: str, home: Path | None = None, columns: int = 80) -> Typed:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("UMG_")}
        command = [sys.executable, "-m", "umg_assets", *(["--home", str(home)] if home else []), *arguments]
        environment = {**kept, "COLUMNS": str(columns)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return Typed(done.returncode, done.stdout, done.stderr)

    return typed


def loaded_by(home: Path, *arguments: str) -> set[str]:
    """The packages that a command imports."""
    script = (
        "import sys\nfrom umg_assets.cli import main\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    command = [sys.executable, "-c", script, "--home", str(home), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


def newest_chart(home: Path) -> str:
    """The newest month that has a chart, YYYY-MM."""
    return partition_values(home, TOP_TRACKS_BY_COUNTRY, "month")[-1][:7]


@pytest.mark.parametrize(
    "command",
    [
        ("chart", "top-tracks", "--market", "AT"),
        ("chart", "movements", "--market", "AT"),
        ("chart", "top-artists", "--genre", "Pop"),
        ("chart", "favourites", "--age-group", "18-24"),
        ("quarantine",),
    ],
    ids=" ".join,
)
def test_what_only_reads_loads_no_engine_no_dagster_and_no_pandas(made_lake: Lake, command: tuple[str, ...]):
    assert not loaded_by(made_lake.home, *command) & {*ENGINES, "pandas"}


def test_a_second_run_says_nothing_is_new_and_starts_no_engine(made_lake: Lake, umg: Umg):
    versions = made_lake.versions()
    code, out, _ = umg("run", home=made_lake.home)
    assert (code, "Nothing is new" in out) == (0, True)
    assert made_lake.versions() == versions
    assert not loaded_by(made_lake.home, "run") & {"pyspark", "pysail"}


def test_the_chart_table_fits_80_columns_a_line_a_rank(made_lake: Lake, umg: Umg):
    code, out, _ = umg("chart", "top-tracks", "--market", "AT", "--top", "5", home=made_lake.home)
    assert code == 0
    title, *lines = out.rstrip().splitlines()
    assert title.startswith(f"Top tracks by plays, AT {newest_chart(made_lake.home)} (through ")
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[-5:]] == ["1", "2", "3", "4", "5"]
    assert all(re.search(r"( [\d,]+){4}$", re.sub(" +", " ", line.rstrip())) for line in lines[-5:])


def test_the_chart_comes_as_csv_and_as_json_with_the_same_rows_as_the_table_holds(made_lake: Lake, umg: Umg):
    month = newest_chart(made_lake.home)
    asked = ("chart", "top-tracks", "--market", "at", "--month", month, "--criterion", "listening-time", "--format")
    from_csv = list(csv.DictReader(io.StringIO(umg(*asked, "csv", home=made_lake.home).out)))
    from_json = json.loads(umg(*asked, "json", home=made_lake.home).out)
    stored = [
        (row["rank"], row["track_id"], row["plays"])
        for row in made_lake.rows("top_tracks_by_country")
        if (str(row["month"])[:7], row["country"], row["criterion"]) == (month, "AT", "listening_time")
    ]
    assert [(row["rank"], row["track_id"], row["plays"]) for row in from_json] == sorted(stored)
    assert [(int(row["rank"]), row["track_id"], int(row["plays"])) for row in from_csv] == sorted(stored)


def test_the_quarantine_is_counted_by_reason_and_shown(made_lake: Lake, umg: Umg):
    every = json.loads(umg("quarantine", "--format", "json", home=made_lake.home).out)
    assert len(every) == len(made_lake.rows("quarantine"))
    code, out, _ = umg("quarantine", "--reason", "field_count", "--limit", "1", home=made_lake.home)
    assert code == 0
    assert f"{sum(row['reason'] == 'field_count' for row in every)} records in quarantine" in out
    assert "The first 1 of them" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
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
    umg: Umg, arguments: tuple[str, ...], code: int, said: str
):
    done = umg(*arguments)
    assert done.code == code
    assert done.out == ""
    last = done.err.strip().splitlines()[-1]
    assert last.startswith("umg: ")
    assert said in last
    assert "Traceback" not in done.err


def test_a_traceback_comes_with_debug_only(umg: Umg, tmp_path: Path):
    (tmp_path / "umg.toml").write_text("charts = 5\n")
    assert umg("run", home=tmp_path).err.strip().startswith(f"umg: {tmp_path}/umg.toml:1: charts: expected")
    shown = umg("--debug", "run", home=tmp_path)
    assert shown.code == 1
    assert "Traceback" in shown.err


def test_init_makes_a_home_once_and_says_what_comes_next(umg: Umg, tmp_path: Path):
    first = umg("init", "--first-day", "2026-05-01")
    assert first.code == 0
    assert "Drop files into" in first.out
    assert "first_day = 2026-05-01" in (tmp_path / "umg_home/umg.toml").read_text()
    (tmp_path / "umg_home/umg.toml").write_text("# mine\n")
    assert "left as it is" in " ".join(umg("init").out.split())
    assert (tmp_path / "umg_home/umg.toml").read_text() == "# mine\n"


def test_generate_makes_files_and_truth_once(umg: Umg, tmp_path: Path):
    assert umg("generate", "--plays", "200", "--days", "3", "--last-day", "2026-05-03").code == 0
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "umg_home").rglob("*") if path.is_file()}
    assert any("truth" in path.parts for path in made)
    assert any("landing" in path.parts for path in made)
    again = umg("generate")
    assert (again.code, "holds files already" in " ".join(again.out.split())) == (0, True)
    assert made == {path: path.stat().st_mtime_ns for path in (tmp_path / "umg_home").rglob("*") if path.is_file()}


def test_doctor_and_reconcile_end_with_1_when_something_is_wrong(umg: Umg, tmp_path: Path):
    assert umg("doctor").code == 1
    umg("init")
    assert umg("doctor").code == 0


def test_every_chart_prints_the_rows_of_its_table(made_lake: Lake, umg: Umg):
    """The figures of `umg chart`, as CSV, against the tables read by delta-rs."""

    def printed(*arguments: str) -> list[dict[str, str]]:
        code, out, err = umg("chart", *arguments, "--format", "csv", home=made_lake.home)
        assert code == 0, err
        return list(csv.DictReader(io.StringIO(out)))

    artists = [row for row in made_lake.rows("top_artists_by_genre") if row["market"] == "AT"]
    some = next(row for row in artists if row["criterion"] == "streams" and row["rank"] == 1)
    day = some["chart_date"].isoformat()
    found = printed("top-artists", "--genre", some["genre"], "--market", "AT", "--day", day, "--criterion", "streams")
    assert found[0]["artist_id"] == some["artist_id"]
    assert found[0]["streams"] == str(some["streams"])
    listed = [row for row in made_lake.rows("age_group_favourites") if row["age_group"] == "25-34"]
    day = max(row["chart_date"] for row in listed)
    expected = sorted((row["rank"], row["track_id"], row["plays"]) for row in listed if row["chart_date"] == day)
    found = printed("favourites", "--age-group", "25-34", "--day", day.isoformat())
    assert [(int(row["rank"]), row["track_id"], int(row["plays"])) for row in found] == expected
    moved = [row for row in made_lake.rows("chart_movements") if row["country"] == "AT" and row["criterion"] == "plays"]
    month = max(row["month"] for row in moved)
    expected = sorted((row["rank"], row["track_id"], row["movement"] or "") for row in moved if row["month"] == month)
    found = printed("movements", "--market", "AT")
    assert [(int(row["rank"]), row["track_id"], row["movement"]) for row in found] == expected
    assert {movement for *_, movement in expected} & {"up", "down", "new"}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("top-artists", "--genre", "Polka"), "no chart of 'Polka' by plays, overall"),
        (("top-artists", "--genre", "Pop", "--criterion", "listeners"), "artists are not ranked by listeners"),
        (("favourites", "--age-group", "18"), "no list of age group '18'"),
        (("favourites", "--age-group", "18-24", "--day", "2031-01-01"), "there are charts from 2025-"),
        (("movements", "--market", "FR"), "there are charts for"),
    ],
)
def test_a_chart_that_is_not_there_is_one_line_that_names_those_that_are(
    made_lake: Lake, umg: Umg, command: tuple[str, ...], said: str
):
    code, out, err = umg("chart", *command, home=made_lake.home)
    assert (code in (1, 2), out) == (True, "")
    assert said in err
    assert err.count("\n") == 1
