"""A slice is stated by checked values, is never empty, and quotes whatever a path holds."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime

import pytest

from umg_assets.resources.slices import Slice, spark_literal

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)


@pytest.mark.parametrize(
    "empty",
    [
        lambda: Slice.days("play_date", []),
        lambda: Slice.markets([]),
        lambda: Slice.months_of_markets([], ["AT"]),
        lambda: Slice.months_of_markets([MARCH], []),
        lambda: Slice.days_of("shelf", []),
        lambda: Slice.files([]),
    ],
    ids=["days", "markets", "no months of markets", "months of no market", "days of an experiment", "files"],
)
def test_a_slice_of_no_values_is_refused(empty: Callable[[], Slice]):
    with pytest.raises(ValueError, match="nothing may be replaced"):
        empty()


@pytest.mark.parametrize("predicate", ["", "  ", "true", "'a' = 'a'"])
def test_a_slice_cannot_be_built_from_a_predicate_written_by_hand(predicate: str):
    with pytest.raises(ValueError, match="nothing may be replaced"):
        Slice(predicate, (("2026-03-01",),))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("partitions", [(), ((),)], ids=["none", "one without a value"])
def test_a_slice_without_partitions_is_refused(partitions: tuple):
    with pytest.raises(ValueError, match="nothing may be replaced"):
        replace(Slice.days("play_date", [MARCH]), partitions=partitions)


NOON = datetime(2026, 3, 1, 12)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Slice.days("play_date", [NOON]),
        lambda: Slice.days("play_date", ["2026-03-01"]),  # pyright: ignore[reportArgumentType]
        lambda: Slice.days("play_date", [MARCH, None]),  # pyright: ignore[reportArgumentType]
        lambda: Slice.months_of_markets([NOON], ["AT"]),
        lambda: Slice.months_of_markets([MARCH], [""]),
        lambda: Slice.months_of_markets([MARCH], "AT"),
        lambda: Slice.markets(["AT", ""]),
        lambda: Slice.markets([None]),  # pyright: ignore[reportArgumentType]
        lambda: Slice.markets(["A\0T"]),
        lambda: Slice.days_of("", [MARCH]),
        lambda: Slice.days_of("shelf", [NOON]),
        lambda: Slice.files([(NOON, "a.csv")]),
        lambda: Slice.files([(MARCH, "a.csv"), (APRIL, "")]),
        lambda: Slice.files([(MARCH, None)]),  # pyright: ignore[reportArgumentType]
        lambda: Slice.files([(MARCH, "a\0.csv")]),
        lambda: Slice.files([(MARCH, "a.csv")], ""),
    ],
)
def test_a_value_of_another_type_an_empty_text_and_a_nul_are_refused_when_they_enter(wrong: Callable[[], Slice]):
    with pytest.raises(ValueError, match=r"a slice of \w+: expected .*nothing may be replaced"):
        wrong()


def test_unbroken_days_are_a_range_and_others_a_list():
    assert Slice.days("d", [date(2026, 3, 3), date(2026, 3, 2)]).predicate == (
        "d >= date'2026-03-02' and d <= date'2026-03-03'"
    )
    gap = Slice.days("d", [date(2026, 3, 4), date(2026, 3, 2), date(2026, 3, 2)])
    assert gap.predicate == "d in (date'2026-03-02', date'2026-03-04')"
    assert gap.partitions == (("2026-03-02",), ("2026-03-04",))


def test_a_rectangle_covers_each_month_of_each_market():
    slice_ = Slice.months_of_markets([APRIL, MARCH], ["DE", "AT"])
    assert slice_.predicate == "month in (date'2026-03-01', date'2026-04-01') and country in ('AT', 'DE')"
    assert slice_.partitions == tuple(
        (month.isoformat(), market) for month in (MARCH, APRIL) for market in ("AT", "DE")
    )


def test_files_are_grouped_by_day_and_are_of_one_source_if_given():
    slice_ = Slice.files([(MARCH, "b"), (APRIL, "a"), (MARCH, "a")], "plays")
    assert slice_.predicate == (
        "((source = 'plays' and delivery_date = date'2026-03-01' and source_file in ('a', 'b')) or "
        "(source = 'plays' and delivery_date = date'2026-04-01' and source_file in ('a')))"
    )


def test_files_of_a_thousand_days_are_nested_by_halves_because_a_chain_of_480_overruns_sails_stack():
    sql = Slice.files((date.fromordinal(738_000 + day), "a") for day in range(1_000)).predicate
    depth = [sql[:at].count("(") - sql[:at].count(")") for at in range(0, len(sql), 20)]
    assert sql.count("delivery_date") == 1_000
    assert max(depth) < 14


def test_a_union_of_slices_names_each_partition_once():
    both = Slice.files([(MARCH, "a")], "plays") | Slice.files([(MARCH, "b"), (APRIL, "b")], "users")
    assert both.partitions == (("2026-03-01",), ("2026-04-01",))
    assert both.predicate.count(" or ") == 2


def test_quotes_and_backslashes_are_escaped():
    assert spark_literal("it's \\n") == "'it\\'s \\\\n'"
