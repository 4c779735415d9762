"""In which runs stale partitions are made, and which may start: from a plan and what is under way alone."""

from datetime import UTC, date, datetime, timedelta

from umg_assets.catalogue import LAND_FILES
from umg_assets.planning.history import Entry, History
from umg_assets.planning.required import Plan, plan
from umg_assets.planning.runs import Run, landing_runs, next_runs, rounds, scattered, try_of
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


def test_an_asset_refused_by_its_own_check_may_be_made_again():
    stale = Plan({"top_tracks_by_country": ["AT|2026-04-01"], "chart_movements": ["AT"]})
    assert [run.assets for run in asked(NEW_DAY, stale, refused={"top_tracks_by_country"})] == [
        ("top_tracks_by_country",)
    ]


def test_assets_go_together_only_over_the_same_unbroken_days():
    history = History((plays(1, day(2), day(9)),))
    runs = asked(history)
    assert [(run.assets, run.bounds) for run in runs] == [
        (("plays", "daily_track_plays"), ("2026-03-02", "2026-03-02")),
        (("plays", "daily_track_plays"), ("2026-03-09", "2026-03-09")),
    ], "sessions and windows reach beyond these days, so they come after all of them"


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
    assert history.may_shrink("plays", "a.csv", "h")
    assert not history.may_shrink("plays", "a.csv", "other")
    assert "a.csv" not in {path for _, path in history.latest()}


def test_runs_are_scattered_where_one_job_has_over_three_of_them():
    apart = [TODAY - timedelta(days=2 * back) for back in range(4)]
    stale = {"plays": [day.isoformat() for day in sorted(apart)]}
    assert scattered(asked(NEW_DAY, Plan(stale)))
    assert not scattered(asked(NEW_DAY, Plan({"plays": stale["plays"][1:], "users": [""], "tracks": [""]})))


def test_a_run_holds_the_keys_of_its_own_range_and_no_others():
    stale = {name: ["2026-03-02", "2026-03-03", "2026-03-09"] for name in ("plays", "daily_track_plays")}
    runs = next_runs(stale, NEW_DAY, {}, CATALOGUE)
    assert [(run.bounds, run.keys["plays"], run.keys["daily_track_plays"]) for run in runs] == [
        (("2026-03-02", "2026-03-03"), ["2026-03-02", "2026-03-03"], ["2026-03-02", "2026-03-03"]),
        (("2026-03-09", "2026-03-09"), ["2026-03-09"], ["2026-03-09"]),
    ]
    charts = {"top_tracks_by_country": ["AT|2026-01-01", "AT|2026-03-01", "DE|2026-01-01", "DE|2026-03-01"]}
    runs = next_runs(charts, NEW_DAY, {}, CATALOGUE)
    assert [(run.bounds, run.keys["top_tracks_by_country"]) for run in runs] == [
        (("AT|2026-01-01", "DE|2026-01-01"), ["AT|2026-01-01", "DE|2026-01-01"]),
        (("AT|2026-03-01", "DE|2026-03-01"), ["AT|2026-03-01", "DE|2026-03-01"]),
    ]


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
