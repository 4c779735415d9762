"""A later landing corrects an earlier one of its delivery day; a folder that is one delivery withdraws what left it."""

import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import deltalake
import pytest

from umg_assets.catalogue import Catalogue
from umg_assets.cli.reconcile import recount_files, recount_tables
from umg_assets.cli.run import accept_file
from umg_assets.landing.outcome import outcomes
from umg_assets.landing.scan import Scan, scan
from umg_assets.planning.entry import PSEUDONYMS, Entry
from umg_assets.planning.history import History
from umg_assets.planning.runs import landing_runs
from umg_assets.report import Report
from umg_assets_tests.lake import SOURCES, Lake
from umg_assets_tests.landing.test_crashes import crashed_run, rows_of
from umg_assets_tests.landing.test_land import play

OLD, NEW, NEWEST = "part-00000-f3c1", "part-00000-0a77", "part-00000-0012"
"""Names of a partition's file before and after it was written anew, and once more: the newest one sorts first."""
LOOSE = SOURCES[: SOURCES.index("[[sources.users]]")].replace("plays/*.csv*", "plays/loose/dt=*/*.csv")
FOLDERS = SOURCES.replace("/*.csv*", "/dt=*/*.csv").replace("s/*.csv", "s/dt=*/*.csv")
FOLDERS = FOLDERS.replace("delivered_on", "folder_is_delivery = true\ndelivered_on") + LOOSE
THRESHOLDS = "[thresholds]\nshrunk_percent = 20\n"
NOTHING = History(())
DAY = date(2026, 3, 2)


# --- what a scan says


@pytest.fixture
def home(tmp_path: Path) -> Lake:
    """A home whose landing/ is scanned, with sources whose folders are deliveries; nothing runs."""
    home = Lake(tmp_path / "home")
    home.configure(THRESHOLDS, FOLDERS)
    return home


def landed(*results: Scan, state: Literal["staged", "landed"] = "landed") -> History:
    """The ledger after what scans found has landed, one landing each, and been withdrawn."""
    entries: list[Entry] = []
    for generation, result in enumerate(results, 1):
        for gone in result.withdrawn:
            place = (gone.source, gone.path, gone.delivery_date)
            entries.append(Entry(*place, sequence=len(entries) + 1, state="withdrawn"))
        for file in result.changed:
            number = generation if file.generation is None else file.generation
            entries.append(replace(file.entry, sequence=len(entries) + 1, state=state, generation=number))
    return History(tuple(entries))


def paths(withdrawn: list[Entry]) -> list[str]:
    """The names of files in a scan's withdrawals."""
    return [entry.path.rpartition("/")[2] for entry in withdrawn]


def fill(home: Lake, *names: str, size: int = 100) -> None:
    """Files of the folder plays/dt=2026-03-02, of some bytes each."""
    for name in names:
        home.drop(f"plays/dt=2026-03-02/{name}.csv", name[0] * size)


def remove(home: Lake, path: str) -> None:
    """Takes a file or a folder out of landing/."""
    place = home.home / "landing" / path
    shutil.rmtree(place) if place.is_dir() else place.unlink()


def test_what_left_a_folder_is_withdrawn_only_where_the_folder_is_one_delivery(home: Lake):
    fill(home, *"abcdef")
    home.drop("plays/loose/dt=2026-03-02/a.csv", "a" * 100)
    home.drop("plays/loose/dt=2026-03-02/b.csv", "b" * 100)
    history = landed(scan(home.settings, NOTHING))
    assert not scan(home.settings, history).news
    remove(home, "plays/dt=2026-03-02/b.csv")
    remove(home, "plays/loose/dt=2026-03-02/b.csv")
    result = scan(home.settings, history)
    assert (paths(result.withdrawn), result.changed, result.held, result.waiting) == (["b.csv"], [], [], {})
    [run] = landing_runs(result.news, Catalogue.of(home.settings))
    assert (run.bounds, run.why) == (("2026-03-02", "2026-03-02"), "landing 2026-03-02 changed: b.csv")
    home.configure(THRESHOLDS, FOLDERS.replace("folder_is_delivery = true", ""))
    assert not scan(home.settings, history).news, "the setting decides no row, so no file is read again"


@pytest.mark.parametrize(
    ("first_day", "today", "why"),
    [
        ("2026-04-03", date(2026, 4, 20), "before the first delivery day 2026-03-03: set first_delivery in umg.toml"),
        ("2026-01-01", date(2026, 3, 1), "which is still to come (UTC)"),
    ],
    ids=["first_day later", "clock set back"],
)
@pytest.mark.parametrize("crashed", [False, True], ids=["new", "withdrawn half"])
def test_what_left_a_folder_of_no_delivery_day_waits_and_the_others_land(
    home: Lake, monkeypatch: pytest.MonkeyPatch, first_day: str, today: date, why: str, crashed: bool
):
    for name in "abcdef":
        home.drop(f"users/dt=2026-03-02/{name}.csv", name * 100)
    history = landed(scan(home.settings, NOTHING))
    remove(home, "users/dt=2026-03-02/b.csv")
    if crashed:
        history = history.followed_by([replace(history.entries[1], sequence=50, state="withdrawing")])
    home.configure(THRESHOLDS, FOLDERS, first_day)
    monkeypatch.setattr("umg_assets.clock.now", lambda: datetime(today.year, today.month, today.day, tzinfo=UTC))
    home.drop(f"users/dt={today}/new.csv", "new")
    result = scan(home.settings, history)
    path = "users/dt=2026-03-02/b.csv"
    assert result.waiting == {path: f"to be withdrawn, delivered on 2026-03-02, {why}"}
    assert [(day, of) for day, of, _ in result.news] == [(today, f"users/dt={today}/new.csv")]


def test_a_file_that_another_source_takes_or_that_no_longer_matches_has_not_left(home: Lake):
    fill(home, *"abcdef")
    home.drop("plays/dt=2026-03-02/notes.txt", "a")
    history = landed(scan(home.settings, NOTHING))
    other = Entry("plays", "plays/dt=2026-03-02/z.tsv", DAY, 99, "landed", "1-1-1-1", definition_hash=PSEUDONYMS)
    history = History((*history.entries, other))
    assert not scan(home.settings, history).news, "its name is none of the source's"
    home.configure(THRESHOLDS, LOOSE.replace("loose/dt=*/*.csv", "dt=*/f.csv") + FOLDERS)
    assert not scan(home.settings, history).withdrawn, "another source takes f.csv now, and it still lies in the folder"


@pytest.mark.parametrize("cleaned", ["plays/dt=2026-03-02", "every file", "plays"])
def test_a_folder_that_is_gone_or_empty_withdraws_nothing(home: Lake, cleaned: str):
    fill(home, *"abc")
    history = landed(scan(home.settings, NOTHING))
    if cleaned == "every file":
        for name in "abc":
            remove(home, f"plays/dt=2026-03-02/{name}.csv")
        home.drop("plays/dt=2026-03-02/_SUCCESS", "")
    else:
        remove(home, cleaned)
    result = scan(home.settings, history)
    assert (result.news, result.held, result.waiting) == ([], [], {})


def test_a_folder_in_which_something_happened_just_now_waits_with_its_withdrawals(
    home: Lake, monkeypatch: pytest.MonkeyPatch
):
    fill(home, *"abcdef")
    history = landed(scan(home.settings, NOTHING))
    remove(home, "plays/dt=2026-03-02/b.csv")
    changed = (home.home / "landing/plays/dt=2026-03-02").stat().st_ctime
    now = datetime.fromtimestamp(changed, UTC)
    monkeypatch.setattr("umg_assets.clock.now", lambda: now + timedelta(seconds=3))
    result = scan(home.settings, history, 5)
    assert result.waiting == {"plays/dt=2026-03-02": "changed 3 s ago: it may still be being written"}
    assert not result.news
    monkeypatch.setattr("umg_assets.clock.now", lambda: now + timedelta(seconds=6))
    assert paths(scan(home.settings, history, 5).withdrawn) == ["b.csv"]


def test_a_half_written_folder_is_held_whole_and_lands_and_withdraws_whole_once_it_is_complete(home: Lake):
    fill(home, "a1", "a2")
    history = landed(scan(home.settings, NOTHING))
    for name in ("a1", "a2"):
        remove(home, f"plays/dt=2026-03-02/{name}.csv")
    fill(home, "b1")
    [(held, why)] = scan(home.settings, history).held
    assert why == (
        "200 bytes of it landed, now it has 100; 2 of its files are gone: `umg accept plays/dt=2026-03-02` lets it land"
    )
    assert (held.kind, held.path, held.delivery_date) == ("plays", "plays/dt=2026-03-02", DAY)
    assert not scan(home.settings, history).news
    [of_plays, *_] = outcomes(home.settings, scan(home.settings, history), history, 0)
    assert of_plays.over == ["plays/dt=2026-03-02, which is held"]
    fill(home, "b2")
    result = scan(home.settings, history)
    assert (paths(result.withdrawn), [file.path[-6:] for file in result.changed]) == (
        ["a1.csv", "a2.csv"],
        ["b1.csv", "b2.csv"],
    )


def test_an_accepted_folder_lands_and_withdraws_as_it_was_when_it_was_accepted_and_not_another_content(home: Lake):
    fill(home, "a", "b")
    history = landed(scan(home.settings, NOTHING))
    remove(home, "plays/dt=2026-03-02/b.csv")
    fill(home, "a", size=10)
    [(held, _)] = scan(home.settings, history).held
    assert held.path == "plays/dt=2026-03-02", "not also the file that shrank in it"
    accepted = History(history.entries, (held.entry,))
    result = scan(home.settings, accepted)
    assert (paths(result.withdrawn), [file.path[-5:] for file in result.changed]) == (["b.csv"], ["a.csv"])
    assert not result.held
    fill(home, "a", size=9)
    assert [file.path for file, _ in scan(home.settings, accepted).held] == ["plays/dt=2026-03-02"]


def test_nothing_is_withdrawn_while_a_file_of_the_folder_is_held_or_waits(home: Lake, monkeypatch: pytest.MonkeyPatch):
    fill(home, *"abcdefghij")
    history = landed(scan(home.settings, NOTHING))
    remove(home, "plays/dt=2026-03-02/b.csv")
    fill(home, "a", size=50)
    result = scan(home.settings, history)
    assert [file.path for file, _ in result.held] == ["plays/dt=2026-03-02/a.csv"]
    assert "plays/dt=2026-03-02/a.csv has to land first" in result.waiting["plays/dt=2026-03-02"]
    assert not result.withdrawn
    fill(home, "a", size=99)
    monkeypatch.setattr("umg_assets.landing.fingerprints.content_hash_of", lambda path: path.open("nonsense"))
    assert not scan(home.settings, history).withdrawn


def test_a_withdrawal_that_crashed_is_finished_even_if_the_folder_is_gone_or_the_file_is_back(home: Lake):
    fill(home, *"abcdef")
    history = landed(scan(home.settings, NOTHING))
    place = ("plays", "plays/dt=2026-03-02/b.csv", DAY)
    crashed = History((*history.entries, Entry(*place, sequence=50, state="withdrawing")))
    back = scan(home.settings, crashed)
    assert (paths(back.withdrawn), [file.path[-5:] for file in back.changed]) == (["b.csv"], ["b.csv"])
    assert back.changed[0].generation is None, "it lands anew"
    remove(home, "plays/dt=2026-03-02")
    assert paths(scan(home.settings, crashed).withdrawn) == ["b.csv"]
    finished = History((*crashed.entries, Entry(*place, sequence=51, state="withdrawn")))
    assert not scan(home.settings, finished).news
    assert "plays/dt=2026-03-02/b.csv" not in {entry.path for entry in finished.delivered()}


def test_a_run_that_died_after_it_withdrew_and_before_it_landed_leaves_no_folder_that_seems_to_have_shrunk(home: Lake):
    fill(home, "a1", "a2")
    history = landed(scan(home.settings, NOTHING))
    for name in ("a1", "a2"):
        remove(home, f"plays/dt=2026-03-02/{name}.csv")
    fill(home, "b1", "b2", size=90)
    replaced = scan(home.settings, history)
    withdrawn = [Entry(gone.source, *gone.place, 10 + gone.sequence, "withdrawn") for gone in replaced.withdrawn]
    again = scan(home.settings, History((*history.entries, *withdrawn)))
    assert (again.withdrawn, again.held) == ([], [])
    assert [file.path for file in again.changed] == [file.path for file in replaced.changed]


def test_the_same_content_keeps_its_landing_when_it_is_read_again_and_another_content_gets_a_new_one(home: Lake):
    fill(home, "a", "b")
    first = scan(home.settings, NOTHING)
    assert {file.generation for file in first.changed} == {None}
    history = landed(first)
    home.configure(THRESHOLDS, FOLDERS.replace('"to_timestamp(started_at)"', '"to_timestamp(trim(started_at))"'))
    assert {file.generation for file in scan(home.settings, history).changed} == {1}
    assert {file.generation for file in scan(home.settings, landed(first, state="staged")).changed} == {1}
    fill(home, "b", size=99)
    assert {file.path[-5:]: file.generation for file in scan(home.settings, history).changed} == {
        "a.csv": 1,
        "b.csv": None,
    }


# --- what becomes of the tables


@dataclass
class Rewritten:
    """A lake whose folders were written anew, and what it held and reported after each run."""

    lake: Lake
    plays: list[dict[str, str]] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    built_afresh: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    counted_again: list[bool] = field(default_factory=list)
    generations_before: set[int] = field(default_factory=set)

    def run(self) -> None:
        """Runs, and notes what there is: of plays, the track by id."""
        self.reports.append(self.lake.run())
        self.plays.append(dict(rows_of(self.lake, "", "play_id", "track_id")))

    def count_again(self) -> None:
        """Notes whether files and tables agree with their recount."""
        self.counted_again.append(recount_files(self.lake.settings) and recount_tables(self.lake.settings))


def drop_first(lake: Lake) -> None:
    """The files as they are first written; t2 is the track of a play that is corrected later."""
    for folder in ("", "loose/"):
        name = folder.rstrip("/") or "one"
        lake.drop_plays(f"{folder}dt=2026-03-02/{OLD}", [play(f"{name}-corrected", "03-02", "t2")])
    lake.drop_plays("dt=2026-03-03/a", [play(f"kept-{n}", "03-03", "t1") for n in range(3)])
    lake.drop_plays("dt=2026-03-03/b", [play(f"withdrawn-{n}", "03-03", "t1") for n in range(3)] + [("bad",)])
    lake.drop_plays("dt=2026-03-05/a", [play("late", "03-04", "t1")])
    lake.drop_users(f"dt=2026-03-01/{OLD}", [("u1", "DE", "18-24"), ("u2", "AT", "18-24")])
    lake.drop_tracks(f"dt=2026-03-01/{OLD}", [(t, "Old", "a1", "Ann", "Pop", 200_000) for t in ("t1", "t2", "t3")])


def rewrite(lake: Lake) -> None:
    """Writes the partitions anew under new names, and an older delivery day late; takes a file out of a folder."""
    for path in (lake.home / "landing").rglob(f"{OLD}.csv"):
        path.unlink()
    for folder in ("", "loose/"):
        name = folder.rstrip("/") or "one"
        lake.drop_plays(f"{folder}dt=2026-03-02/{NEW}", [play(f"{name}-corrected", "03-02", "t1")])
    lake.drop_plays("dt=2026-03-04/a", [play("late", "03-04", "t2")])
    lake.drop_users(f"dt=2026-03-01/{NEW}", [("u1", "AT", "25-34"), ("u1", "AT", "18-24"), ("u3", "AT", "18-24")])
    lake.drop_tracks(f"dt=2026-03-01/{NEW}", [(t, "New", "a1", "Ann", "Pop", 200_000) for t in ("t1", "t2", "t4")])
    remove(lake, "plays/dt=2026-03-03/b.csv")


def take_out_generations(lake: Lake) -> None:
    """Takes the landings' numbers out of ledger and raw tables, as they were before landings were numbered."""
    for name in ("deliveries", "raw_plays", "raw_users", "raw_tracks", "raw_app_events"):
        table = deltalake.DeltaTable(lake.home / "tables" / name)
        stored, partitions = table.to_pyarrow_table(), table.metadata().partition_columns
        later = ("generation", "suppressed", "play_pseudonym", "session_pseudonym")
        rows = stored.drop_columns([name for name in later if name in stored.column_names])
        deltalake.write_deltalake(
            table.table_uri, rows, mode="overwrite", schema_mode="overwrite", partition_by=partitions
        )


@pytest.fixture(scope="module")
def rewritten(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Rewritten:
    """Everything lands, before landings were numbered; is rewritten, in a run that crashes and one that does not; then
    the shrunk folder is accepted, and a partition without the setting is written anew once more."""
    folder = tmp_path_factory.mktemp("folders")
    lake = Lake(folder / "home")
    lake.configure(THRESHOLDS, FOLDERS)
    drop_first(lake)
    rewritten = Rewritten(lake)
    rewritten.run()
    take_out_generations(lake)
    rewritten.generations_before = {entry.generation for entry in lake.history().entries}
    rewritten.count_again()
    rewrite(lake)
    crashed_run(lake, patch, "raw_plays", after=True)
    rewritten.run()
    accept_file(lake.settings, "plays/dt=2026-03-03")
    remove(lake, f"plays/loose/dt=2026-03-02/{NEW}.csv")
    lake.drop_plays(f"loose/dt=2026-03-02/{NEWEST}", [play("loose-corrected", "03-02", "t4")])
    rewritten.run()
    rewritten.count_again()
    rewritten.built_afresh = lake.built_afresh(folder / "fresh").content()
    return rewritten


def test_a_partition_written_anew_under_a_name_that_sorts_first_brings_its_correction(rewritten: Rewritten):
    assert [plays["one-corrected"] for plays in rewritten.plays] == ["t2", "t1", "t1"]
    assert [plays["loose-corrected"] for plays in rewritten.plays] == ["t2", "t1", "t4"]
    raw = rewritten.lake.values("raw_plays", "play_id", "source_file")
    assert [path for play_id, path in raw if play_id == "one-corrected"] == [f"plays/dt=2026-03-02/{NEW}.csv"]
    assert [path[-8:-4] for play_id, path in raw if play_id == "loose-corrected"] == ["0012", "0a77", "f3c1"]


def test_a_later_landing_of_an_older_delivery_day_corrects_nothing(rewritten: Rewritten):
    assert [plays["late"] for plays in rewritten.plays] == ["t1", "t1", "t1"]


def test_users_and_tracks_that_left_their_folder_are_withdrawn_and_the_rest_is_as_rewritten(rewritten: Rewritten):
    lake = rewritten.lake
    assert lake.values("tracks", "track_id", "title") == [("t1", "New"), ("t2", "New"), ("t4", "New")]
    assert lake.values("users", "country", "age_group") == [("AT", "18-24"), ("AT", "18-24")]
    assert {row["age_group"] for row in lake.rows("plays")} == {"18-24"}


def test_a_folder_that_shrank_keeps_its_plays_until_it_is_accepted_and_then_loses_what_left_it(rewritten: Rewritten):
    assert [file.path for file, _ in rewritten.reports[1].scan.held] == ["plays/dt=2026-03-03"]
    kept = {f"kept-{n}" for n in range(3)}
    withdrawn = {f"withdrawn-{n}" for n in range(3)}
    assert (kept | withdrawn).issubset(rewritten.plays[1])
    assert rewritten.plays[2].keys() & (kept | withdrawn) == kept
    assert rewritten.reports[2].partitions["plays"] == ["2026-03-02", "2026-03-03"]
    assert rewritten.lake.rows("quarantine") == []
    assert rewritten.reports[2].scan.held == []


def test_the_ledger_tells_what_was_withdrawn_and_every_recount_agrees(rewritten: Rewritten):
    history = rewritten.lake.history()
    withdrawn = [(entry.path[-8:-4], entry.landed) for entry in history.entries if entry.state == "withdrawn"]
    assert sorted(withdrawn) == [("03/b", 0), ("f3c1", 0), ("f3c1", 0), ("f3c1", 0)]
    assert rewritten.counted_again == [True, True]
    raw = {(row["source_file"], row["generation"] or 0) for row in rewritten.lake.rows("raw_plays")}
    assert raw == {(entry.path, entry.generation) for entry in history.standing("plays")}


def test_a_lake_from_before_landings_were_numbered_is_migrated_and_its_rows_give_way_to_later_landings(
    rewritten: Rewritten,
):
    """Its recount, before any run, is the first of `counted_again`."""
    assert rewritten.generations_before == {0}
    assert rewritten.counted_again[0]
    numbered = {row["source_file"][-8:-4]: row["generation"] for row in rewritten.lake.rows("raw_plays")}
    assert numbered["f3c1"] is None
    assert 0 < numbered["0a77"] < numbered["0012"]


def test_folders_that_were_rewritten_end_in_the_tables_of_a_fresh_build(rewritten: Rewritten):
    assert rewritten.lake.content() == rewritten.built_afresh


def test_a_cleaned_folder_keeps_its_rows_and_costs_no_run(rewritten: Rewritten):
    remove(rewritten.lake, "plays/dt=2026-03-05")
    assert rewritten.lake.run().runs == 0
    assert recount_files(rewritten.lake.settings)
