"""A slice is stated from partition keys, is never empty, and quotes whatever a path holds."""

from collections.abc import Callable
from datetime import date

import pytest

from umg_assets.resources.slices import Slice, literal

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)


@pytest.mark.parametrize(
    "empty",
    [
        lambda: Slice.days("play_date", []),
        lambda: Slice.markets([]),
        lambda: Slice.months_of_markets([], ["AT"]),
        lambda: Slice.months_of_markets([MARCH], []),
        lambda: Slice.files([]),
    ],
    ids=["days", "markets", "no months of markets", "months of no market", "files"],
)
def test_a_slice_of_nothing_is_refused_for_nothing_says_what_may_be_replaced(empty: Callable[[], Slice]):
    with pytest.raises(ValueError, match="nothing may be replaced"):
        empty()


@pytest.mark.parametrize("predicate", ["", "  ", "true"])
def test_a_slice_cannot_be_made_by_hand_of_no_predicate_or_of_one_that_everything_fits(predicate: str):
    with pytest.raises(ValueError, match="nothing may be replaced"):
        Slice(predicate, (("2026-03-01",),))


def test_unbroken_days_are_a_range_and_others_a_list():
    assert Slice.days("d", [date(2026, 3, 3), date(2026, 3, 2)]).predicate == (
        "d >= date'2026-03-02' and d <= date'2026-03-03'"
    )
    gap = Slice.days("d", [date(2026, 3, 4), date(2026, 3, 2), date(2026, 3, 2)])
    assert gap.predicate == "d in (date'2026-03-02', date'2026-03-04')"
    assert gap.partitions == (("2026-03-02",), ("2026-03-04",))


def test_a_rectangle_covers_each_month_of_each_market():
    found = Slice.months_of_markets([APRIL, MARCH], ["DE", "AT"])
    assert found.predicate == "month in (date'2026-03-01', date'2026-04-01') and country in ('AT', 'DE')"
    assert found.partitions == tuple((month.isoformat(), market) for month in (MARCH, APRIL) for market in ("AT", "DE"))


def test_files_of_a_day_stand_together_and_of_one_source_if_given():
    found = Slice.files([(MARCH, "b"), (APRIL, "a"), (MARCH, "a")], "plays")
    assert found.predicate == (
        "((source = 'plays' and delivery_date = date'2026-03-01' and source_file in ('a', 'b')) or "
        "(source = 'plays' and delivery_date = date'2026-04-01' and source_file in ('a')))"
    )


def test_files_of_a_thousand_days_nest_by_halves_for_a_chain_of_480_overruns_sails_stack():
    found = Slice.files((date.fromordinal(738_000 + day), "a") for day in range(1_000)).predicate
    depth = [found[:at].count("(") - found[:at].count(")") for at in range(0, len(found), 20)]
    assert found.count("delivery_date") == 1_000
    assert max(depth) < 14


def test_a_union_of_slices_names_each_partition_once():
    both = Slice.files([(MARCH, "a")], "plays") | Slice.files([(MARCH, "b"), (APRIL, "b")], "users")
    assert both.partitions == (("2026-03-01",), ("2026-04-01",))
    assert both.predicate.count(" or ") == 2


def test_quotes_and_backslashes_are_escaped():
    assert literal("it's \\n") == "'it\\'s \\\\n'"
