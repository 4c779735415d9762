"""Which partitions are stale: the plan, from ledger and watermarks alone."""

from datetime import date, timedelta
from typing import Any

from umg_assets.catalogue import Catalogue
from umg_assets.graph import WHOLE
from umg_assets.planning.entry import Entry
from umg_assets.planning.history import History, chunks, delivery_days_of, with_repeats
from umg_assets.planning.required import plan, required_watermarks
from umg_assets.planning.watermark import NEVER, Watermark, built_from

TODAY = date(2026, 4, 10)
FIRST_DAY, MARKETS = date(2026, 1, 1), ("AT", "DE")
CATALOGUE = Catalogue.build(FIRST_DAY, MARKETS, artist_days=30, favourite_days=14)
WINDOWS = ("top_artists_by_genre", "age_group_favourites")
BUILT = ("plays", "daily_track_plays", "monthly_track_plays", "top_tracks_by_country", "exports")


def day(number: int, month: int = 3) -> date:
    """A day of 2026."""
    return date(2026, month, number)


def plays(sequence: int, *days: date, delivered: date | None = None, **values) -> Entry:
    """A landed delivery of one play on each of the days."""
    rows = {day.isoformat(): 1 for day in days}
    fields: dict[str, Any] = {
        "path": f"{sequence}.csv",
        "rows_by_play_date": rows,
        "play_dates": list(days),
        "state": "landed",
    }
    return Entry("plays", delivery_date=delivered or max(days), sequence=sequence, **fields | values)


def all_at(watermark: Watermark, history: History, today: date = TODAY) -> dict[str, dict[str, Watermark]]:
    """The watermarks of a run that built everything that the history needs."""
    return {
        asset: dict.fromkeys(keys, watermark) for asset, keys in required_watermarks(history, CATALOGUE, today).items()
    }


def test_the_plan_of_an_empty_ledger_is_empty():
    assert not plan(History(()), {}, CATALOGUE, TODAY)


def test_a_new_delivery_makes_its_days_months_charts_and_exports_stale():
    todo = plan(History((plays(1, day(2), day(1, 4)),)), {}, CATALOGUE, TODAY)
    assert {name: keys for name, keys in todo.partitions.items() if name in BUILT} == {
        "plays": ["2026-03-02", "2026-04-01"],
        "daily_track_plays": ["2026-03-02", "2026-04-01"],
        "monthly_track_plays": ["2026-03-01", "2026-04-01"],
        "top_tracks_by_country": ["AT|2026-03-01", "AT|2026-04-01", "DE|2026-03-01", "DE|2026-04-01"],
        "exports": [WHOLE],
    }


def test_what_was_built_through_the_last_entry_on_this_day_is_not_stale():
    history = History((plays(1, day(2)), Entry("users", "u", day(1), sequence=2, state="landed")))
    assert not plan(history, all_at(Watermark(2, TODAY), history), CATALOGUE, TODAY)
    assert plan(history, all_at(Watermark(1, TODAY), history), CATALOGUE, TODAY).partitions == {"users": [WHOLE]}


def test_a_staged_entry_of_a_run_that_died_touches_as_a_landed_one_does():
    history = History((plays(1, day(2)),))
    staged = History((*history.entries, Entry("plays", "1.csv", day(2), sequence=2, play_dates=[day(5)])))
    todo = plan(staged, all_at(Watermark(1, TODAY), history), CATALOGUE, TODAY)
    assert todo.partitions["plays"] == ["2026-03-05"]
    assert todo.partitions["monthly_track_plays"] == ["2026-03-01"]


def test_plays_of_a_day_that_has_not_begun_wait_and_then_make_their_day_month_and_charts_stale():
    tomorrow = TODAY + timedelta(days=1)
    history = History((plays(1, TODAY, tomorrow),))
    todo = plan(history, {}, CATALOGUE, TODAY)
    assert (todo.partitions["plays"], todo.waiting) == (["2026-04-10"], [tomorrow])
    built = all_at(Watermark(1, TODAY), history)
    assert not plan(history, built, CATALOGUE, TODAY)
    todo = plan(history, built, CATALOGUE, tomorrow)
    assert (todo.partitions["plays"], todo.waiting) == (["2026-04-11"], [])
    assert todo.partitions["monthly_track_plays"] == ["2026-04-01"]
    assert todo.partitions["top_tracks_by_country"] == ["AT|2026-04-01", "DE|2026-04-01"]
    assert todo.partitions["exports"] == [WHOLE]


def days_of(*bounds: int) -> list[str]:
    """The days of March from the first to the last, as keys; days after the 31st are of April."""
    return [(day(1) + timedelta(days=number - 1)).isoformat() for number in range(bounds[0], bounds[-1] + 1)]


def test_a_play_touches_its_day_the_sessions_around_it_the_windows_that_hold_it_and_nothing_after_today():
    week = plays(1, *(day(number) for number in range(1, 10)))
    built = all_at(Watermark(1, TODAY), History((week,)))
    todo = plan(History((week, plays(2, day(5)))), built, CATALOGUE, TODAY).partitions
    assert todo["plays"] == todo["daily_track_plays"] == days_of(5)
    assert todo["sessions"] == days_of(4, 8)
    assert todo["age_group_favourites"] == days_of(5, 18)
    assert todo["top_artists_by_genre"] == days_of(5, 34)
    assert todo["chart_movements"] == ["AT", "DE"]
    todo = plan(History((plays(1, TODAY),)), {}, CATALOGUE, TODAY).partitions
    assert todo["sessions"] == ["2026-04-10"]
    assert todo["age_group_favourites"] == todo["top_artists_by_genre"] == ["2026-04-10"]


def test_a_window_that_ends_on_a_day_that_begins_is_stale_though_nothing_came():
    history = History((plays(1, TODAY),))
    built = all_at(Watermark(1, TODAY), history)
    tomorrow = TODAY + timedelta(days=1)
    todo = plan(history, built, CATALOGUE, tomorrow).partitions
    assert todo == {asset: [tomorrow.isoformat()] for asset in WINDOWS}


def test_a_track_of_another_genre_makes_the_windows_of_its_plays_stale_and_a_new_name_only_the_days_that_show_it():
    history = History((plays(1, day(2), day(20)),))
    built = all_at(Watermark(1, TODAY), history)
    changed = Entry("stamps", "tracks", day(3), sequence=2, state="landed", window_dates=[day(2)])
    todo = plan(History((*history.entries, changed)), built, CATALOGUE, TODAY).partitions
    assert todo == {
        "top_artists_by_genre": days_of(2, 31),
        "age_group_favourites": days_of(2, 15),
        "exports": [WHOLE],
    }
    named = Entry("stamps", "tracks", day(3), sequence=2, state="landed", chart_dates=[day(21)])
    todo = plan(History((*history.entries, named)), built, CATALOGUE, TODAY).partitions
    assert todo == {**{asset: ["2026-03-21"] for asset in WINDOWS}, "exports": [WHOLE]}


def test_a_retitled_track_makes_charts_stale_and_no_day():
    history = History((plays(1, day(2)),))
    retitled = Entry("stamps", "tracks", day(3), sequence=2, state="landed", chart_months=[day(1)])
    todo = plan(History((*history.entries, retitled)), all_at(Watermark(1, TODAY), history), CATALOGUE, TODAY)
    assert todo.partitions["top_tracks_by_country"] == ["AT|2026-03-01", "DE|2026-03-01"]
    assert "plays" not in todo.partitions
    assert "monthly_track_plays" not in todo.partitions


def test_a_market_that_is_new_in_the_settings_gets_its_charts():
    history = History((plays(1, day(2)),))
    built = all_at(Watermark(1, TODAY), history)
    todo = plan(history, built, Catalogue.build(FIRST_DAY, (*MARKETS, "CH")), TODAY)
    assert todo.partitions["top_tracks_by_country"] == ["CH|2026-03-01"]
    assert "plays" not in todo.partitions


def test_a_slice_is_stamped_with_what_was_read_or_less_where_its_source_was_stale():
    need = {"plays": {"2026-03-02": Watermark(5, day(2)), "2026-03-03": Watermark(3, day(3))}}
    fresh = {"plays": {"2026-03-02": Watermark(5, TODAY), "2026-03-03": Watermark(4, TODAY)}}
    keys = {"plays": ["2026-03-02", "2026-03-03"]}
    read = Watermark(7, TODAY)
    assert built_from(keys, need, fresh, read) == read
    stale = {"plays": {**fresh["plays"], "2026-03-02": Watermark(4, day(9))}}
    assert built_from(keys, need, stale, read) == Watermark(4, day(9))
    assert built_from(keys, need, {}, read) == NEVER
    assert built_from({"plays": ["2026-03-09"]}, need, {}, read) == read


def test_the_delivery_days_of_play_days_are_those_that_the_ledger_names_also_of_runs_that_died():
    history = History(
        (
            plays(1, day(2), delivered=day(3)),
            plays(2, day(2), day(4), delivered=day(20), state="staged"),
            plays(3, day(4), delivered=day(5)),
        )
    )
    assert delivery_days_of(history, [day(2)]) == [day(3), day(20)]
    assert delivery_days_of(history, [day(9)]) == []


def test_days_that_share_plays_are_read_together():
    history = History((plays(1, day(2), repeats=["2026-03-02/2026-03-05", "2026-03-05/2026-03-09"]),))
    assert with_repeats(history, [day(2)]) == [day(2), day(5)]
    assert with_repeats(history, [day(5)]) == [day(2), day(5), day(9)]
    assert with_repeats(history, [day(3)]) == [day(3)]


def test_chunks_hold_whole_days_in_order_and_as_many_as_fit():
    history = History(tuple(plays(n, day(n), rows_by_play_date={day(n).isoformat(): 40}) for n in range(1, 6)))
    days = [day(n) for n in (3, 1, 2, 5, 4)]
    assert chunks(history, days, 100) == [[day(1), day(2)], [day(3), day(4)], [day(5)]]
    assert chunks(history, days, 10) == [[day(n)] for n in range(1, 6)]
    assert chunks(history, [day(9)], 10) == [[day(9)]]


def test_raw_rows_count_what_stands_and_not_what_was_replaced_or_refused():
    history = History(
        (
            plays(1, day(2), path="a"),
            plays(2, day(3), path="a", delivered=day(2)),
            plays(3, day(2), path="b", quarantined={"not_the_format": 1}),
        )
    )
    assert history.rows_by_day("plays") == {day(3): 1}


def test_days_before_a_later_first_day_ask_for_one_run_of_what_has_them_and_for_the_exports():
    history = History((plays(1, day(2), day(20)),))
    later = Catalogue.build(day(10), MARKETS, artist_days=30, favourite_days=14)
    built = all_at(Watermark(1, TODAY), history)
    todo = plan(history, built, later, TODAY).partitions
    assert todo["plays"] == [TODAY.isoformat()], "its run empties the days before, whatever it is over"
    assert todo["exports"] == [WHOLE]
    assert "monthly_track_plays" not in todo, "March is a month as before"
    emptied = {**built, "plays": {**built["plays"], "2026-03-02": NEVER}}
    assert "plays" not in plan(history, emptied, later, TODAY).partitions
    assert plan(history, emptied, CATALOGUE, TODAY).partitions["plays"] == ["2026-03-02"], "and named again it is stale"


def test_what_is_made_of_days_that_files_read_again_no_longer_bring_is_stale_with_them():
    history = History((plays(1, day(2), day(20)), plays(2, day(20), play_dates=[day(2), day(20)])))
    later = Catalogue.build(day(10), MARKETS, artist_days=30, favourite_days=14)
    required = required_watermarks(history, later, TODAY)
    assert required["plays"] == {"2026-03-20": Watermark(2, day(20))}
    assert required["age_group_favourites"]["2026-03-12"] == Watermark(2, day(2)), "its window reaches back to the 2nd"
    assert "2026-03-09" not in required["age_group_favourites"]


def test_a_market_taken_off_asks_for_one_run_of_the_charts_that_have_it():
    history = History((plays(1, day(2)),))
    built = all_at(Watermark(1, TODAY), history)
    todo = plan(history, built, Catalogue.build(FIRST_DAY, ("AT",)), TODAY).partitions
    assert todo == {"top_tracks_by_country": ["AT|2026-04-01"], "chart_movements": ["AT"], "exports": [WHOLE]}
