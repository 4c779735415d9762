"""What goes by its age: files of landing/, quarantined records, raw plays; and what then stays as it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from umg_assets.cli.expire import expire
from umg_assets.cli.reconcile import reconcile
from umg_assets.landing.retention import Outcome
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.settings.model import SettingsError
from umg_assets_tests.lake import SOURCES, Lake
from umg_assets_tests.landing.test_land import play, set_clock

BAD = ("x", "u1", "s1", "t1", "noon", 1)
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 8)


def keeping(**days: int) -> str:
    """The `[privacy]` of umg.toml; copies correct a play within 2 days only."""
    lines = "\n".join(f"keep_{name}_days = {number}" for name, number in days.items())
    return f"correction_days = 2\n[privacy]\n{lines}\n"


def drop_days(lake: Lake) -> None:
    """A file of plays a day, each with a bad record; users and tracks with the first."""
    lake.drop_tracks(f"{FIRST}", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    lake.drop_users(f"{FIRST}", [("u1", "AT", "25-34", "")])
    for number in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(number)
        lake.drop_plays(f"{day}", [play(f"p-{day:%m-%d}-{at}", f"{day:%m-%d}T1{at}:00") for at in range(2)] + [BAD])


@contextmanager
def on(day: str) -> Iterator[None]:
    """While it is a day of 2026."""
    with pytest.MonkeyPatch.context() as clock:
        set_clock(clock, f"2026-{day}")
        yield


@pytest.fixture(scope="module")
def built(new_lake, patch: pytest.MonkeyPatch) -> Lake:
    """Eight days that landed on the last of them. Only copied."""
    lake = new_lake("retention")
    drop_days(lake)
    with on("03-08"):
        lake.configure(keeping())
        lake.run()
    return lake


@dataclass
class Old:
    """A copy of a lake, and what `umg expire` says of it on some day."""

    lake: Lake

    def expire(self) -> Outcome:
        return expire(self.lake.settings, self.lake.instance)

    def files(self) -> list[str]:
        """The names of the files of plays that are left."""
        return sorted(file.stem for file in (self.lake.home / "landing" / "plays").glob("*.csv"))


@pytest.fixture
def old(built: Lake, tmp_path: Path) -> Old:
    return Old(built.copied(tmp_path / "home"))


def went(outcome: Outcome) -> dict[str, tuple[str, str, int]]:
    """By what went: its first and last day (of March), and how much."""
    return {
        removed.what: (f"{min(removed.days):%m-%d}", f"{max(removed.days):%m-%d}", removed.number)
        for removed in outcome.removed
    }


# --- files and quarantine


def test_by_default_only_quarantined_records_go_and_these_after_90_days(old: Old):
    with on("06-06"):  # 90 days after the last
        before = old.lake.content()
        assert went(old.expire()) == {"quarantine": ("03-01", "03-07", 7)}
        assert [row["delivery_date"] for row in old.lake.rows("quarantine")] == [LAST]
        assert went(old.expire()) == {}
        assert old.lake.run().partitions.keys() <= {"top_artists_by_genre", "age_group_favourites", "exports"}
        assert len(old.files()) == 8
        after = old.lake.content()
        assert {name: after[name] for name in ("plays", "sessions", "top_tracks_by_country")} == {
            name: before[name] for name in ("plays", "sessions", "top_tracks_by_country")
        }
        assert len(old.lake.rows("raw_plays")) == 16
        assert sum(sum(entry.quarantined.values()) for entry in old.lake.history().delivered()) == 8
        assert reconcile(old.lake.settings)


def test_records_of_an_old_day_that_are_delivered_again_are_in_quarantine_again_until_they_are_removed_again(old: Old):
    with on("06-06"):
        old.expire()
        old.lake.drop_plays("2026-03-02", [play("p-03-02-0", "03-02T10:00"), BAD, BAD])
        old.lake.run()
        assert len([row for row in old.lake.rows("quarantine") if row["delivery_date"] == date(2026, 3, 2)]) == 2
        assert reconcile(old.lake.settings)
        assert went(old.expire()) == {"quarantine": ("03-02", "03-02", 2)}
        assert reconcile(old.lake.settings)


def test_files_go_once_they_have_landed_and_are_old_and_their_rows_stay(old: Old):
    with on("03-10"):
        old.lake.configure(keeping(landing=5))
        old.lake.drop_plays("2026-03-02", [play("p-03-02-9", "03-02T19:00"), BAD])  # changed, has not landed
        assert went(old.expire()) == {
            "landing_plays": ("03-01", "03-04", 3),
            "landing_users": ("03-01", "03-01", 1),
            "landing_tracks": ("03-01", "03-01", 1),
        }
        assert old.files() == ["2026-03-02", *(f"2026-03-{day:02}" for day in range(5, 9))]
        old.lake.run()
        assert reconcile(old.lake.settings)
        rows = old.lake.values("plays", "play_id")
        assert len(rows) == 15
        assert ("p-03-02-9",) in rows
        assert went(old.expire()) == {"landing_plays": ("03-02", "03-02", 1)}
        assert (old.lake.run().runs, old.lake.values("plays", "play_id")) == (0, rows)


def test_a_file_that_leaves_by_age_withdraws_nothing_from_a_folder_that_is_one_delivery(old: Old):
    whole = SOURCES.replace('files = "plays/*.csv*"', 'files = "plays/*.csv*"\nfolder_is_delivery = true')
    with on("03-10"):
        old.lake.configure(keeping(landing=5) + "[thresholds]\nshrunk_percent = 20\n", whole)
        old.lake.run()
        rows = old.lake.values("plays", "play_id")
        assert went(old.expire())["landing_plays"] == ("03-01", "03-04", 4)
        assert (old.lake.run().runs, old.lake.values("plays", "play_id")) == (0, rows)
        (old.lake.home / "landing" / "plays" / "2026-03-08.csv").unlink()
        report = old.lake.run()
        assert [file.path for file, _ in report.scan.held] == ["plays"], "what leaves by hand still counts"


def test_a_process_that_dies_before_files_or_rows_go_is_followed_by_one_that_ends_in_the_same(
    old: Old, monkeypatch: pytest.MonkeyPatch
):
    def die(*_: object) -> None:
        raise RuntimeError("the power went")

    with on("06-06"):
        old.lake.configure(keeping(landing=90))
        for owner, step in ((Path, "unlink"), (Lakehouse, "write_slice")):
            with monkeypatch.context() as dying, pytest.raises(RuntimeError, match="the power went"):
                dying.setattr(owner, step, die)
                old.expire()
        assert went(old.expire()) == {"quarantine": ("03-01", "03-07", 7)}
        assert old.files() == ["2026-03-08"]
        assert len(old.lake.history().expired) == 9 + 7, "each day is noted once"
        old.lake.run()
        assert reconcile(old.lake.settings)


def test_raw_rows_are_not_kept_shorter_than_the_files_they_came_from(old: Old):
    for days in ({"raw": 30}, {"raw": 30, "landing": 31}):
        old.lake.configure(keeping(**days))
        with pytest.raises(SettingsError, match=r"keep_raw_days: expected keep_landing_days to be set, and 30 at most"):
            _ = old.lake.settings
