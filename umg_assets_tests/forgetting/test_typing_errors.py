"""Ids that are typed wrong match nobody: it is said of how many, and never which."""

import io
import sys
from functools import partial
from pathlib import Path

import pytest

from umg_assets.forgetting import forget as forget_module
from umg_assets.forgetting import places
from umg_assets.forgetting.forget import Forgetting
from umg_assets.forgetting.places import held_among
from umg_assets.privacy.keys import UserKeys
from umg_assets.privacy.requests import Requests
from umg_assets_tests.cli.conftest import type_umg
from umg_assets_tests.forgetting.test_forget import GONE, _play, _power_went, forget
from umg_assets_tests.lake import SOURCES, Lake

pytestmark = pytest.mark.exhaustive


def test_it_says_of_how_many_ids_nothing_was_held_also_after_a_crash_and_when_it_is_done_again(
    new_lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lake: Lake = new_lake("typed")
    lake.drop_users("2026-03-01", [(GONE, "AT", "25-34", ""), ("ben-1", "DE", "25-34", "")])
    lake.drop_plays("2026-03-02", [_play(1, GONE, 2), _play(2, "ben-1", 2)])
    lake.run()
    umg, ids = partial(type_umg, tmp_path, home=lake.home), f"{GONE}\nben-1 \nben-1\t\n\u00a0eve-1\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(ids))
    typed = umg("forget", "-")
    assert "3 ids of 4 with a blank at an end: taken exactly as typed, blank and all." in typed.err.replace("\n", " ")
    assert "ben" not in typed.out + typed.err
    monkeypatch.setattr(Forgetting, "_clear", _power_went)
    with pytest.raises(RuntimeError, match="the power went"):
        forget(lake)
    monkeypatch.undo()
    monkeypatch.setattr(forget_module, "held_among", _read_again)
    (note := lake.home / "notes.txt").write_text(GONE)
    for good in (False, True):
        receipt = forget(lake)
        assert receipt is not None
        assert (receipt.good, receipt.not_held) == (good, 3), receipt.text
        note.unlink(missing_ok=True)
    monkeypatch.undo()
    assert (
        "nothing was held of 3 ids (4 asked for): no row, no record in quarantine, no file that names them."
        in receipt.text
    )
    assert "ben" not in receipt.text
    assert [row["play_id"] for row in lake.rows("plays")] == ["p2"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("ben-1 \n"))
    proof = umg("forget", "--prove", "-")
    assert "1 id of 1 with a blank at an end" in proof.err
    assert "named in 0 places" in proof.out


def _read_again(*_) -> set[str]:
    raise AssertionError("all tables were read again")


def test_the_quarantine_is_read_only_for_ids_that_neither_a_file_nor_a_table_holds(
    new_lake, monkeypatch: pytest.MonkeyPatch
):
    lake: Lake = new_lake("known")
    lake.drop_plays("2026-03-02", [_play(1, "ben-1", 2), _play(2, "eve-1", 2, started="soon")])
    lake.run()
    keys = dict(zip(UserKeys(lake.home).of(["ben-1", "eve-1", "max-1"]), ["ben-1", "eve-1", "max-1"], strict=True))
    assert held_among(lake.home, keys) == {"ben-1", "eve-1"}
    monkeypatch.setattr(places, "quarantined_records", _read_again)
    assert held_among(lake.home, {key: user_id for key, user_id in keys.items() if user_id == "ben-1"}) == {"ben-1"}
    assert held_among(lake.home, {}) == set()


def test_of_somebody_in_quarantine_or_a_file_or_delivered_again_something_was_held(new_lake):
    lake: Lake = new_lake("held", sources=SOURCES.replace('user_id = "user_id"', 'user_id = "lower(user_id)"', 1))
    lake.drop_plays("2026-03-02", [_play(1, "ben-1", 2), _play(2, "eve-1", 2, started="soon")])
    lake.drop_plays("2026-03-03", [_play(3, "Kim-1", 3)])
    lake.run()
    (lake.home / "landing" / "plays" / "2026-03-02.csv").unlink()
    lake.drop("other/notes.txt", "zoe-1")
    receipt = forget(lake, "ben-1", "eve-1", "kim-1", "zoe-1")
    assert receipt is not None
    assert receipt.not_held == 0
    (lake.home / "landing" / "other" / "notes.txt").unlink()
    assert forget(lake)
    lake.drop_plays("2026-03-04", [_play(4, "KIM-1", 4)])
    lake.run()
    assert Requests(lake.home).read()
    receipt = forget(lake)
    assert receipt is not None
    assert (receipt.good, receipt.records, receipt.not_held) == (True, 1, 0), receipt.text
    receipt = forget(lake, "kim-1", "max-1")
    assert receipt is not None
    assert receipt.not_held == 2
