"""Seals: user ids and quarantined text encrypted at rest; what opens them, and what does not."""

import base64
from pathlib import Path

import pytest

from umg_assets import tables
from umg_assets.privacy.keys import KeyFileError
from umg_assets.privacy.seals import Mark, SealError, Seals
from umg_assets.resources.schema import create_table
from umg_assets.resources.table_location import Folder

IDS = ["u1", "Übung 日本", "siv1:00000000:AAAA", "u1", "x" * 1_000]
TEXTS = ["play,u1", None, "", "play,u1"]


@pytest.fixture
def seals(tmp_path: Path) -> Seals:
    """The seals of a home with one key."""
    made = Seals(tmp_path)
    made.create()
    return made


def changed(sealed: str) -> str:
    """A sealed value of which one bit differs."""
    form, key, encoded = sealed.split(":")
    content = bytearray(base64.b64decode(encoded))
    content[-1] ^= 1
    return f"{form}:{key}:{base64.b64encode(content).decode()}"


def test_sealed_ids_open_and_the_same_id_gives_the_same_value(seals: Seals, tmp_path: Path):
    sealed = seals.seal_ids(IDS)
    assert Seals(tmp_path).open_ids(sealed) == IDS
    assert Seals(tmp_path).seal_ids(IDS) == sealed
    assert len(set(sealed)) == len(set(IDS))
    assert all(value.startswith(f"siv1:{seals.newest}:") for value in sealed)


def test_sealed_texts_open_and_equal_texts_give_other_values(seals: Seals):
    sealed = seals.seal_texts(TEXTS)
    assert seals.open_texts(sealed) == TEXTS
    assert sealed[0] != sealed[3]
    assert sealed[1] is None
    assert all(value is None or value.startswith(f"gcm1:{seals.newest}:") for value in sealed)


def test_a_value_that_was_changed_or_is_of_another_kind_is_refused(seals: Seals):
    (sealed_id,), (text,) = seals.seal_ids(["u1"]), seals.seal_texts(["u1"])
    assert text
    for clear in (False, True):
        with pytest.raises(SealError, match="it was changed since: restore the table"):
            seals.open_ids([changed(sealed_id)], clear)
        with pytest.raises(SealError, match="it was changed since: restore the table"):
            seals.open_texts([changed(text)], clear)
    with pytest.raises(SealError, match="expected a value sealed as siv1"):
        seals.open_ids([text])
    moved = sealed_id.replace("siv1", "gcm1")
    with pytest.raises(SealError, match="it was changed"):
        seals.open_texts([moved])


def test_a_value_under_a_key_that_is_not_here_is_refused_and_the_message_says_what_to_do(seals: Seals, tmp_path: Path):
    other = Seals(tmp_path / "other")
    other.create()
    with pytest.raises(SealError, match=f"got one under {seals.newest}: put back the key file of the time"):
        other.open_ids(seals.seal_ids(["u1"]))


def test_a_clear_value_passes_only_where_a_table_is_not_all_sealed_yet(seals: Seals, tmp_path: Path):
    path = Folder(tmp_path / "tables" / "raw_plays")
    create_table(path, tables.RAW_PLAYS)
    values = ["u1", *seals.seal_ids(["u2"]), "siv1:not a seal"]
    for mark in (None, Mark("begun", seals.newest)):
        if mark:
            mark.set(path)
        assert seals.opened(tables.RAW_PLAYS, values) == ["u1", "u2", "siv1:not a seal"]
    Mark("done", seals.newest).set(path)
    assert seals.opened(tables.RAW_PLAYS, values[1:2]) == ["u2"]
    with pytest.raises(SealError, match="got one that is not"):
        seals.opened(tables.RAW_PLAYS, values)


def test_a_new_key_seals_from_then_on_and_the_older_one_opens_until_it_is_removed(seals: Seals, tmp_path: Path):
    reader = Seals(tmp_path)
    before = seals.seal_ids(["u1"])
    assert reader.open_ids(before) == ["u1"]
    seals.add()
    after = seals.seal_ids(["u1"])
    assert after != before
    assert reader.open_ids([*before, *after]) == ["u1", "u1"], "a process that read the file before reads it again"
    seals.keep_newest()
    assert seals.open_ids(after) == ["u1"]
    with pytest.raises(SealError, match="put back the key file"):
        seals.open_ids(before)
    assert seals.path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in seals.path.parent.iterdir()] == ["seal"]


@pytest.mark.parametrize("content", ["", "not a key", "abcd", f"{'00' * 32}\n{'00' * 33}"])
def test_a_key_file_that_holds_something_else_is_refused_and_left_as_it_is(seals: Seals, content: str):
    seals.path.write_text(content)
    seals.create()
    with pytest.raises(KeyFileError, match="expected 64 hexadecimal digits a line"):
        Seals(seals.path.parents[1]).seal_ids(["u1"])
    assert seals.path.read_text() == content


def test_without_the_key_file_nothing_is_sealed_or_opened(seals: Seals, tmp_path: Path):
    sealed = seals.seal_ids(["u1"])
    seals.path.unlink()
    for use in (lambda fresh: fresh.open_ids(sealed), lambda fresh: fresh.seal_texts(["x"])):
        with pytest.raises(KeyFileError, match="seal is missing and this lakehouse holds sealed values"):
            use(Seals(tmp_path))
