"""A long ledger's snapshot: it tells nothing else than all entries do, and nothing depends on it."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import deltalake
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umg_assets.planning.entry import Entry
from umg_assets.planning.history import History
from umg_assets.resources import ledger as module
from umg_assets.resources.ledger import Ledger
from umg_assets_tests.planning.made_ledgers import answers, ledgers, of_entries

DAYS = [date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)]


@pytest.fixture(autouse=True)
def _long_at_four(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five deliveries are many."""
    monkeypatch.setattr(module, "_HELD", 4)


def landed(*days: date) -> list[Entry]:
    """A file that landed on each of the days."""
    return [
        Entry("plays", f"plays/{day}.csv", day, state="landed", rows_by_play_date={f"{day}": 7}, play_dates=[day])
        for day in days
    ]


def append(home: Path, *batches: Sequence[Entry]) -> History:
    """Appends batches, each by a process of its own; returns the history that holds every entry."""
    history = Ledger(home).read()
    everything = History(()).followed_by(sorted((*history.entries, *history.accepted, *history.expired), key=_sequence))
    for batch in batches:
        everything = everything.followed_by(Ledger(home).append(batch))
    return everything


def _sequence(entry: Entry) -> int:
    return entry.sequence


def snapshot_of(home: Path) -> Path:
    """The folder of the snapshot."""
    return home / "tables" / ".deliveries.snapshot"


def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is asked of the table from now on, as conditions."""
    asked: list[Any] = []
    read = module.read_table

    def noted(home: Path, table: Any, where: Any, columns: Any) -> Any:
        asked.append(where)
        return read(home, table, where, columns)

    monkeypatch.setattr(module, "read_table", noted)
    return asked


@settings(max_examples=10, deadline=None)
@given(ledgers, st.lists(st.integers(1, 7), min_size=1, max_size=4))
def test_a_ledger_of_many_entries_answers_every_question_as_all_of_them_do(entries: list[Entry], sizes: list[int]):
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_HELD", 4)
        home, known, rest = Path(folder), History(()), list(entries)
        (home / "tables").mkdir()
        long_lived = Ledger(home)
        for size in (*sizes, len(entries)):
            known = known.followed_by(Ledger(home).append(rest[:size]))
            rest = rest[size:]
            assert answers(long_lived.read()) == answers(known)
        assert answers(Ledger(home).read()) == answers(known)
        assert snapshot_of(home).exists() == (len(known.entries) > 4)


def test_a_process_begins_with_the_snapshot_and_reads_what_came_after_it(home: Path, monkeypatch: pytest.MonkeyPatch):
    append(home, landed(*DAYS, *DAYS), landed(DAYS[0]))
    asked = asked_for(monkeypatch)
    history = Ledger(home).read()
    assert asked == [[("sequence", ">=", 6), ("sequence", "<", 10)]]
    assert history.sequence == 7
    del asked[:]
    assert [entry.sequence for entry in history.about({("plays", f"plays/{DAYS[2]}.csv")}).entries] == [3, 6]
    assert asked == [[("delivery_date", "in", [DAYS[2]]), ("sequence", "<=", 6)]], "the day of the file asked for"
    history.rows_by_day("plays")
    assert asked[1:] == [[("delivery_date", "in", [DAYS[0]]), ("sequence", "<=", 6)]], "the day that has changed since"


def empty(file: Path) -> None:
    """A file as a loss of power leaves it."""
    file.write_bytes(b"")


def flip(file: Path) -> None:
    """A file with one other byte."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def with_another_number(file: Path) -> None:
    """A header in which one digit is another."""
    text = file.read_text()
    file.write_text(text.replace('"standing": 1', '"standing": 2', 1))


def of_another_format(file: Path) -> None:
    """A header as another version would write it, which meant something else by it."""
    with_another_number(file)
    body = file.read_text().partition("\n")[2].replace('"format": 2', '"format": 1')
    file.write_text(f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}")


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        *((file, damage) for file in ("snapshot.json", "places-*") for damage in (Path.unlink, empty, flip)),
        ("snapshot.json", with_another_number),
        ("snapshot.json", of_another_format),
    ],
)
def test_a_snapshot_that_is_damaged_is_made_anew_from_the_table(home: Path, file: str, damage: Callable[[Path], None]):
    everything = append(home, landed(*DAYS, *DAYS))
    (damaged,) = snapshot_of(home).glob(file)
    damage(damaged)
    for why in ("made anew", "read as it was made anew"):
        history = Ledger(home).read()
        assert answers(history) == answers(everything), why
        for day in DAYS:
            place = {("plays", f"plays/{day}.csv")}
            assert of_entries(history.about(place)) == of_entries(everything.about(place)), why


def test_the_snapshot_of_another_ledger_is_not_believed(home: Path, tmp_path: Path):
    everything = append(home, landed(*DAYS, *DAYS))
    (tmp_path / "other" / "tables").mkdir(parents=True)
    append(tmp_path / "other", [replace(entry, path="x.csv") for entry in landed(*DAYS, *DAYS)])
    shutil.rmtree(snapshot_of(home))
    shutil.copytree(snapshot_of(tmp_path / "other"), snapshot_of(home))
    assert answers(Ledger(home).read()) == answers(everything)


def test_a_ledger_that_was_restored_and_has_grown_since_is_read_as_it_is(home: Path):
    append(home, landed(*DAYS))
    shutil.copytree(home / "tables" / "deliveries", home / "back-up")
    running = Ledger(home)
    append(home, landed(*DAYS, *DAYS))
    assert running.read().sequence == 9
    shutil.rmtree(home / "tables" / "deliveries")
    (home / "back-up").rename(home / "tables" / "deliveries")
    assert Ledger(home).read().sequence == 3, "fewer entries than the snapshot's"
    everything = append(home, landed(DAYS[2]), landed(DAYS[2], DAYS[2], DAYS[2], DAYS[2], DAYS[2], DAYS[2]))
    assert everything.sequence == 10
    assert answers(Ledger(home).read()) == answers(everything)
    assert answers(running.read()) == answers(everything), "a process that still knows the other one"


def test_who_may_not_write_a_snapshot_reads_the_ledger_all_the_same(home: Path):
    snapshot_of(home).write_text("no folder")
    everything = append(home, landed(*DAYS, *DAYS), landed(DAYS[0]))
    assert answers(Ledger(home).read()) == answers(everything)


def test_entries_asked_for_later_are_those_of_the_moment_of_reading(home: Path):
    everything = append(home, landed(*DAYS, *DAYS))
    history = Ledger(home).read()
    append(home, landed(*DAYS))
    table = deltalake.DeltaTable(home / "tables" / "deliveries")
    table.optimize.compact()
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    assert answers(history) == answers(everything)


def test_a_snapshot_is_for_the_owner_alone_and_holds_no_path_of_a_file(home: Path):
    append(home, landed(*DAYS, *DAYS))
    assert snapshot_of(home).stat().st_mode & 0o077 == 0
    assert not any(b"plays/2026" in file.read_bytes() for file in snapshot_of(home).iterdir())
