"""In which runs stale partitions are made, and which may start: from a plan and what is under way alone."""

from datetime import UTC, date, datetime, timedelta

from umg_assets.catalogue import LAND_FILES
from umg_assets.graph import WHOLE
from umg_assets.planning.entry import Entry
from umg_assets.planning.history import History
from umg_assets.planning.partition_spans import from_text, to_text
from umg_assets.planning.required import Plan, plan
from umg_assets.planning.runs import Run, landing_runs, next_runs, rounds, try_of
from umg_assets.planning.watermark import Watermark, Watermarks
from umg_assets_tests.planning.test_required import CATALOGUE, TODAY, day, plays

RAW = CATALOGUE.assets_of(LAND_FILES)
NEW_DAY = History((plays(1, TODAY),))


def asked(history: History, todo: Plan | None = None, **said) -> list[Run]:
    """The runs that may start when nothing has been built."""
    stale = todo or plan(history, {}, CATALOGUE, TODAY)
    return next_runs(stale.partitions, history, {}, CATALOGUE, **said)


def after(history: History, *runs: list[Run]) -> Watermarks:
    """The watermarks when these runs have made their partitions."""
    return {
        asset: dict.fromkeys(keys, Watermark(history.sequence, TODAY))
        for together in runs
        for run in together
        for asset, keys in run.keys.items()
    }


def test_a_new_day_goes_through_four_rounds_of_runs_each_after_what_it_is_made_of():
    rounds: list[list[Run]] = []
    while True:
        watermarks = after(NEW_DAY, *rounds)
        todo = plan(NEW_DAY, watermarks, CATALOGUE, TODAY)
        if not todo:
            break
        rounds.append(next_runs(todo.partitions, NEW_DAY, watermarks, CATALOGUE))
    assert [[run.assets for run in together] for together in rounds] == [
        [("plays", "sessions", "daily_track_plays", "top_artists_by_genre", "age_group_favourites")],
        [("monthly_track_plays",)],
        [("top_tracks_by_country",)],
        [("chart_movements", "exports")],
    ]


def test_nothing_starts_whose_ancestor_is_stale_under_way_or_refused_by_a_check():
    assert [run.assets[0] for run in asked(NEW_DAY)] == ["plays"]
    assert asked(NEW_DAY, busy={"raw_plays"}) == []
    assert asked(NEW_DAY, busy={"plays"}) == []
    assert asked(NEW_DAY, refused={"tracks"}) == []
    stale = Plan({"chart_movements": ["AT", "DE"], "exports": [""]})
    assert [run.assets for run in asked(NEW_DAY, stale)] == [("chart_movements", "exports")]
    assert [run.assets for run in asked(NEW_DAY, stale, refused={"age_group_favourites"})] == [("chart_movements",)]
    assert asked(NEW_DAY, stale, busy={"monthly_track_plays"}) == [], "nobody reads half a backfill"


def test_users_and_tracks_wait_while_that_is_built_from_which_they_note_whom_a_change_affects():
    stale = Plan({"users": [WHOLE], "tracks": [WHOLE]})

    def startable(*busy: str) -> list[str]:
        return [name for run in asked(NEW_DAY, stale, busy=set(busy)) for name in run.assets]

    assert startable() == startable("sessions", "exports", "asset_of_others") == ["users", "tracks"]
    assert startable("plays") == []
    assert startable("top_tracks_by_country") == startable("top_artists_by_genre") == ["users"]


def test_an_asset_refused_by_its_own_check_may_be_made_again():
    stale = Plan({"top_tracks_by_country": ["AT|2026-04-01"], "chart_movements": ["AT"]})
    assert [run.assets for run in asked(NEW_DAY, stale, refused={"top_tracks_by_country"})] == [
        ("top_tracks_by_country",)
    ]


def test_late_plays_here_and_there_are_one_run_in_which_each_asset_has_its_own_days():
    [run] = asked(History((plays(1, day(2), day(9)),)))
    assert (run.job, run.bounds) == ("build_days", ("2026-03-02", "2026-04-07"))
    assert run.assets == ("plays", "sessions", "daily_track_plays", "top_artists_by_genre", "age_group_favourites")
    assert run.keys["plays"] == run.keys["daily_track_plays"] == ["2026-03-02", "2026-03-09"]
    assert run.keys["sessions"] == ["2026-03-02", "2026-03-09"]
    assert run.keys["age_group_favourites"] == [day(number).isoformat() for number in range(2, 23)]


def test_the_same_work_has_the_same_fingerprint_and_other_work_another():
    [first], [again] = asked(NEW_DAY), asked(NEW_DAY)
    assert first.fingerprint == again.fingerprint
    [later] = asked(History((*NEW_DAY.entries, plays(2, TODAY))))
    assert later.fingerprint != first.fingerprint


def test_a_run_says_which_deliveries_it_is_for():
    history = History(tuple(plays(number, TODAY, path=f"plays/{number}.csv") for number in range(1, 6)))
    [run] = asked(history)
    assert run.why == "landing 2026-04-10 touched them: 1.csv, 2.csv, 3.csv and 2 more"
    [run] = next_runs({"exports": [""]}, history, {"exports": {"": Watermark(5, day(1))}}, CATALOGUE)
    assert run.why.startswith("a new day has begun")
    built = {"plays": {"2026-03-01": Watermark(4, day(1))}}
    [run] = next_runs({"plays": ["2026-03-01", "2026-04-10"]}, history, built, CATALOGUE)
    assert run.why == "landing 2026-04-10 touched them: 5.csv", "a day never built is there since that delivery"


def test_files_land_in_a_run_a_range_and_scattered_days_in_one():
    unbroken = [(date(2026, 3, 1) + timedelta(days=n), f"{n}.csv", "1-2-3") for n in range(1000)]
    [run] = landing_runs(unbroken, CATALOGUE)
    assert (run.job, run.assets, run.bounds) == (LAND_FILES, RAW, ("2026-03-01", "2028-11-24"))
    two = landing_runs([unbroken[0], unbroken[1], unbroken[9]], CATALOGUE)
    assert [run.bounds for run in two] == [("2026-03-01", "2026-03-02"), ("2026-03-10", "2026-03-10")]
    assert two[0].why == "landing 2026-03-01 to 2026-03-02 changed: 0.csv, 1.csv"
    assert len(landing_runs(unbroken[::2], CATALOGUE)) == 1


def test_a_redelivery_under_the_same_name_has_another_fingerprint():
    [first] = landing_runs([(day(1), "plays.csv", "10-1")], CATALOGUE)
    [same] = landing_runs([(day(1), "plays.csv", "10-1")], CATALOGUE)
    [other] = landing_runs([(day(1), "plays.csv", "12-2")], CATALOGUE)
    assert first.fingerprint == same.fingerprint != other.fingerprint


def test_everything_follows_from_the_raw_tables():
    assert set(RAW) <= CATALOGUE.ancestors("exports")
    assert "plays" in CATALOGUE.ancestors("chart_movements")
    assert "sessions" not in CATALOGUE.ancestors("exports")


def test_an_accepted_shrink_is_no_delivery():
    accepted = Entry("plays", "a.csv", day(1), sequence=9, state="accepted", content_hash="h")
    history = History((plays(1, day(2)),), (accepted,))
    assert history.sequence == 9
    assert history.accepted_at("plays", "a.csv", "h") == 9
    assert not history.accepted_at("plays", "a.csv", "other")
    assert "a.csv" not in {path for _, path in history.latest()}


def test_charts_are_built_as_whole_months_of_markets():
    stale = {"top_tracks_by_country": ["AT|2026-01-01", "DE|2026-03-01"]}
    [run] = next_runs(stale, NEW_DAY, {}, CATALOGUE)
    assert run.bounds == ("AT|2026-01-01", "DE|2026-03-01")
    assert run.keys["top_tracks_by_country"] == ["AT|2026-01-01", "AT|2026-03-01", "DE|2026-01-01", "DE|2026-03-01"]


def test_the_partitions_of_a_run_are_written_as_spans_and_read_back():
    keys = {
        "plays": ["2026-03-02", "2026-03-09", "2026-03-10", "2026-03-11"],
        "monthly_track_plays": ["2026-01-01", "2026-02-01"],
        "top_tracks_by_country": ["AT|2026-01-01", "DE|2026-01-01"],
        "chart_movements": ["AT", "DE"],
        "exports": [WHOLE],
    }
    text = to_text(keys)
    assert text.startswith("plays: 2026-03-02, 2026-03-09 to 2026-03-11; monthly_track_plays: 2026-01-01, 2026-02-01;")
    assert from_text(text) == {name: of_asset for name, of_asset in keys.items() if name != "exports"}
    assert from_text("") == {}


def test_a_plan_is_explained_as_the_rounds_of_runs_that_it_comes_to():
    planned = rounds(plan(NEW_DAY, {}, CATALOGUE, TODAY), NEW_DAY, {}, CATALOGUE, TODAY)
    assert [[run.job for run in runs] for runs in planned] == [
        ["build_days"],
        ["sum_months"],
        ["rank_tracks"],
        ["publish"],
    ]
    assert all(run.why == "landing 2026-04-10 touched them: 1.csv" for runs in planned for run in runs)


def test_work_is_asked_for_once_an_hour_and_once_a_day_after_three_failures():
    nine, ten = datetime(2026, 4, 10, 9, 59, tzinfo=UTC), datetime(2026, 4, 10, 10, 0, tzinfo=UTC)
    tomorrow = ten + timedelta(days=1)
    assert try_of(2, nine) != try_of(2, ten)
    assert try_of(3, nine) == try_of(3, ten) != try_of(3, tomorrow)
