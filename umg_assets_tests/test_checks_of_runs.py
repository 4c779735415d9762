"""Checks that run with their asset: green on good data, red on data broken by hand, and each says what it saw."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone

import dagster as dg
import deltalake
import pytest

from umg_assets.assets.landing import no_file_has_shrunk
from umg_assets.automation import CHECK
from umg_assets.checks import NEWEST, OF_RUNS, WHOLE_TABLES
from umg_assets.checks.deliveries import hours_since
from umg_assets.checks.plays import robust_score, volumes
from umg_assets.definitions import build_definitions
from umg_assets.resources.ledger import Ledger
from umg_assets.running import RunFailedError
from umg_assets_tests.lake import Lake
from umg_assets_tests.test_checks import last_check, samples

pytestmark = pytest.mark.sail_enough

USERS = [("u1", "AT", "25-34"), ("u2", "DE", "18-24")]
TRACKS = [(f"t{number}", f"Title {number}", "a1", "Artist", "Pop", 200_000) for number in (1, 2, 3)]


def plays(day: str, *tracks: str, user: str = "u1") -> list[tuple]:
    """Plays of a user at noon of a day, one of each track named."""
    return [
        (f"{day}-{user}-{number}", user, "s1", track, f"{day}T12:{number:02}:00Z", 90_000, "AT")
        for number, track in enumerate(tracks)
    ]


def filled(lake: Lake) -> Lake:
    """Two days of plays of three tracks, and the users and tracks of them, run."""
    lake.drop_users("2026-03-01", USERS)
    lake.drop_tracks("2026-03-01", TRACKS)
    lake.drop_plays("2026-03-02", plays("2026-03-02", "t1", "t1", "t1", "t2", "t2", "t3"))
    lake.drop_plays("2026-03-03", plays("2026-03-03", "t1", "t2", user="u2"))
    lake.run()
    return lake


def check(lake: Lake, asset: str, name: str, *keys: str) -> dg.AssetCheckEvaluation:
    """What a check alone says now of the partitions from the first key to the last; without keys, of all."""
    tags = (
        {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]} if keys else {}
    )
    definitions = build_definitions(lake.settings)
    chosen = next(one for one in (*OF_RUNS, *NEWEST) if dg.AssetCheckKey(dg.AssetKey(asset), name) in one.check_keys)
    job = dg.define_asset_job("one", dg.AssetSelection.checks(chosen))
    with_job = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job]))
    with_job.resolve_job_def("one").execute_in_process(instance=lake.instance, tags=tags, raise_on_error=False)
    found = last_check(lake, asset, name)
    assert found is not None
    return found


def said(found: dg.AssetCheckEvaluation) -> tuple[bool, str, str]:
    """Whether it passed, what it expected and what it saw."""
    return found.passed, str(found.metadata["expected"].value), str(found.metadata["seen"].value)


def change(lake: Lake, table: str, where: str, **updates: str) -> None:
    """Changes rows of a table by hand."""
    done = deltalake.DeltaTable(lake.home / "tables" / table).update(predicate=where, updates=updates)
    assert done["num_updated_rows"]


RANKED = [
    (
        "top_tracks_by_country",
        ["AT|2026-03-01", "DE|2026-03-01"],
        "criterion = 'plays' and rank = 2 and country = 'AT'",
    ),
    ("top_artists_by_genre", ["2026-03-02", "2026-03-03"], "criterion = 'plays' and market is null and rank = 1"),
    ("age_group_favourites", ["2026-03-02", "2026-03-03"], "rank = 2 and age_group = '25-34'"),
]


def test_ranks_with_a_gap_or_figures_that_rise_are_red_in_every_chart_and_block(sail_lake: Lake):
    lake = filled(sail_lake)
    for table, keys, where in RANKED:
        found = last_check(lake, table, "ranks_have_no_gaps")
        assert found is not None, "it ran with its asset"
        assert (found.passed, found.blocking) == (True, True)
        kept = deltalake.DeltaTable(lake.home / "tables" / table)
        version = kept.version()
        change(lake, table, where, rank="rank + 1")
        found = check(lake, table, "ranks_have_no_gaps", *keys)
        assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
        assert 1 in {row["rank"] - row["place"] for row in samples(found)}
        assert "materialize these partitions" in str(found.description)
        kept.update_incremental()
        kept.restore(version)
        change(lake, table, where, plays="1000000")
        found = check(lake, table, "ranks_have_no_gaps", *keys)
        risen = table != "top_artists_by_genre"  # there, one artist has nobody before it
        assert found.passed is not risen
        if risen:
            assert (samples(found)[0]["figure"], samples(found)[0]["rank"]) == (1_000_000, 2)


def test_a_check_reads_what_the_run_has_written_and_nothing_else(sail_lake: Lake):
    lake = filled(sail_lake)
    change(lake, "age_group_favourites", "chart_date = date'2026-03-02'", rank="rank + 5")
    assert not check(lake, "age_group_favourites", "ranks_have_no_gaps", "2026-03-02", "2026-03-02").passed
    assert check(lake, "age_group_favourites", "ranks_have_no_gaps", "2026-03-03", "2026-03-09").passed
    assert not check(lake, "age_group_favourites", "ranks_have_no_gaps").passed, "without a partition, all of it"
    change(lake, "top_tracks_by_country", "country = 'AT'", rank="rank + 5")
    assert not check(lake, "top_tracks_by_country", "ranks_have_no_gaps", "AT|2026-03-01").passed
    assert check(lake, "top_tracks_by_country", "ranks_have_no_gaps", "DE|2026-02-01", "DE|2026-03-01").passed
    assert check(lake, "top_tracks_by_country", "ranks_have_no_gaps", "AT|2026-04-01", "DE|2026-05-01").passed


@pytest.mark.parametrize(
    ("table", "key", "column"),
    [("daily_track_plays", "2026-03-02", "play_date"), ("monthly_track_plays", "2026-03-01", "month")],
)
def test_sums_that_do_not_hold_every_play_are_red_and_name_the_day(sail_lake: Lake, table: str, key: str, column: str):
    lake = filled(sail_lake)
    found = last_check(lake, table, "sums_hold_every_play")
    assert found is not None
    assert (found.passed, found.blocking) == (True, True)
    change(lake, table, "track_id = 't3'", plays="plays + 1")
    found = check(lake, table, "sums_hold_every_play", key)
    rows = 6 if column == "play_date" else 8
    assert said(found) == (False, f"{rows} plays, as plays has rows", f"{rows + 1} plays summed up; 1 of 1 differ")
    assert samples(found) == [{column: key, "summed": rows + 1, "rows of plays": rows}]


def test_a_day_missing_from_the_sums_is_red(sail_lake: Lake):
    lake = filled(sail_lake)
    deltalake.DeltaTable(lake.home / "tables" / "daily_track_plays").delete("play_date = date'2026-03-03'")
    found = check(lake, "daily_track_plays", "sums_hold_every_play", "2026-03-02", "2026-03-03")
    assert samples(found) == [{"play_date": "2026-03-03", "summed": 0, "rows of plays": 2}]


def test_a_blocking_check_that_is_red_ends_the_run_and_nothing_downstream_is_made_until_the_asset_is_made_right(
    sail_lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    filled(sail_lake)
    monkeypatch.setenv("UMG_CHARTS__TOP_TRACKS", "2")
    change(sail_lake, "top_tracks_by_country", "country = 'AT' and rank = 1 and criterion = 'plays'", rank="9")
    versions = sail_lake.version("chart_movements")
    monkeypatch.setattr("umg_assets.resources.lakehouse.Lakehouse.write_slice", keeping("top_tracks_by_country"))
    sail_lake.drop_plays("2026-03-04", plays("2026-03-04", "t1"))
    with pytest.raises(RunFailedError, match="ranks_have_no_gaps"):
        sail_lake.run()
    assert sail_lake.version("chart_movements") == versions
    exported = (sail_lake.home / "exports" / "current").resolve()
    for _ in range(2):
        report = sail_lake.run()
        assert (report.runs, report.refused) == (0, ["top_tracks_by_country"])
    asked = look_at_ledger(sail_lake)
    assert asked.run_requests == []
    assert "refused by a check: ['top_tracks_by_country']" in str(asked.skip_reason)
    assert sail_lake.version("chart_movements") == versions
    assert (sail_lake.home / "exports" / "current").resolve() == exported, "what was published stays"
    monkeypatch.undo()
    monkeypatch.setenv("UMG_ENGINE", "sail")
    report = sail_lake.run(rebuild=(date(2026, 3, 2), date(2026, 3, 2)))
    assert report.refused == []
    assert sail_lake.version("chart_movements") > versions
    assert (sail_lake.home / "exports" / "current").resolve() != exported
    assert "up to date" in str(look_at_ledger(sail_lake).skip_reason)


def look_at_ledger(lake: Lake) -> dg.SensorResult:
    """What ledger_sensor says now."""
    definitions = build_definitions(lake.settings)
    sensor = definitions.resolve_sensor_def("ledger_sensor")
    resources = {"settings": lake.settings, "ledger": Ledger(lake.home)}
    with dg.build_sensor_context(lake.instance, definitions=definitions, resources=resources) as context:
        said = sensor(context)
    assert isinstance(said, dg.SensorResult)
    return said


def keeping(name: str):
    """write_slice that leaves one table as it is, and so broken as it was."""
    from umg_assets.resources.lakehouse import Commit, Lakehouse

    write = Lakehouse.write_slice

    def write_others(self, table, rows, replaced):
        return Commit(0) if table.name == name else write(self, table, rows, replaced)

    return write_others


def test_plays_of_unknown_users_and_tracks_are_red_beyond_their_share_and_no_user_id_is_shown(sail_lake: Lake):
    lake = filled(sail_lake)
    for name in ("known_users", "known_tracks"):
        found = last_check(lake, "plays", name)
        assert found is not None
        assert said(found)[:2] == (True, "at least 95 % of each day's plays")
    lake.drop_plays("2026-03-04", [*plays("2026-03-04", *["t1"] * 9), *plays("2026-03-04", "gone", user="secret")])
    lake.run()
    found = last_check(lake, "plays", "known_tracks")
    assert found is not None
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert str(found.metadata["seen"].value) == (
        "9 of 10 plays (90.0 %) have their track_id in tracks; 1 of 1 days have less"
    )
    assert samples(found) == [{"track_id": "gone", "plays": 1, "first_day": "2026-03-04", "last_day": "2026-03-04"}]
    found = last_check(lake, "plays", "known_users")
    assert found is not None
    assert not found.passed
    assert "secret" not in str(found.metadata)
    lake.configure("[thresholds]\nknown_users_percent = 90\nknown_tracks_percent = 90\n")
    assert check(lake, "plays", "known_tracks", "2026-03-04").passed


def test_a_day_far_from_its_weekdays_before_is_red_and_the_running_day_is_not_judged(sail_lake: Lake):
    days = [date(2026, 3, 2) + timedelta(weeks=week) for week in range(6)]
    for day, count in zip(days, (10, 11, 9, 10, 10, 40), strict=True):
        sail_lake.drop_plays(f"{day}", plays(str(day), *["t1"] * count))
    sail_lake.run()
    found = check(sail_lake, "plays", "usual_volume", str(days[0]), str(days[-1]))
    assert not found.passed
    (sample,) = samples(found)
    assert (sample["day"], sample["plays"], sample["median"]) == (str(days[-1]), 40, 10.0)
    assert check(sail_lake, "plays", "usual_volume", str(days[0]), str(days[-2])).passed


def test_the_robust_score_is_that_of_iglewicz_and_hoaglin_but_for_a_spread_below_chance():
    before = [100.0, 140.0, 60.0, 180.0, 20.0]  # median 100, MAD 40
    assert robust_score(220, before) == pytest.approx(0.6745 * 120 / 40)
    assert robust_score(20, before) == pytest.approx(-0.6745 * 80 / 40)
    assert robust_score(130, [100.0] * 5) == pytest.approx(30 / 100**0.5)
    assert robust_score(3, [0.0] * 5) == pytest.approx(3)


def test_a_day_is_judged_from_the_fourth_week_on_and_a_week_without_plays_counts_as_none():
    monday = date(2026, 3, 2)
    weeks = [monday + timedelta(weeks=count) for count in range(6)]
    plays_by_day = dict.fromkeys([weeks[0], weeks[1], weeks[3]], 10)
    judged = volumes(plays_by_day, weeks, 8)
    assert [(one.day, one.plays, one.median) for one in judged] == [(weeks[4], 0, 10.0), (weeks[5], 0, 10.0)]
    assert [one.median for one in volumes(plays_by_day, [weeks[5]], 4)] == [5.0]


def test_every_check_runs_with_its_asset_or_in_the_job_of_whole_tables_and_the_newest_day_in_both(sail_lake: Lake):
    definitions = build_definitions(sail_lake.settings)

    def in_job(name: str) -> set[dg.AssetCheckKey]:
        return set(definitions.resolve_job_def(name).asset_layer.asset_graph.asset_check_keys)

    def keys(checks: Iterable[dg.AssetChecksDefinition]) -> set[dg.AssetCheckKey]:
        return {key for one in checks for key in one.check_keys}

    jobs = {job.name for job in definitions.resolve_all_job_defs()} - {CHECK, "__ASSET_JOB"}
    assert set().union(*(in_job(job) for job in jobs)) == keys([*OF_RUNS, *NEWEST])
    published = dg.AssetCheckKey(dg.AssetKey("plays"), "as_published")
    assert in_job(CHECK) == keys([*WHOLE_TABLES, *NEWEST, no_file_has_shrunk]) - {published}


def test_an_old_day_landed_and_made_again_does_not_turn_stale_tables_green(sail_lake: Lake):
    lake = filled(sail_lake)
    for asset, name in (("deliveries", "newest_delivery"), ("plays", "newest_play")):
        found = last_check(lake, asset, name)
        assert found is not None, "it ran with its asset"
        assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
        assert found.metadata["newest"].value == "2026-03-03"
    lake.drop_plays("2026-03-02", plays("2026-03-02", "t1"))
    lake.run()
    for asset, name in (("deliveries", "newest_delivery"), ("plays", "newest_play")):
        assert not check(lake, asset, name).passed
    today = datetime.now(UTC).date()
    lake.drop_plays(f"{today}", plays(str(today - timedelta(days=1)), "t1"))
    lake.run()
    for asset, name in (("deliveries", "newest_delivery"), ("plays", "newest_play")):
        assert check(lake, asset, name).passed


def test_a_days_age_is_counted_from_its_end_in_its_zone():
    zone = timezone(timedelta(hours=2))
    assert hours_since(date(2026, 3, 2), zone, datetime(2026, 3, 2, 22, tzinfo=UTC)) == 0
    assert hours_since(date(2026, 3, 2), zone, datetime(2026, 3, 4, 10, tzinfo=UTC)) == 36
    assert hours_since(date(2026, 3, 2), zone, datetime(2026, 3, 2, 12, tzinfo=UTC)) == 0
