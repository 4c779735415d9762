"""The ledger: entries in order, staged before a write and landed after it, whoever writes and whatever crashes."""

import threading
from dataclasses import replace
from datetime import date
from pathlib import Path

import deltalake
import pytest

from umg_assets.files.rejects import FILE_REASONS
from umg_assets.planning.entry import DIMENSION_CHANGE, Entry
from umg_assets.resources.ledger import Ledger
from umg_assets_tests.processes import printed_by

DAY = date(2026, 3, 2)


@pytest.fixture
def ledger(home: Path) -> Ledger:
    """An empty ledger."""
    return Ledger(home)


def entry(path: str = "plays/a.csv", source: str = "plays", **values) -> Entry:
    """A delivery of a file on DAY."""
    return Entry(source=source, path=path, delivery_date=values.pop("delivery_date", DAY), **values)


def test_an_empty_or_missing_ledger_reads_as_no_entries(home: Path, ledger: Ledger):
    assert Ledger(home / "nowhere").read().entries == ()
    assert (ledger.read().entries, ledger.read().sequence) == ((), 0)


def test_the_ledger_is_read_again_only_when_someone_has_appended(home: Path, ledger: Ledger):
    assert ledger.read() is ledger.read()
    Ledger(home).append([entry("plays/b.csv")])
    seen = ledger.read()
    assert [read.path for read in seen.entries] == ["plays/b.csv"]
    assert ledger.read() is seen


def test_what_a_ledger_has_appended_itself_it_knows_as_others_read_it(home: Path, ledger: Ledger):
    with ledger.change([entry("plays/a.csv", quarantined={"bad_time": 2}, play_dates=[DAY])]):
        pass
    ledger.accept(entry("plays/a.csv"))
    Ledger(home).append([entry("plays/b.csv")])
    ledger.expire([("raw_plays", "", DAY)])
    known, read = ledger.read(), Ledger(home).read()
    assert (known.entries, known.accepted, known.expired) == (read.entries, read.accepted, read.expired)
    assert [len(known.entries), len(known.accepted), len(known.expired)] == [3, 1, 1]


def test_what_a_ledger_has_appended_itself_is_not_read_again(ledger: Ledger, monkeypatch: pytest.MonkeyPatch):
    ledger.append([entry("plays/a.csv")])
    monkeypatch.setattr("umg_assets.resources.ledger.read_table", lambda *_, **__: pytest.fail("read again"))
    ledger.append([entry("plays/b.csv")])
    assert [known.path for known in ledger.read().entries] == ["plays/a.csv", "plays/b.csv"]


def test_an_entry_comes_back_as_it_was_appended_with_its_sequence_and_time(home: Path, ledger: Ledger):
    whole = entry(
        "spiel's/Übung\\1.csv",
        signature="1-2-3",
        content_hash="abc",
        definition_hash="def",
        records=7,
        landed=4,
        filtered=1,
        quarantined={"bad_time": 2},
        rows_by_play_date={"2026-03-01": 4},
        repeats=["2026-02-01/2026-03-01"],
        play_dates=[date(2026, 2, 1), date(2026, 3, 1)],
        chart_months=[date(2026, 3, 1)],
    )
    (written,) = ledger.append([whole])
    (read,) = Ledger(home).read().entries
    assert read == written == replace(whole, sequence=1, recorded_at=read.recorded_at)
    assert read.recorded_at.year >= 2025
    assert read.brought == [date(2026, 3, 1)]


def test_a_change_is_staged_before_and_landed_after_and_a_failure_leaves_it_unfinished(ledger: Ledger):
    with ledger.change([entry("a"), entry("b")]):
        assert [(read.path, read.state) for read in ledger.read().entries] == [("a", "staged"), ("b", "staged")]
        assert ledger.read().latest() == {}
    assert [(read.sequence, read.path, read.state) for read in ledger.read().entries][2:] == [
        (3, "a", "landed"),
        (4, "b", "landed"),
    ]
    assert ledger.read().unfinished() == []
    with pytest.raises(OSError, match="disk"), ledger.change([entry("a", play_dates=[DAY])]):
        raise OSError("disk")
    history = ledger.read()
    assert [(staged.path, staged.state) for staged in history.unfinished()] == [("a", "staged")]
    assert set(history.latest()) == {("plays", "b")}, "a file whose landing was interrupted is read again"
    with ledger.change([entry("a")]):
        pass
    assert ledger.read().unfinished() == []


def test_the_current_rows_of_a_path_are_its_last_delivery_of_each_day_that_was_not_refused(ledger: Ledger):
    refused = {sorted(FILE_REASONS)[0]: 1}
    other_day = date(2026, 3, 5)
    ledger.append(
        [
            entry(records=1, state="landed"),
            entry(records=2, state="landed"),
            entry(records=3, state="landed", quarantined=refused),
            entry(records=4, state="landed", delivery_date=other_day),
            entry("users/a.csv", "users", records=5, state="landed"),
        ]
    )
    assert [current.records for current in ledger.read().standing("plays")] == [2, 4]
    assert ledger.read().latest()["plays", "plays/a.csv"].records == 4


def test_appending_nothing_writes_no_version(ledger: Ledger, home: Path):
    assert ledger.append([]) == []
    assert deltalake.DeltaTable(home / "tables" / "deliveries").version() == 0


def test_a_ledger_of_many_commits_is_read_with_few_files_open_at_once(ledger: Ledger, home: Path):
    """delta-rs opens every commit since the last checkpoint at once, and sensors read the ledger at each look."""
    for number in range(40):
        ledger.append([entry(f"plays/{number}.csv")])
    code = """
import os, resource, sys
from pathlib import Path
from umg_assets.resources.ledger import Ledger
from umg_assets_tests.processes import printed_by

most = len(os.listdir("/dev/fd")) + 25
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
print(len(Ledger(Path(sys.argv[1])).read().entries))
"""
    assert printed_by(code, home) == "40\n"


def test_concurrent_writers_number_their_entries_without_gaps_or_duplicates(ledger: Ledger, home: Path):
    def write(name: str) -> None:
        for position in range(5):
            Ledger(home).append([entry(f"{name}-{position}"), entry(f"{name}-{position}-b")])

    writers = [threading.Thread(target=write, args=(f"w{number}",)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    entries = ledger.read().entries
    assert [written.sequence for written in entries] == list(range(1, 41))
    assert len({written.path for written in entries}) == 40


def test_a_change_of_users_or_tracks_has_the_source_that_existing_ledgers_hold():
    assert DIMENSION_CHANGE == "stamps"
