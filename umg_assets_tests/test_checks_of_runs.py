"""Checks that run with their asset: green on good data, red on data that is broken by hand; each says what it saw.

One lake tells most stories, in four runs; tests that break rows by hand change copies of it.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import deltalake
import pytest

from umg_assets.assets.landing import no_file_has_shrunk
from umg_assets.automation import CHECK
from umg_assets.build import build_definitions
from umg_assets.calendar import days_between
from umg_assets.checks import NEWEST, OF_RUNS, OF_WORK, WHOLE_TABLES
from umg_assets.checks.deliveries import hours_since
from umg_assets.checks.plays import robust_score, volumes
from umg_assets.resources.ledger import Ledger
from umg_assets.runner import RunFailedError
from umg_assets_tests.lake import Lake
from umg_assets_tests.test_checks import evaluated, samples

pytestmark = pytest.mark.sail_enough

USERS = [("u1", "AT", "25-34"), ("u2", "DE", "18-24")]
TRACKS = [(f"t{number}", f"Title {number}", "a1", "Artist", "Pop", 200_000) for number in (1, 2, 3)]


def plays(day: str, *tracks: str, user: str = "u1") -> list[tuple]:
    """Plays of a user at noon of a day, one of each track named."""
    return [
        (f"{day}-{user}-{number}", user, "s1", track, f"{day}T12:{number:02}:00Z", 90_000, "AT")
        for number, track in enumerate(tracks)
    ]


MONDAYS = [date(2026, 1, 5) + timedelta(weeks=week) for week in range(6)]
NEWEST_CHECKS = (("deliveries", "newest_delivery"), ("plays", "newest_play"))


class Story(NamedTuple):
    """A lake that has run four times: its checks after each run, and a copy of it as it was after the first."""

    lake: Lake
    copy: Lake
    first: dict[tuple[str, str], dg.AssetCheckEvaluation]
    """By asset and name, what each check said after the first run."""
    unknown: dict[str, dg.AssetCheckEvaluation]
    """By name, what the checks said of a day with a play of an unknown user and track."""
    tolerant: dg.AssetCheckEvaluation
    """What known_tracks said of that day when umg.toml allowed a share of 10 %."""
    stale: list[dg.AssetCheckEvaluation]
    """What NEWEST_CHECKS said after an old day was delivered again."""
    fresh: list[dg.AssetCheckEvaluation]
    """What NEWEST_CHECKS said after a delivery of today, of yesterday's plays."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Eight weeks of plays with six Mondays to judge, then two days of plays of three tracks; and three more runs.

    Only one test runs the lake any further; the others change copies of the copy.
    """
    with pytest.MonkeyPatch.context() as changes:
        changes.setenv("UMG_ENGINE", "sail")
        lake = Lake(tmp_path_factory.mktemp("story") / "home")
        lake.drop_users("2026-03-01", USERS)
        lake.drop_tracks("2026-03-01", TRACKS)
        counts = dict(zip(MONDAYS, (10, 11, 9, 10, 10, 40), strict=True))
        # one play on every other day: without a gap between days, each table is built in one run
        days = days_between(MONDAYS[0], date(2026, 2, 28))
        lake.drop_plays("2026-02-28", [row for day in days for row in plays(str(day), *["t1"] * counts.get(day, 1))])
        lake.drop_plays("2026-03-02", plays("2026-03-02", "t1", "t1", "t1", "t2", "t2", "t3"))
        lake.drop_plays("2026-03-03", plays("2026-03-03", "t1", "t2", user="u2"))
        lake.run()
        keys = [key for checks in (*OF_RUNS, *NEWEST) for key in checks.check_keys]
        first = {(key.asset_key.path[-1], key.name): evaluated(lake, key.asset_key.path[-1], key.name) for key in keys}
        copy = lake.copied(tmp_path_factory.mktemp("copy") / "home")

        of_strangers = plays("2026-03-04", "gone", user="secret")
        lake.drop_plays("2026-03-04", [*plays("2026-03-04", *["t1"] * 9), *of_strangers])
        lake.run()
        unknown = {name: evaluated(lake, "plays", name) for name in ("known_users", "known_tracks")}
        settings = (lake.home / "umg.toml").read_text()
        lake.configure("[thresholds]\nknown_users_percent = 90\nknown_tracks_percent = 90\n")
        tolerant = check(lake, "plays", "known_tracks", "2026-03-04")
        (lake.home / "umg.toml").write_text(settings)

        lake.drop_plays("2026-03-02", plays("2026-03-02", "t1"))
        lake.run()
        stale = [check(lake, asset, name) for asset, name in NEWEST_CHECKS]
        today = datetime.now(UTC).date()
        lake.drop_plays(f"{today}", plays(str(today - timedelta(days=1)), "t1"))
        lake.run()
        fresh = [check(lake, asset, name) for asset, name in NEWEST_CHECKS]
    return Story(lake, copy, first, unknown, tolerant, stale, fresh)


@pytest.fixture
def filled(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A copy of the lake after its first run, for a test to break."""
    monkeypatch.setenv("UMG_ENGINE", "sail")
    return story.copy.copied(tmp_path / "filled")


def check(lake: Lake, asset: str, name: str, *keys: str) -> dg.AssetCheckEvaluation:
    """Runs a check alone over the partitions from the first key to the last; without keys, over all."""
    tags = (
        {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]} if keys else {}
    )
    definitions = build_definitions(lake.settings)
    key = dg.AssetCheckKey(dg.AssetKey(asset), name)
    definition = next(checks for checks in (*OF_RUNS, *NEWEST) if key in checks.check_keys)
    job = dg.define_asset_job("a_check", dg.AssetSelection.checks(definition))
    with_job = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job]))
    with_job.resolve_job_def("a_check").execute_in_process(instance=lake.instance, tags=tags, raise_on_error=False)
    return evaluated(lake, asset, name)


def summary(evaluation: dg.AssetCheckEvaluation) -> tuple[bool, str, str]:
    """Whether a check passed, what it expected and what it saw."""
    return evaluation.passed, str(evaluation.metadata["expected"].value), str(evaluation.metadata["seen"].value)


def change(lake: Lake, table: str, where: str, **updates: str) -> None:
    """Changes rows of a table by hand."""
    outcome = deltalake.DeltaTable(lake.home / "tables" / table).update(predicate=where, updates=updates)
    assert outcome["num_updated_rows"]


RANKED = [
    (
        "top_tracks_by_country",
        ["AT|2026-03-01", "DE|2026-03-01"],
        "criterion = 'plays' and rank = 2 and country = 'AT'",
    ),
    ("top_artists_by_genre", ["2026-03-02", "2026-03-03"], "criterion = 'plays' and market is null and rank = 1"),
    ("age_group_favourites", ["2026-03-02", "2026-03-03"], "rank = 2 and age_group = '25-34'"),
]


@pytest.mark.parametrize(("table", "keys", "where"), RANKED)
def test_ranks_with_a_gap_or_figures_that_rise_turn_every_charts_check_red_and_block(
    story: Story, filled: Lake, table: str, keys: list[str], where: str
):
    with_its_asset = story.first[table, "ranks_have_no_gaps"]
    assert (with_its_asset.passed, with_its_asset.blocking) == (True, True)
    chart = deltalake.DeltaTable(filled.home / "tables" / table)
    version = chart.version()
    change(filled, table, where, rank="rank + 1")
    evaluation = check(filled, table, "ranks_have_no_gaps", *keys)
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert 1 in {row["rank"] - row["place"] for row in samples(evaluation)}
    assert "materialize these partitions" in str(evaluation.description)
    chart.update_incremental()
    chart.restore(version)
    change(filled, table, where, plays="1000000")
    evaluation = check(filled, table, "ranks_have_no_gaps", *keys)
    rises = table != "top_artists_by_genre"  # there, one artist has nobody before it
    assert evaluation.passed is not rises
    if rises:
        assert (samples(evaluation)[0]["figure"], samples(evaluation)[0]["rank"]) == (1_000_000, 2)


def test_a_check_reads_what_the_run_has_written_and_nothing_else(filled: Lake):
    change(filled, "age_group_favourites", "chart_date = date'2026-03-02'", rank="rank + 5")
    assert not check(filled, "age_group_favourites", "ranks_have_no_gaps", "2026-03-02", "2026-03-02").passed
    assert check(filled, "age_group_favourites", "ranks_have_no_gaps", "2026-03-03", "2026-03-09").passed
    assert not check(filled, "age_group_favourites", "ranks_have_no_gaps").passed, "without a partition, all of it"
    change(filled, "top_tracks_by_country", "country = 'AT' and month = date'2026-03-01'", rank="rank + 5")
    assert not check(filled, "top_tracks_by_country", "ranks_have_no_gaps", "AT|2026-03-01").passed
    assert check(filled, "top_tracks_by_country", "ranks_have_no_gaps", "DE|2026-02-01", "DE|2026-03-01").passed
    assert check(filled, "top_tracks_by_country", "ranks_have_no_gaps", "AT|2026-04-01", "DE|2026-05-01").passed


@pytest.mark.parametrize(
    ("table", "key", "column"),
    [("daily_track_plays", "2026-03-02", "play_date"), ("monthly_track_plays", "2026-03-01", "month")],
)
def test_sums_that_miss_a_play_turn_their_check_red_and_name_the_day(
    story: Story, filled: Lake, table: str, key: str, column: str
):
    with_its_asset = story.first[table, "sums_hold_every_play"]
    assert (with_its_asset.passed, with_its_asset.blocking) == (True, True)
    change(filled, table, "track_id = 't3'", plays="plays + 1")
    evaluation = check(filled, table, "sums_hold_every_play", key)
    rows = 6 if column == "play_date" else 8
    assert summary(evaluation) == (
        False,
        f"{rows} plays, as plays has rows",
        f"{rows + 1} plays summed up; 1 of 1 differ",
    )
    assert samples(evaluation) == [{column: key, "summed": rows + 1, "rows of plays": rows}]


def test_a_day_missing_from_the_sums_turns_their_check_red(filled: Lake):
    deltalake.DeltaTable(filled.home / "tables" / "daily_track_plays").delete("play_date = date'2026-03-03'")
    evaluation = check(filled, "daily_track_plays", "sums_hold_every_play", "2026-03-02", "2026-03-03")
    assert samples(evaluation) == [{"play_date": "2026-03-03", "summed": 0, "rows of plays": 2}]


def test_a_red_blocking_check_ends_the_run_and_nothing_downstream_is_built_until_the_asset_is_right(
    story: Story, monkeypatch: pytest.MonkeyPatch
):
    lake = story.lake
    monkeypatch.setenv("UMG_ENGINE", "sail")
    monkeypatch.setenv("UMG_CHARTS__TOP_TRACKS", "2")
    broken = "country = 'AT' and month = date'2026-03-01' and rank = 1 and criterion = 'plays'"
    change(lake, "top_tracks_by_country", broken, rank="9")
    version = lake.version("chart_movements")
    monkeypatch.setattr("umg_assets.resources.lakehouse.Lakehouse.write_slice", keeping("top_tracks_by_country"))
    lake.drop_plays("2026-03-05", plays("2026-03-05", "t1"))
    with pytest.raises(RunFailedError, match="ranks_have_no_gaps"):
        lake.run()
    assert lake.version("chart_movements") == version
    exported = (lake.home / "exports" / "current").resolve()
    for _ in range(2):
        report = lake.run()
        assert (report.runs, report.refused) == (0, ["top_tracks_by_country"])
        assert report.blocked == ["chart_movements", "exports"]
    requested = look_at_ledger(lake)
    assert requested.run_requests == []
    assert isinstance(requested.skip_reason, dg.SkipReason)
    assert requested.skip_reason.skip_message == (
        "stale: chart_movements, exports; nothing is asked for while what they follow from is refused by a check "
        "(top_tracks_by_country)"
    )
    assert lake.version("chart_movements") == version
    assert (lake.home / "exports" / "current").resolve() == exported, "what was published stays"
    monkeypatch.undo()
    monkeypatch.setenv("UMG_ENGINE", "sail")
    report = lake.run(rebuild=(date(2026, 3, 2), date(2026, 3, 2)))
    assert report.refused == []
    assert lake.version("chart_movements") > version
    assert (lake.home / "exports" / "current").resolve() != exported
    assert "up to date" in str(look_at_ledger(lake).skip_reason)


def look_at_ledger(lake: Lake) -> dg.SensorResult:
    """The answer of ledger_sensor now."""
    definitions = build_definitions(lake.settings)
    sensor = definitions.resolve_sensor_def("ledger_sensor")
    resources = {"settings": lake.settings, "ledger": Ledger(lake.home)}
    with dg.build_sensor_context(lake.instance, definitions=definitions, resources=resources) as context:
        answer = sensor(context)
    assert isinstance(answer, dg.SensorResult)
    return answer


def keeping(name: str):
    """A write_slice that leaves one table as it is, and so as broken as it was."""
    from umg_assets.resources.commits import Commit
    from umg_assets.resources.lakehouse import Lakehouse

    write = Lakehouse.write_slice

    def write_others(self, table, rows, replaced):
        return Commit(0) if table.name == name else write(self, table, rows, replaced)

    return write_others


def test_plays_of_unknown_users_and_tracks_turn_the_check_red_beyond_their_share_and_no_user_id_is_shown(story: Story):
    for name in ("known_users", "known_tracks"):
        assert summary(story.first["plays", name])[:2] == (True, "at least 95 % of each day's plays")
    tracks, users = story.unknown["known_tracks"], story.unknown["known_users"]
    assert (tracks.passed, tracks.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert str(tracks.metadata["seen"].value) == (
        "11 of 12 plays (91.7 %) have their track_id in tracks; 1 of 2 days have less"
    )
    assert samples(tracks) == [{"track_id": "gone", "plays": 1, "first_day": "2026-03-04", "last_day": "2026-03-04"}]
    assert not users.passed
    (sample,) = samples(users)
    assert re.fullmatch("sha256:[0-9a-f]{16}", sample["user_key"]), "a key would stay when the person is forgotten"
    assert "secret" not in str(users.metadata)
    assert story.tolerant.passed


def test_a_day_far_from_the_same_weekday_before_turns_its_check_red(filled: Lake):
    evaluation = check(filled, "plays", "usual_volume", str(MONDAYS[0]), str(MONDAYS[-1]))
    assert not evaluation.passed
    (sample,) = samples(evaluation)
    assert (sample["day"], sample["plays"], sample["median"]) == (str(MONDAYS[-1]), 40, 10.0)
    assert check(filled, "plays", "usual_volume", str(MONDAYS[0]), str(MONDAYS[-2])).passed


def test_the_robust_score_is_that_of_iglewicz_and_hoaglin_unless_the_spread_is_below_chance():
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
    assert [volume[:3] for volume in judged] == [(weeks[4], 0, 10.0), (weeks[5], 0, 10.0)]
    assert [volume.median for volume in volumes(plays_by_day, [weeks[5]], 4)] == [5.0]


def test_every_check_runs_with_its_asset_or_in_the_job_of_whole_tables_and_checks_of_age_in_both(
    sail_lake: Lake,
):
    definitions = build_definitions(sail_lake.settings)

    def in_job(name: str) -> set[dg.AssetCheckKey]:
        return set(definitions.resolve_job_def(name).asset_layer.asset_graph.asset_check_keys)

    def keys(checks: Iterable[dg.AssetChecksDefinition]) -> set[dg.AssetCheckKey]:
        return {key for definition in checks for key in definition.check_keys}

    jobs = {job.name for job in definitions.resolve_all_job_defs()} - {CHECK, "__ASSET_JOB"}
    assert set().union(*(in_job(job) for job in jobs)) == keys([*OF_RUNS, *NEWEST])
    published = dg.AssetCheckKey(dg.AssetKey("plays"), "as_published")
    assert in_job(CHECK) == keys([*WHOLE_TABLES, *NEWEST, *OF_WORK, no_file_has_shrunk]) - {published}


def test_an_old_day_that_lands_and_is_rebuilt_does_not_turn_stale_tables_green(story: Story):
    for asset, name in NEWEST_CHECKS:
        with_its_asset = story.first[asset, name]
        assert (with_its_asset.passed, with_its_asset.severity) == (False, dg.AssetCheckSeverity.ERROR)
        assert with_its_asset.metadata["newest"].value == "2026-03-03"
    assert [evaluation.passed for evaluation in story.stale] == [False, False]
    assert [evaluation.passed for evaluation in story.fresh] == [True, True]


def test_a_days_age_is_counted_from_its_end_in_its_zone():
    zone = timezone(timedelta(hours=2))
    assert hours_since(date(2026, 3, 2), zone, datetime(2026, 3, 2, 22, tzinfo=UTC)) == 0
    assert hours_since(date(2026, 3, 2), zone, datetime(2026, 3, 4, 10, tzinfo=UTC)) == 36
    assert hours_since(date(2026, 3, 2), zone, datetime(2026, 3, 2, 12, tzinfo=UTC)) == 0
