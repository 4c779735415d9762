"""Files of landing/ that forgetting meets: shared by sources, linked, oddly named, with odd ids, changed meanwhile."""

import json
from pathlib import Path

import pytest

from umg_assets.cli.reconcile import reconcile
from umg_assets.forgetting import erasure, landing_files
from umg_assets.forgetting.erasure import Erasure
from umg_assets.forgetting.forget import Forgetting
from umg_assets.forgetting.work import Work
from umg_assets.planning.entry import Entry
from umg_assets.privacy.requests import Requests
from umg_assets_tests.forgetting.test_forget import GONE, WITH_A_FILTER, _play, _power_went, forget
from umg_assets_tests.lake import PLAY_COLUMNS, SOURCES, USER_COLUMNS, Lake
from umg_assets_tests.landing.test_years import DAYS, written
from umg_assets_tests.landing.test_years import SOURCES as FAR_SOURCES

pytestmark = pytest.mark.exhaustive

OTHER = "ben-1"
ODD = ("o\"neil 'x'-1", "a/b\\c-1", "jo smith-1", "żoë-4711", "100%_sure", "a, b-1")


def _entries(lake: Lake) -> dict[str, Entry]:
    return {entry.path: entry for entry in lake.history().delivered()}


def test_a_document_of_plays_and_users_loses_the_persons_records_of_both(new_lake):
    sources = SOURCES.replace('"plays/*.csv*"', '"all/*.json"\nrecords = "plays"')
    lake = new_lake("document", sources=sources.replace('"users/*.csv"', '"all/*.json"\nrecords = "data.users"'))
    plays = [
        dict(zip(PLAY_COLUMNS, _play(20 + at, user, 2), strict=True)) for at, user in enumerate((GONE, OTHER, GONE))
    ]
    users = [dict(zip(USER_COLUMNS, (user, "AT", "25-34", None), strict=True)) for user in (OTHER, GONE)]
    file = lake.drop("all/2026-03-02.json", json.dumps({"data": {"users": users}, "plays": plays}, indent=1))
    lake.run()
    receipt = forget(lake, GONE)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert (receipt.records, receipt.files_rewritten, receipt.files_removed) == (3, 1, [])
    assert json.loads(file.read_text()) == {"data": {"users": users[:1]}, "plays": plays[1:2]}
    assert lake.values("raw_plays", "play_id", "record") == [("p21", 1)]
    assert reconcile(lake.settings)
    assert lake.run().runs == 0


def test_a_receipt_shows_neither_the_beginning_of_a_file_nor_a_name_that_holds_the_id(new_lake):
    source = SOURCES.replace('"plays/*.csv*"', '"plays/*/*.csv"\nfolder_is_delivery = true')
    lake = new_lake("beginning", sources=source)
    lake.drop_plays("2026-03-02/a", [_play(21, GONE, 2), _play(22, OTHER, 2)])
    lake.drop("plays/2026-03-02/b.csv", f"{GONE};is;here\n")
    lake.drop(f"plays/2026-03-02/{GONE}.csv", f"{GONE};is;here\n")
    lake.run()
    lake.drop("plays/2026-03-02/c.csv", f"{GONE};is;here\n")
    receipt = forget(lake, GONE)
    assert receipt is not None
    assert not receipt.good
    assert sorted(receipt.kept)[1:] == ["plays/2026-03-02/b.csv", "plays/2026-03-02/c.csv"]
    assert "whose name holds an id" in sorted(receipt.kept)[0]
    for file in (lake.home / "forgotten").rglob("*"):
        assert not file.is_file() or GONE not in file.read_text(), file


def test_odd_ids_are_seen_in_records_that_did_not_land_and_odd_names_hide_no_file(new_lake):
    lake = new_lake("odd")
    sources = WITH_A_FILTER + WITH_A_FILTER.split("[[sources.users]]")[0].replace("*.csv*", "*.jsonl")
    lake.configure(sources=sources)
    users = [*ODD, OTHER]
    rows = [_play(20 + at, user, 2, country="XX") for at, user in enumerate(users)]
    lines = [
        json.dumps(dict(zip(PLAY_COLUMNS, row, strict=True)), ensure_ascii=escaped).replace("/", "\\/") + "\n"
        for row in rows
        for escaped in (True, False)
    ]
    files = [lake.drop_plays("2026-03-02", rows), lake.drop("plays/2026-03-02.jsonl", "".join(lines))]
    lake.run()
    files.append(lake.drop_plays("not landed! 2026-03-03", rows))
    receipt = forget(lake, *ODD)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert [file.read_text().count(f'{OTHER}"' if file.suffix == ".jsonl" else f"{OTHER},s") for file in files] == [
        1,
        4,
        1,
    ]
    assert [len(file.read_text().splitlines()) for file in files] == [2, 2, 2]
    assert reconcile(lake.settings)


def test_a_linked_file_is_rewritten_where_it_lies_and_searched_there(new_lake, tmp_path: Path):
    lake = new_lake("linked", sources=SOURCES.replace('"plays/*.csv*"', '"plays/*.csv*"\nfollow_links = true'))
    file = lake.drop_plays("2026-03-02", [_play(21, GONE, 2), _play(22, OTHER, 2)])
    lies = file.rename(tmp_path / "far")
    file.symlink_to(lies)
    (lake.home / "landing" / "notes").symlink_to(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path)
    lake.run()
    (tmp_path / "note").write_text(f"call {GONE}")
    receipt = forget(lake, GONE)
    assert receipt is not None
    assert receipt.found == ["landing/notes/note (plain)"]
    assert file.is_symlink()
    assert (GONE in lies.read_text(), OTHER in lies.read_text()) == (False, True)
    (tmp_path / "note").unlink()
    receipt = forget(lake)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert lake.run().runs == 0


def test_a_file_that_a_source_takes_from_elsewhere_is_rewritten_and_searched(new_lake, tmp_path: Path):
    lake = new_lake("elsewhere")
    lake.configure(sources=WITH_A_FILTER.replace("plays/*.csv*", f"{tmp_path}/*.csv"))
    landed = lake.drop_plays("2026-03-02", [_play(21, GONE, 2), _play(22, OTHER, 2)]).rename(
        tmp_path / "2026-03-02.csv"
    )
    lake.run()
    filtered = lake.drop_plays("2026-03-03", [_play(31, GONE, 3, country="XX"), _play(32, OTHER, 3)])
    filtered = filtered.rename(tmp_path / "2026-03-03.csv")
    lake.run()
    (tmp_path / "2026-03-04.csv").write_text(f"none {GONE}")
    receipt = forget(lake, GONE)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert receipt.files_removed == [f"{tmp_path}/2026-03-04.csv"]
    assert GONE not in landed.read_text() + filtered.read_text()
    assert reconcile(lake.settings)
    landed.write_text(landed.read_text() + f"p41,{GONE},s,t1,2026-03-02T10:00:00Z,1,XX\n")
    request = forget(lake, GONE)
    assert request is not None
    assert GONE not in landed.read_text()


def test_files_moved_out_or_delivered_anew_before_a_broken_forgetting_ends_are_no_obstacle(
    new_lake, monkeypatch: pytest.MonkeyPatch
):
    lake = new_lake("anew")
    moved, anew = (
        lake.drop_plays(f"2026-03-0{day}", [_play(day, GONE, day), _play(day + 10, OTHER, day)]) for day in (2, 3)
    )
    lake.run()
    monkeypatch.setattr(Erasure, "_changes", _power_went)
    with pytest.raises(RuntimeError, match="the power went"):
        forget(lake, GONE)
    monkeypatch.undo()
    moved.unlink()
    lake.drop_plays("2026-03-03", [_play(13, OTHER, 3), _play(14, OTHER, 3)])
    receipt = forget(lake)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert lake.values("raw_plays", "play_id") == [("p12",), ("p13",), ("p14",)]
    assert _entries(lake)[f"plays/{anew.name}"].landed == 2
    assert reconcile(lake.settings)
    assert lake.run().runs == 0


def test_a_source_corrected_since_its_files_landed_numbers_records_anew_and_nobody_elses_goes(new_lake):
    lake = new_lake("corrected")
    names = ", ".join(f'"{name}"' for name in PLAY_COLUMNS)
    headless = SOURCES.replace('"plays/*.csv*"', f'"plays/*.csv*"\nheader = false\ncolumn_names = [{names}]')
    lake.configure(sources=headless)
    lake.drop_users("2026-03-01", [(GONE, "AT", "25-34", ""), (OTHER, "DE", "25-34", "")])
    file = lake.drop_plays("2026-03-02", [_play(21, GONE, 2), _play(22, OTHER, 2), _play(23, OTHER, 2)])
    lake.run()
    lake.configure()
    receipt = forget(lake, GONE)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert [line.partition(",")[0] for line in file.read_text().splitlines()] == ["play_id", "p22", "p23"]
    assert lake.values("raw_plays", "play_id", "record") == [("p22", 1), ("p23", 2)]
    assert reconcile(lake.settings)
    assert lake.run().runs == 0


def test_what_was_collected_since_a_forgetting_was_broken_off_is_done_with_it_also_when_nobody_is_left(
    new_lake, monkeypatch: pytest.MonkeyPatch
):
    lake = new_lake("since")
    lake.drop_users("2026-03-01", [(GONE, "AT", "25-34", ""), (OTHER, "DE", "25-34", "")])
    file = lake.drop_plays("2026-03-02", [_play(21, GONE, 2), _play(22, OTHER, 2)])
    lake.run()
    monkeypatch.setattr(Forgetting, "_clear", _power_went)
    with pytest.raises(RuntimeError, match="the power went"):
        forget(lake, GONE)
    monkeypatch.undo()
    (draft := file.with_name(".umg-forgets-1.csv")).write_text(GONE)
    receipt = forget(lake, OTHER)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert Requests(lake.home).read() == []
    assert (lake.rows("raw_plays"), lake.rows("plays"), lake.rows("users")) == ([], [], [])
    assert len(list((lake.home / "forgotten" / "receipts").glob("*.txt"))) == 2
    assert not draft.exists()
    assert reconcile(lake.settings)
    assert lake.run().runs == 0


@pytest.mark.parametrize("torn", ["", '{"begun": {"use'])
def test_a_log_that_was_cut_off_in_its_first_line_is_no_obstacle(lake: Lake, torn: str):
    lake.drop_plays("2026-03-02", [_play(21, GONE, 2), _play(22, OTHER, 2)])
    lake.run()
    (lake.home / "forgotten").mkdir()
    (lake.home / "forgotten" / "work").write_text(torn)
    assert forget(lake) is None
    assert not Work(lake.home).exists
    assert [row["user_id"] for row in lake.rows("raw_plays")] == [GONE, OTHER]


@pytest.mark.parametrize("form", ["parquet", "orc", "avro"])
def test_a_file_with_dates_beyond_all_years_is_searched_and_rewritten(new_lake, form: str):
    lake = new_lake(form, sources=FAR_SOURCES.replace("EXPRESSION", "at"))
    file = lake.drop(f"users/2026-03-02.{form}", written(form, DAYS, ("a", "b", GONE, OTHER)))
    lake.run()
    receipt = forget(lake, GONE)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert (receipt.files_rewritten, receipt.files_removed) == (1, [])
    assert GONE.encode() not in file.read_bytes()
    assert sorted(row["record"] for row in lake.rows("quarantine")) == [1, 2]
    assert lake.values("raw_users", "user_id") == [(OTHER,)]
    assert reconcile(lake.settings)


@pytest.mark.parametrize("when", ["before", "while"])
@pytest.mark.parametrize("anew", ["others", "theirs", "shorter", "gone"])
def test_a_file_that_is_delivered_anew_while_people_are_forgotten_loses_nobody_elses_record(
    new_lake, monkeypatch: pytest.MonkeyPatch, anew: str, when: str
):
    lake = new_lake("anew")
    file = lake.drop_plays("2026-03-02", [_play(21, OTHER, 2), _play(22, GONE, 2)])
    lake.run()
    plays = {
        "others": [_play(21, OTHER, 2), _play(31, "carl-1", 2), _play(32, OTHER, 2)],
        "theirs": [_play(22, GONE, 2), _play(31, "carl-1", 2)],
        "shorter": [_play(31, "carl-1", 2)],
    }
    module, name = (erasure, "suppressed_numbers") if when == "before" else (landing_files, "erase_records")
    as_it_is = getattr(module, name)

    def delivered_before(*given, **options):
        monkeypatch.undo()
        file.unlink() if anew == "gone" else lake.drop_plays("2026-03-02", plays[anew])
        return as_it_is(*given, **options)

    monkeypatch.setattr(module, name, delivered_before)
    receipt = forget(lake, GONE)
    assert receipt is not None
    assert receipt.files_removed == []
    if when == "before":
        assert receipt.good == (anew != "theirs"), receipt.text
    if anew != "gone":
        lines = file.read_text().splitlines()[1:]
        assert [line.split(",")[0] for line in lines] == [play[0] for play in plays[anew]]
    receipt = forget(lake)
    assert receipt is None or receipt.good, receipt.text
    others = [(play[0],) for play in plays.get(anew, [_play(21, OTHER, 2)]) if play[1] != GONE]
    assert lake.values("raw_plays", "play_id") == others
    assert (GONE in file.read_text()) is False if file.exists() else anew == "gone"
    assert reconcile(lake.settings)
    assert lake.run().runs == 0
