"""What the ledger says of ids that contain a user's: which deliveries hold them otherwise than asked for."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from umg_assets.planning.composed_ids import deliveries_otherwise, settled, settled_at, still_settled, unsettled
from umg_assets.planning.entry import PSEUDONYMS, Entry
from umg_assets.planning.history import History

DAY = date(2026, 3, 2)


def delivery(sequence: int, hashed: bool, path: str = "a.csv", landed: int = 1, source: str = "plays") -> Entry:
    definition = f"d{PSEUDONYMS}" if hashed else "d"
    rows = {DAY.isoformat(): landed} if landed else {}
    return Entry(
        source, path, DAY, sequence, "landed", definition_hash=definition, landed=landed, rows_by_play_date=rows
    )


def expiry(sequence: int, table: str = "raw_plays") -> Entry:
    at = datetime(2026, 4, 1, tzinfo=UTC)
    return Entry(table, "", DAY, sequence, "expired", recorded_at=at)


def noted(sequence: int, hashed: bool) -> Entry:
    return replace(settled(hashed, DAY), sequence=sequence)


def history(*entries: Entry) -> History:
    return History(()).followed_by(entries)


def otherwise(of: History, hashed: bool) -> list[int]:
    """The sequences of deliveries that hold ids otherwise."""
    return [entry.sequence for entry in deliveries_otherwise(of, "plays", hashed)]


@pytest.mark.parametrize("hashed", [True, False])
def test_deliveries_that_landed_as_is_asked_for_need_nothing(hashed: bool):
    ledger = history(delivery(1, hashed), delivery(2, hashed, source="events"))
    assert not unsettled(ledger, hashed)
    assert unsettled(ledger, not hashed)
    assert otherwise(ledger, hashed) == []
    assert otherwise(ledger, not hashed) == [1]


def test_a_file_that_was_read_again_needs_nothing_and_one_of_the_same_day_that_was_not_does():
    before = [delivery(1, False), delivery(2, False, "b.csv")]
    assert otherwise(history(*before, delivery(3, True)), hashed=True) == [2]
    assert not unsettled(history(*before, delivery(3, True), delivery(4, True, "b.csv")), hashed=True)


def test_what_was_noted_as_settled_is_so_until_the_other_way_is_asked_for():
    ledger = history(delivery(1, False), noted(2, True), delivery(3, True, "b.csv"))
    assert settled_at(ledger, hashed=True) == 2
    assert not unsettled(history(delivery(1, False), noted(2, True)), hashed=True)
    assert otherwise(ledger, hashed=True) == []
    assert otherwise(ledger, hashed=False) == [1, 3]
    back = history(*ledger.entries, noted(4, False))
    assert not unsettled(back, hashed=False)
    assert otherwise(back, hashed=True) == [1, 3]
    assert otherwise(history(*back.entries, delivery(5, True)), hashed=True) == [3]


def test_rows_that_have_gone_and_files_without_rows_are_looked_at_once_and_are_none_of_the_deliveries():
    for ledger in (history(delivery(1, False), expiry(2)), history(delivery(1, False, landed=0))):
        assert unsettled(ledger, hashed=True)
        assert otherwise(ledger, hashed=True) == []
        assert not unsettled(history(*ledger.entries, *ledger.expired, noted(3, True)), hashed=True)


def test_days_that_froze_since_are_unsettled_unless_that_was_noted_with_their_going():
    landed = history(delivery(1, True))
    assert unsettled(history(*landed.entries, expiry(2)), hashed=True)
    (with_it,) = still_settled(landed, hashed=True, today=DAY)
    assert not unsettled(history(*landed.entries, expiry(2), replace(with_it, sequence=3)), hashed=True)
    assert still_settled(landed, hashed=False, today=DAY) == []
    assert still_settled(history(delivery(1, False)), hashed=True, today=DAY) == []
    assert not unsettled(history(*landed.entries, expiry(2, "quarantine")), hashed=True)


def test_a_history_before_an_expiry_has_what_went_then():
    ledger = history(delivery(1, True), expiry(2))
    assert ledger.gone_rows("plays") == {DAY: 1}
    assert ledger.before_expiries(2).gone_rows("plays") == {}
    assert ledger.before_expiries(3).gone_rows("plays") == {DAY: 1}
