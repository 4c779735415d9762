"""Files that hold records of people who are forgotten and that stay in landing/: no receipt says that all is done."""

import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from umg_assets.cli.reconcile import reconcile
from umg_assets.privacy.requests import Requests
from umg_assets_tests.cli.conftest import type_umg
from umg_assets_tests.forgetting.test_forget import _play, forget
from umg_assets_tests.lake import PLAY_COLUMNS, SOURCES, Lake

pytestmark = pytest.mark.exhaustive

LOWERED = SOURCES.replace('user_id = "user_id"', 'user_id = "lower(user_id)"', 1)
DELIVERIES = '"plays/*/*.xlsx"\nfolder_is_delivery = true'


def _workbook(users: list[str], merged: bool) -> bytes:
    """Plays p1, p2, ... of the users; merged: cells below them, so that no row can be taken out."""
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(list(PLAY_COLUMNS))
    for number, user in enumerate(users, 1):
        sheet.append([*_play(number, user, 2)])
    if merged:
        sheet.merge_cells("J8:J9")
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _users_in(file: Path) -> list[str]:
    rows = openpyxl.load_workbook(file).worksheets[0].iter_rows(min_row=2, values_only=True)
    return [str(row[1]) for row in rows if row[0]]


@pytest.mark.parametrize(("written", "user"), [("757", "757"), ("ANN-007", "ann-007")])
def test_a_receipt_is_not_good_until_a_file_that_cannot_be_rewritten_is_corrected(
    new_lake, tmp_path: Path, written: str, user: str
):
    lake: Lake = new_lake(f"kept-{len(user)}", sources=LOWERED.replace('"plays/*.csv*"', DELIVERIES))
    file = lake.drop("plays/2026-03-02/a.xlsx", _workbook(["ben-1", written, "eve-1", "ben-1"], merged=True))
    lake.drop_users("2026-03-01", [(user, "AT", "25-34", ""), ("ben-1", "AT", "", ""), ("eve-1", "AT", "", "")])
    lake.run()
    for _ in range(2):
        receipt = forget(lake, user)
        assert receipt is not None
        assert (receipt.good, receipt.found, list(receipt.kept)) == (False, [], ["plays/2026-03-02/a.xlsx"])
        assert "unmerge them" in receipt.text
        assert "`umg forget --now` again" in receipt.text
        assert Requests(lake.home).read()
        assert lake.values("raw_plays", "play_id", "record") == [("p1", 1), ("p3", 3), ("p4", 4)]
        assert reconcile(lake.settings)
    typed = type_umg(tmp_path, "forget", "--now", home=lake.home)
    assert (typed.code, "NOT PROVED FORGOTTEN" in typed.out) == (1, True)
    receipt = forget(lake, "eve-1")  # the numbers of the records are still those of the file
    assert receipt is not None
    assert lake.values("raw_plays", "play_id", "record") == [("p1", 1), ("p4", 4)]
    file.write_bytes(_workbook(["ben-1", written, "eve-1", "ben-1"], merged=False))
    forget(lake)
    receipt = forget(lake)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert not Requests(lake.home).read()
    assert _users_in(file) == ["ben-1", "ben-1"]
    assert lake.values("raw_plays", "play_id", "record") == [("p1", 1), ("p4", 2)]
    assert reconcile(lake.settings)
    receipt = forget(lake, "nobody-1")
    assert receipt is not None
    assert receipt.good, receipt.text


def test_a_later_delivery_is_rewritten_although_an_expression_makes_its_ids(new_lake):
    lake: Lake = new_lake("made", sources=LOWERED)
    lake.drop_plays("2026-03-02", [_play(1, "ANN-007", 2), _play(2, "ben-1", 2)])
    lake.run()
    receipt = forget(lake, "ann-007")
    assert receipt is not None
    assert (receipt.good, receipt.records) == (True, 1), receipt.text
    later = lake.drop_plays("2026-03-03", [_play(3, "ben-1", 3), _play(4, "Ann-007", 3), _play(5, "ben-1", 3)])
    lake.run()
    receipt = forget(lake)
    assert receipt is not None
    assert (receipt.good, receipt.records) == (True, 1), receipt.text
    assert [line.split(",")[0] for line in later.read_text().splitlines()] == ["play_id", "p3", "p5"]
    assert lake.values("raw_plays", "play_id", "record") == [("p2", 1), ("p3", 1), ("p5", 2)]
    assert reconcile(lake.settings)


def test_a_file_that_no_source_takes_any_more_is_named_until_it_is_removed(new_lake):
    lake: Lake = new_lake("unclaimed", sources=LOWERED)
    file = lake.drop_plays("2026-03-02", [_play(1, "ANN-007", 2), _play(2, "ben-1", 2)])
    lake.run()
    lake.configure(sources=LOWERED.replace("plays/*.csv*", "other/*.csv*"))
    for _ in range(2):
        receipt = forget(lake, "ann-007")
        assert receipt is not None
        assert (receipt.good, list(receipt.kept)) == (False, ["plays/2026-03-02.csv"]), receipt.text
    file.unlink()
    receipt = forget(lake)
    assert receipt is not None
    assert receipt.good, receipt.text


def test_a_file_that_is_read_again_meanwhile_is_named_and_the_next_forgetting_rewrites_it(new_lake):
    lake: Lake = new_lake("meanwhile", sources=LOWERED)
    file = lake.drop_plays("2026-03-02", [_play(1, "ANN-007", 2), _play(2, "ben-1", 2)])
    lake.run()
    lake.configure(sources=LOWERED.replace('country = "country"', "country = \"'DE'\"", 1))
    receipt = forget(lake, "ann-007")
    assert receipt is not None
    assert (receipt.good, list(receipt.kept)) == (False, ["plays/2026-03-02.csv"]), receipt.text
    receipt = forget(lake)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert "ANN" not in file.read_text()
    assert reconcile(lake.settings)


def test_a_file_that_is_refused_and_names_nobody_does_not_spoil_the_receipt(new_lake):
    lake: Lake = new_lake(
        "refused", sources=SOURCES.replace('"plays/*.csv*"', '"plays/*/*.csv"\nfolder_is_delivery = true')
    )
    lake.drop_plays("2026-03-02/a", [_play(1, "ann-007", 2), _play(2, "ben-1", 2)])
    lake.drop_plays("2026-03-02/b", [_play(3, "ben-1", 2)])
    lake.run()
    lake.drop("plays/2026-03-02/a.csv", "some;thing;else\n" * 40)
    lake.run()
    receipt = forget(lake, "ann-007")
    assert receipt is not None
    assert receipt.good, receipt.text


@pytest.mark.parametrize("names", ["2026-03-02/a 2026-03-02/b", "2026-03-02 2026-03-03", "a b"])
def test_a_file_that_did_not_land_is_somebodys_only_by_an_id_that_can_hardly_be_another_value(new_lake, names: str):
    in_folders = '"plays/*/*.csv"\nfolder_is_delivery = true' if "/" in names else '"plays/*.csv"'
    lake: Lake = new_lake("by-chance", sources=SOURCES.replace('"plays/*.csv*"', in_folders))
    lake.drop_users("2026-03-01", [("757", "AT", "25-34", ""), ("ann-007", "AT", "25-34", "")])
    by_chance, named = [f"plays/{name}.csv" for name in names.split()]
    file = lake.drop(by_chance, "some;thing;757\n" * 40)
    lake.drop(named, "some;thing;ann-007\n" * 40)
    lake.run()
    receipt = forget(lake, "757")
    assert receipt is not None
    assert receipt.good, receipt.text
    assert file.read_text() == "some;thing;757\n" * 40
    receipt = forget(lake, "ann-007")
    assert receipt is not None
    assert (list(receipt.kept) or receipt.files_removed) == [named]
    assert file.exists()


def test_a_file_that_landed_by_raised_limits_is_rewritten(new_lake):
    lake: Lake = new_lake("limits")
    lake.configure("[limits]\ncolumns = 20000\n")
    more = ",".join(f"c{number}" for number in range(10_000))
    rows = [f"{','.join(map(str, _play(number, user, 2)))},{more}" for number, user in ((1, "ann-007"), (2, "ben-1"))]
    file = lake.drop("plays/2026-03-02.csv", "\n".join([f"{','.join(PLAY_COLUMNS)},{more}", *rows, ""]))
    lake.run()
    receipt = forget(lake, "ann-007")
    assert receipt is not None
    assert (receipt.good, receipt.files_removed, receipt.files_rewritten) == (True, [], 1), receipt.text
    assert [line.split(",")[0] for line in file.read_text().splitlines()] == ["play_id", "p2"]
