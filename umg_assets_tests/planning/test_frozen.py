"""Which partitions are frozen once raw rows have gone by age, and what is still planned around them."""

from datetime import UTC, date, datetime

import pytest

from umg_assets.catalogue import Catalogue
from umg_assets.planning.entry import DIMENSION_CHANGE, Entry
from umg_assets.planning.frozen import FrozenDaysError, refuse_frozen, spans, untouched_days
from umg_assets.planning.history import History
from umg_assets.planning.required import frozen_keys, required_watermarks
from umg_assets.planning.watermark import NEVER, Watermark
from umg_assets_tests.planning.test_experiments import CATALOGUE as WITH_EXPERIMENT

TODAY = date(2026, 4, 10)
CATALOGUE = Catalogue.build(date(2026, 1, 1), ("AT",))
OF_EVENTS = Catalogue.build(date(2026, 1, 1), ("AT",), event_plays=True)


def day(number: int, month: int = 3) -> date:
    return date(2026, month, number)


def delivery(sequence: int, *days: date, source: str = "plays", path: str = "") -> Entry:
    """A landed delivery of 5 March with two rows on each of the days."""
    rows = {each.isoformat(): 2 for each in days}
    return Entry(
        source,
        path or f"{sequence}.csv",
        day(5),
        sequence=sequence,
        state="landed",
        rows_by_play_date=rows,
        play_dates=list(days),
    )


def expiry(sequence: int, table: str = "raw_plays", path: str = "") -> Entry:
    """What the ledger notes on 1 April when raw rows of 5 March go."""
    at = datetime(2026, 4, 1, tzinfo=UTC)
    return Entry(table, path, day(5), sequence=sequence, state="expired", recorded_at=at)


def frozen_of(history: History, catalogue: Catalogue, asset: str) -> list[int]:
    """The days of March of an asset that are frozen."""
    return sorted(date.fromisoformat(key).day for key in frozen_keys(history, catalogue, TODAY).get(asset, ()))


def test_days_of_rows_that_went_are_frozen_and_nothing_that_is_made_of_tables():
    history = History((delivery(1, day(4), day(5)),), expired=(expiry(2),))
    assert frozen_keys(history, CATALOGUE, TODAY) == {"plays": frozenset({"2026-03-04", "2026-03-05"})}
    assert frozen_keys(History((delivery(1, day(4)),)), CATALOGUE, TODAY) == {}


def test_a_file_delivered_again_since_is_there_and_other_files_of_its_day_are_not():
    again = delivery(4, day(4), path="1.csv")
    history = History((delivery(1, day(4)), delivery(2, day(5)), again), expired=(expiry(3),))
    assert frozen_of(history, CATALOGUE, "plays") == [5]
    of_a_path = History((delivery(1, day(4)), delivery(2, day(5))), expired=(expiry(3, path="1.csv"),))
    assert frozen_of(of_a_path, CATALOGUE, "plays") == [4]


def test_rows_of_a_day_that_had_not_begun_when_they_went_freeze_nothing():
    history = History((delivery(1, day(5), day(3, month=4)),), expired=(expiry(2),))
    assert frozen_of(history, CATALOGUE, "plays") == [5]


def test_events_freeze_the_days_beside_theirs_in_what_looks_back_at_them():
    history = History((delivery(1, day(10), source="events"),), expired=(expiry(2, "raw_app_events"),))
    assert frozen_of(history, CATALOGUE, "plays") == []
    assert frozen_of(history, OF_EVENTS, "plays") == [9, 10, 11]
    assert frozen_of(history, WITH_EXPERIMENT, "visits") == [9, 10, 11, 12, 13]
    assert frozen_of(history, WITH_EXPERIMENT, "exposure_days") == [10]
    assert frozen_of(history, WITH_EXPERIMENT, "experiment_x_days") == [10, 11, 12, 13, 14, 15]


def test_a_frozen_day_requires_nothing_and_what_is_made_of_it_what_other_days_do():
    late = delivery(3, day(4), day(6), path="late.csv")
    users = Entry(DIMENSION_CHANGE, "users", day(10), sequence=4, play_dates=[day(4)], state="landed")
    history = History((delivery(1, day(4)), late, users), expired=(expiry(2),))
    need = required_watermarks(history, CATALOGUE, TODAY)
    assert need["plays"] == {"2026-03-04": NEVER, "2026-03-06": Watermark(3, day(6))}
    assert need["daily_track_plays"]["2026-03-04"] == NEVER
    assert need["sessions"]["2026-03-04"].sequence == NEVER.sequence
    assert need["monthly_track_plays"]["2026-03-01"].sequence == 3
    assert untouched_days(history, 2, CATALOGUE, TODAY) == [day(4)]
    assert untouched_days(history, 4, CATALOGUE, TODAY) == []


def test_a_frozen_day_that_is_written_without_somebody_makes_what_follows_stale_and_not_itself():
    written = Entry(DIMENSION_CHANGE, "plays", day(10), sequence=3, play_dates=[day(4)], state="landed")
    history = History((delivery(1, day(4)), written), expired=(expiry(2),))
    need = required_watermarks(history, CATALOGUE, TODAY)
    assert need["plays"]["2026-03-04"] == NEVER
    assert {need[name]["2026-03-04"].sequence for name in ("daily_track_plays", "sessions")} == {3}
    assert need["top_tracks_by_country"]["AT|2026-03-01"].sequence == 3
    assert untouched_days(history, 2, CATALOGUE, TODAY) == []


def test_a_refusal_names_days_losses_and_the_first_day_that_can_be_built():
    history = History((delivery(1, day(4), day(5)),), expired=(expiry(2),))
    with pytest.raises(FrozenDaysError) as refused:
        refuse_frozen({"plays": ["2026-03-04", "2026-03-06"]}, history, CATALOGUE, TODAY)
    message = "plays of 2026-03-04 cannot be built again: 2 plays they were built from have gone by age"
    assert str(refused.value).startswith(message)
    assert "Choose days from 2026-03-06 on; or set keep_raw_days higher" in str(refused.value)
    refuse_frozen({"plays": ["2026-03-06"], "sessions": ["2026-03-04"]}, history, CATALOGUE, TODAY)


def test_the_first_day_that_can_be_built_is_one_from_which_no_frozen_visit_follows():
    history = History((delivery(1, day(10), source="events"),), expired=(expiry(2, "raw_app_events"),))
    with pytest.raises(FrozenDaysError, match=r"visits of 2026-03-13 .*Choose days from 2026-03-17 on"):
        refuse_frozen({"visits": ["2026-03-13"]}, history, WITH_EXPERIMENT, TODAY)


def test_spans_of_days_are_named_up_to_five():
    days = [day(number) for number in (1, 2, 3, 5, 7, 9, 11, 13, 14)]
    assert spans(days[:4]) == "2026-03-01 to 2026-03-03, 2026-03-05"
    assert spans(days).endswith("2026-03-11 and 2 more days")
