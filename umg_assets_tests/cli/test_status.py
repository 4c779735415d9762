"""`umg status`: one screen and JSON, without an engine, whatever state a home is in."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from umg_assets import clock
from umg_assets.catalogue import Catalogue
from umg_assets.cli.status import Status, status_of
from umg_assets.planning.watermark import Watermark
from umg_assets.resources.dagster_files import NOT_FINISHED, known_to_dagster
from umg_assets.resources.dagster_internals import NOT_FINISHED_STATUSES
from umg_assets.resources.instance import open_instance, started
from umg_assets.resources.status import note
from umg_assets.resources.watermarks import read_watermarks
from umg_assets_tests.cli.conftest import type_umg
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough
NOW = datetime(2026, 3, 4, 6, tzinfo=UTC)
NAMED = "u1-is-named-in-this-file"


def play(number: int, day: str) -> tuple:
    return (f"p{day}-{number}", "u1", "s1", "t1", f"{day}T10:{number:02}:00Z", 90_000, "AT")


@pytest.fixture
def in_march(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture(scope="module")
def lake(new_lake: NewLake) -> Lake:
    """Plays of two days on Dagster's own instance; each test leaves its tables as they are."""
    lake = new_lake("status", text="[thresholds]\nshrunk_percent = 20\n")
    lake.on_disk = True
    with pytest.MonkeyPatch.context() as changes:
        changes.setattr(clock, "now", lambda: NOW)
        for day in ("2026-03-02", "2026-03-03"):
            lake.drop_plays(day, [play(number, day) for number in range(8)])
        lake.drop_plays(f"2026-03-03-{NAMED}", [play(20 + number, "2026-03-03") for number in range(8)])
        lake.run()
    return lake


def test_a_lake_in_order_is_told_from_its_ledger_and_files_and_ends_with_0(lake: Lake, in_march: None):
    status = status_of(lake.home)
    assert status.good
    assert [(row["source"], row["delivery_date"], row["day"]) for row in status.newest] == [
        ("plays", "2026-03-03", "2026-03-03")
    ]
    assert (status.stale, status.running, status.records["landed"]) == ({}, [], 24)
    assert status.next_daily == "2026-03-05T05:00+01:00"
    assert status.table_bytes["plays"] > 0
    printed = type_umg(lake.home, "status", home=lake.home)
    assert printed.code == 0
    assert len(printed.out.splitlines()) <= 24
    as_json = type_umg(lake.home, "status", "--json", home=lake.home)
    assert json.loads(as_json.out).keys() == Status.__dataclass_fields__.keys()


def test_what_is_stale_held_red_or_too_old_is_named_and_ends_with_3(
    lake: Lake, in_march: None, monkeypatch: pytest.MonkeyPatch
):
    file = lake.home / "landing" / "plays" / f"2026-03-03-{NAMED}.csv"
    whole = file.read_bytes()
    lake.drop_plays(f"2026-03-03-{NAMED}", [])
    lake.drop_plays("2026-03-04", [play(1, "2026-03-04")])
    note(lake.home, held=1, failed_checks=[("plays", "usual_volume", True)])
    status = status_of(lake.home)
    assert (status.files["new"], status.files["held"]) == (1, {"plays": 1})
    assert not status.good
    assert [of["subject"] for of in status.findings if of["level"] == "bad"] == ["held", "red"]
    printed = type_umg(lake.home, "status", home=lake.home)
    assert printed.code == 3
    assert "1 to land, 1 held" in printed.out
    assert NAMED not in printed.out, "a name may hold an id"
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 9, tzinfo=UTC))
    assert "late" in [of["subject"] for of in status_of(lake.home).findings if of["level"] == "bad"]
    file.write_bytes(whole)
    (lake.home / "landing" / "plays" / "2026-03-04.csv").unlink()
    note(lake.home, held=0, failed_checks=[])


def test_what_waits_for_a_run_after_a_setting_is_stale(lake: Lake, in_march: None):
    text = (lake.home / "umg.toml").read_text()
    lake.configure("[thresholds]\nshrunk_percent = 20\n", first_day="2026-03-03")
    assert status_of(lake.home).stale["plays"] == 1
    (lake.home / "umg.toml").write_text(text)


def test_its_reading_of_dagsters_files_is_dagsters_own(lake: Lake):
    assert {status.value for status in NOT_FINISHED_STATUSES} == {*NOT_FINISHED}
    planned = Catalogue.of(lake.settings).planned
    with open_instance(lake.home) as instance:
        run = dg.DagsterRun(job_name="build_days", status=dg.DagsterRunStatus.STARTED)
        instance.add_run(run)
        again = {"dagster/data_version": "ledger:0:2026-03-02"}
        instance.report_runless_asset_event(dg.AssetMaterialization("plays", partition="2026-03-02", tags=again))
        known = known_to_dagster(lake.home, planned)
        assert known.running == tuple(started(instance))
        assert [name for name, _ in known.running] == ["build_days"]
        instance.delete_run(run.run_id)
        read = read_watermarks(instance, planned)
    assert read["plays"]["2026-03-02"] == Watermark(0, date(2026, 3, 2)), "the newest materialization counts"
    assert {name: keys for name, keys in known.watermarks.items() if keys} == {
        n: keys for n, keys in read.items() if keys
    }


def test_an_empty_home_and_a_broken_umg_toml_are_said_in_a_line(tmp_path: Path):
    nowhere = type_umg(tmp_path, "status", home=tmp_path / "home")
    assert nowhere.code == 3
    assert "landing is not a directory" in nowhere.out
    (tmp_path / "home" / "landing").mkdir(parents=True)
    assert type_umg(tmp_path, "status", home=tmp_path / "home").code == 0
    (tmp_path / "home" / "umg.toml").write_text("market = 1")
    broken = type_umg(tmp_path, "status", home=tmp_path / "home")
    assert broken.code == 1
    assert broken.err.startswith("umg: ")


def test_it_loads_neither_dagster_nor_an_engine(lake: Lake):
    told = (
        "import sys; from pathlib import Path; from umg_assets.cli.status import show_status; "
        "show_status(Path(sys.argv[1]), True); "
        "print({'dagster', 'pyspark', 'pysail'} & {*sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", told, lake.home], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "set()"
