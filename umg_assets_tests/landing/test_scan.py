"""Which files a scan of landing/ finds new or changed, which wait, and why."""

import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from umg_assets.catalogue import Catalogue
from umg_assets.landing import fingerprints
from umg_assets.landing.code_version import version_of_code
from umg_assets.landing.scan import LandingError, Scan, scan
from umg_assets.planning.entry import Entry
from umg_assets.planning.history import History
from umg_assets.planning.runs import landing_runs
from umg_assets_tests.lake import SOURCES, Lake

UNDATED = SOURCES.replace("delivered_on = '(\\d{4}-\\d{2}-\\d{2})'\n", "", 1)
NOTHING = History(())


@pytest.fixture
def home(tmp_path: Path) -> Lake:
    """A home whose landing/ is scanned; nothing runs."""
    return Lake(tmp_path / "home")


def scan_of(home: Lake, history: History = NOTHING) -> Scan:
    """A scan with the home's settings."""
    return scan(home.settings, history)


def landed(result: Scan, state: str = "landed") -> History:
    """The ledger after all that a scan found has landed (or has only been staged)."""
    return History(
        tuple(
            Entry(
                file.kind, file.path, file.delivery_date, sequence, state, file.signature,  # pyright: ignore[reportArgumentType]
                file.content_hash, file.definition_hash,
            )
            for sequence, file in enumerate(result.changed, 1)
        )
    )  # fmt: skip


def modified(file: Path, day: str) -> None:
    """Sets a file's modification time to noon UTC of a day."""
    at = datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp()
    os.utime(file, (at, at))


def test_a_file_is_new_until_it_has_landed_and_then_unread_until_it_changes(
    home: Lake, monkeypatch: pytest.MonkeyPatch
):
    home.drop("plays/2026-03-02.csv", "a")
    history = landed(scan_of(home))
    with monkeypatch.context() as counting:
        counting.setattr(fingerprints, "content_hash_of", lambda path: pytest.fail("read"))
        assert not scan_of(home, history).changed
    home.drop("plays/2026-03-02.csv", "b")
    assert [file.path for file in scan_of(home, history).changed] == ["plays/2026-03-02.csv"]


def test_a_file_of_a_crashed_run_is_read_again(home: Lake):
    home.drop("plays/2026-03-02.csv", "a")
    assert scan_of(home, landed(scan_of(home), "staged")).changed


def test_the_modification_day_sticks_to_a_path_until_its_content_changes(home: Lake):
    home.configure(sources=UNDATED)
    file = home.drop("plays/day.csv", "a")
    modified(file, "2026-03-02")
    first = scan_of(home)
    assert [file.delivery_date for file in first.changed] == [date(2026, 3, 2)]
    modified(file, "2026-03-05")
    assert not scan_of(home, landed(first)).changed
    [again] = scan_of(home, landed(first, "staged")).changed
    assert again.delivery_date == date(2026, 3, 2)
    home.drop("plays/day.csv", "b")
    modified(file, "2026-03-07")
    [changed] = scan_of(home, landed(first)).changed
    assert (changed.delivery_date, changed.moved_from) == (date(2026, 3, 7), None)


def test_the_modification_day_is_a_utc_day_also_around_midnight(home: Lake):
    """Half past midnight of 3 March in Vienna."""
    home.configure(sources=UNDATED)
    file = home.drop("plays/day.csv", "a")
    at = datetime(2026, 3, 2, 23, 30, tzinfo=UTC).timestamp()
    os.utime(file, (at, at))
    assert [file.delivery_date for file in scan_of(home).changed] == [date(2026, 3, 2)]


def test_a_changed_definition_time_zone_or_first_day_reads_files_again(home: Lake):
    home.drop("plays/2026-03-02.csv", "a")
    home.drop("users/2026-03-02.csv", "a")
    history = landed(scan_of(home))
    assert not scan_of(home, history).changed
    home.configure(sources=SOURCES.replace('"to_timestamp(started_at)"', '"to_timestamp(trim(started_at))"'))
    assert [file.path for file in scan_of(home, history).changed] == ["plays/2026-03-02.csv"]
    home.configure('time_zone = "Asia/Tokyo"')
    assert [file.path for file in scan_of(home, history).changed] == ["plays/2026-03-02.csv"]
    home.configure(first_day="2026-02-01")
    assert [file.path for file in scan_of(home, history).changed] == ["plays/2026-03-02.csv"]


def test_a_file_whose_source_is_mended_or_that_somebody_has_accepted_is_asked_for_anew(home: Lake):
    def asked_for(history: History = NOTHING) -> str:
        [run] = landing_runs(scan_of(home, history).news, Catalogue.of(home.settings))
        return run.fingerprint

    home.drop("plays/2026-03-02.csv", "a")
    first, [entry] = asked_for(), landed(scan_of(home)).entries
    assert asked_for() == first
    refused = replace(entry, definition_hash=f"{entry.definition_hash}~{version_of_code()}")
    assert not scan_of(home, History((refused,))).changed
    accepted = asked_for(History((refused,), (replace(refused, sequence=2, state="accepted"),)))
    again = History((replace(refused, sequence=3),), (replace(refused, sequence=4, state="accepted"),))
    mended = SOURCES.replace('"to_timestamp(started_at)"', '"to_timestamp(trim(started_at))"')
    accepted_again = asked_for(again)
    home.configure(sources=mended)
    assert len({first, accepted, accepted_again, asked_for()}) == 4


def test_a_file_that_a_new_definition_dates_differently_knows_its_former_delivery_date(home: Lake):
    home.drop("plays/2026-03-02_of_2026-03-09.csv", "a")
    history = landed(scan_of(home))
    home.configure(sources=SOURCES.replace("'(\\d{4}-\\d{2}-\\d{2})'", "'of_(\\d{4}-\\d{2}-\\d{2})'", 1))
    [file] = scan_of(home, history).changed
    assert (file.delivery_date, file.moved_from) == (date(2026, 3, 9), date(2026, 3, 2))


def test_what_cannot_land_yet_waits_and_says_why(home: Lake):
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    home.drop(f"plays/{tomorrow}.csv", "a")
    home.drop("plays/undated.csv", "a")
    home.drop("plays/2020-01-01.csv", "a")
    name = os.fsencode(home.home / "landing/plays") + b"/2026-03-02-\xff.csv"
    with open(name, "wb") as file:  # noqa: PTH123 - a name that is not text
        file.write(b"a")
    result = scan_of(home)
    assert not result.changed
    assert {path: why.split(":")[0] for path, why in result.waiting.items()} == {
        f"plays/{tomorrow}.csv": f"delivered on {tomorrow}, which is still to come (UTC)",
        "plays/undated.csv": "plays/undated.csv",
        "plays/2020-01-01.csv": "delivered on 2020-01-01, before the first delivery day 2025-12-01",
        "plays/2026-03-02-\udcff.csv": "its name is not UTF-8",
    }


def test_a_file_that_changed_just_now_waits_for_its_quiet_time_and_without_one_lands_whatever_the_clock_says(
    home: Lake, monkeypatch: pytest.MonkeyPatch
):
    file = home.drop("plays/2026-03-02.csv", "a")
    changed = datetime.fromtimestamp(file.stat().st_ctime, UTC)
    monkeypatch.setattr("umg_assets.clock.now", lambda: changed - timedelta(minutes=1))
    assert [file.path for file in scan_of(home).changed] == ["plays/2026-03-02.csv"]
    assert scan(home.settings, NOTHING, 60).waiting == {
        "plays/2026-03-02.csv": "changed 0 s ago: it may still be being written"
    }
    monkeypatch.setattr("umg_assets.clock.now", lambda: changed + timedelta(minutes=2))
    assert scan(home.settings, NOTHING, 60).changed


def test_a_file_that_cannot_be_read_waits_and_does_not_hold_up_others(home: Lake, monkeypatch: pytest.MonkeyPatch):
    home.drop("plays/2026-03-02.csv", "a")
    home.drop("plays/2026-03-03.csv", "a")

    def refuse(path: Path) -> str:
        if path.name == "2026-03-02.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return "hash"

    monkeypatch.setattr(fingerprints, "content_hash_of", refuse)
    result = scan_of(home)
    assert [file.path for file in result.changed] == ["plays/2026-03-03.csv"]
    assert "Permission denied" in result.waiting["plays/2026-03-02.csv"]


def test_markers_of_an_exporter_are_ignored_and_files_of_no_source_are_named(home: Lake):
    for name in ("plays/_SUCCESS", "plays/.2026-03-02.csv.part", "podcasts/2026-03-02.csv"):
        home.drop(name, "a")
    assert (scan_of(home).changed, scan_of(home).unclaimed) == ([], ["podcasts/2026-03-02.csv"])


def test_whatever_lies_in_a_folder_that_an_exporters_tools_hide_is_ignored_at_any_depth(home: Lake):
    for folder in ("_temporary/0/task_1", ".spark-staging", "day/_delta_log", "day/.tmp/x", "_backup"):
        home.drop(f"plays/{folder}/part-0.csv", "a")
    for name in ("plays/2026/03/part-0.csv", "plays/_day=2/part-0.csv", "_exports/2026-03-02.csv"):
        home.drop(name, "a")
    everything = UNDATED.replace('"plays/*.csv*"', '"plays/**/*.csv"', 1)
    underscored = SOURCES[: SOURCES.index("[[sources.users]]")].replace('"plays/*.csv*"', '"_exports/*.csv"')
    home.configure(sources=everything + underscored)
    result = scan_of(home)
    assert sorted(file.path for file in result.changed) == [
        "_exports/2026-03-02.csv",
        "plays/2026/03/part-0.csv",
        "plays/_day=2/part-0.csv",
    ]
    assert not result.unclaimed


def test_the_first_of_two_sources_takes_a_file_that_both_match(home: Lake):
    second = SOURCES[: SOURCES.index("[[sources.users]]")].replace('"plays/*.csv*"', '"plays/2026*"')
    home.configure(sources=SOURCES + second)
    home.drop("plays/2026-03-02.csv", "a")
    home.drop("plays/2026-03-03.data", "a")
    assert [(file.path, file.source.files) for file in scan_of(home).changed] == [
        ("plays/2026-03-02.csv", "plays/*.csv*"),
        ("plays/2026-03-03.data", "plays/2026*"),
    ]


def test_a_missing_landing_is_an_error_and_is_not_read_as_empty(home: Lake):
    (home.home / "landing").rmdir()
    with pytest.raises(LandingError, match="is not a directory"):
        scan_of(home)


def test_landing_may_be_a_link_to_a_directory_that_the_exporter_owns(home: Lake, tmp_path: Path):
    home.drop_plays("2026-03-02", [])
    (name,) = [file.path for file in scan_of(home).changed]
    home.settings.landing.rename(tmp_path / "delivered")
    home.settings.landing.symlink_to(tmp_path / "delivered")
    assert [file.path for file in scan_of(home).changed] == [name]
