"""Checks that read whole tables, and the share of quarantined records: green, then red when something is wrong.

One lake tells every story: two runs and three rounds of the checks' job, whose evaluations the tests look at.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import deltalake
import pytest

from umg_assets import tables
from umg_assets.automation import CHECK
from umg_assets.build import build_definitions
from umg_assets.catalogue import LAND_FILES
from umg_assets.text import told_id
from umg_assets_tests.lake import Lake
from umg_assets_tests.recount.changing import CHANGES, change_a_row

pytestmark = pytest.mark.sail_enough

REPEATED = "play_id_repeated_beyond_the_window"


def evaluations(lake: Lake, asset: str, name: str) -> list[dg.AssetCheckEvaluation]:
    """Every evaluation of a check so far, the latest first."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), name)
    records = lake.instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
    events = [record.event for record in records if record.event]
    return [event.asset_check_evaluation for event in events if event.asset_check_evaluation]


def last_check(lake: Lake, asset: str, name: str) -> dg.AssetCheckEvaluation | None:
    """The latest evaluation of a check; None if it has not run."""
    return next(iter(evaluations(lake, asset, name)), None)


def evaluated(lake: Lake, asset: str, name: str) -> dg.AssetCheckEvaluation:
    """The latest evaluation of a check that has run."""
    evaluation = last_check(lake, asset, name)
    assert evaluation is not None, f"{asset}: {name} has not run"
    return evaluation


def run_checks(lake: Lake) -> None:
    """Runs the job of the checks that read whole tables; it succeeds whatever they find."""
    assert build_definitions(lake.settings).resolve_job_def(CHECK).execute_in_process(instance=lake.instance).success


def samples(evaluation: dg.AssetCheckEvaluation) -> list[dict]:
    """The sample rows that a check shows."""
    value = evaluation.metadata["samples"]
    assert isinstance(value, dg.TableMetadataValue)
    return [dict(record.data) for record in value.records]


def play(play_id: str, day: str, played_ms: str = "1", track: str = "t1") -> tuple:
    """A play at noon UTC of a day."""
    return (play_id, "u1", "s1", track, f"{day}T12:00:00Z", played_ms, "AT")


class Rounds(NamedTuple):
    """What the checks said in the course of the lake's story."""

    lake: Lake
    quarantine: Sequence[list[dg.AssetCheckEvaluation]]
    """Evaluations of quarantine_share after the first run and after the second run, the latest first."""
    before_their_job: Sequence[dg.AssetCheckEvaluation | None]
    """Last evaluations of checks of whole tables after runs and a landing, before their job ran."""
    files: Sequence[dg.AssetCheckEvaluation]
    """Evaluations of the recount of files: of an untouched lake, and without one row of raw_plays."""
    repeated: dg.AssetCheckEvaluation
    published: Sequence[dg.AssetCheckEvaluation]
    """Evaluations of the published list: it agrees, differs, and cannot be read."""
    behind: dg.AssetCheckEvaluation
    """Evaluation of the recount of a chart when a delivery has landed since it was written."""


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Rounds:
    """Bad records in two deliveries, a play_id on two days far apart, a published list, a lost row, a late delivery."""
    with pytest.MonkeyPatch.context() as changes:
        changes.setenv("UMG_ENGINE", "sail")
        lake = Lake(tmp_path_factory.mktemp("checks") / "home")
        lake.configure('[[published]]\nfile = "list.csv"\n')
        published = lake.home / "list.csv"
        good = [play(f"p{number}", "2026-03-02") for number in range(19)]
        twice = [play("twice", day) for day in ("2026-03-02", "2026-05-01")]
        listed = [play(f"listed{number}", "2026-03-02", track="listed") for number in range(2)]

        lake.drop_plays("2026-03-02", [*good, play("bad", "2026-03-02", "x")])
        lake.drop_plays("2026-05-02", [*twice, *listed])
        lake.run()
        quarantine = [evaluations(lake, "quarantine", "quarantine_share")]
        before_their_job = [last_check(lake, "plays", REPEATED)]
        lake.drop_plays("2026-03-03", [*good[:18], play("bad", "2026-03-02", "x")])
        lake.run()
        quarantine.append(evaluations(lake, "quarantine", "quarantine_share"))
        before_their_job.append(last_check(lake, "deliveries", "counted_again"))

        published.write_text("track_id,plays\nlisted,2\n")
        run_checks(lake)
        repeated = evaluated(lake, "plays", REPEATED)
        files, lists = [evaluated(lake, "deliveries", "counted_again")], [evaluated(lake, "plays", "as_published")]

        raw = deltalake.DeltaTable(lake.home / "tables" / "raw_plays")
        version = raw.version()
        raw.delete("play_id = 'p1' and delivery_date = date'2026-03-02'")
        published.write_text("track_id,plays\nlisted,3\n")
        run_checks(lake)
        files.append(evaluated(lake, "deliveries", "counted_again"))
        lists.append(evaluated(lake, "plays", "as_published"))
        raw.update_incremental()
        raw.restore(version)

        counted = len(evaluations(lake, "deliveries", "counted_again"))
        lake.drop_plays("2026-05-03", [play("late", "2026-03-02")])
        landing = build_definitions(lake.settings).resolve_job_def(LAND_FILES)
        assert landing.execute_in_process(instance=lake.instance, tags={"dagster/partition": "2026-05-03"}).success
        assert len(evaluations(lake, "deliveries", "counted_again")) == counted, "landing does not recount everything"
        published.write_text("track,plays\nlisted,2\n")
        run_checks(lake)
        lists.append(evaluated(lake, "plays", "as_published"))
        behind = evaluated(lake, "top_tracks_by_country", "counted_again")
    return Rounds(lake, quarantine, before_their_job, files, repeated, lists, behind)


def test_a_delivery_with_too_many_bad_records_turns_its_check_red_and_the_run_stays_green(rounds: Rounds):
    first, second = rounds.quarantine
    assert all(evaluation.passed for evaluation in first)
    (of_the_delivery,) = [entry for entry in first if "1 of 20 records set aside" in str(entry.metadata["seen"].value)]
    assert of_the_delivery.passed
    assert len(second) == len(first) + 1
    assert (second[0].passed, second[0].severity) == (False, dg.AssetCheckSeverity.WARN)
    assert second[0].metadata["over"].value == {"plays 2026-03-03": "1 of 19 records"}
    play_ids = [play_id for (play_id,) in rounds.lake.values("plays", "play_id") if play_id.startswith("p")]
    assert len(play_ids) == 19


def test_play_ids_on_days_beyond_the_window_are_reported_by_a_job_of_their_own(rounds: Rounds):
    assert rounds.before_their_job == [None, None]
    assert (rounds.repeated.passed, rounds.repeated.metadata["play_ids"].value) == (False, 1)
    (sample,) = samples(rounds.repeated)
    assert sample == {
        "play_id": told_id("twice"),  # an exporter may have made it of a user's id
        "days": 2,
        "first_day": "2026-03-02",
        "last_day": "2026-05-01",
    }


def with_told_ids(row: str) -> str:
    """A row's name as a check tells it."""
    of_ids = rf"\b({'|'.join(tables.COMPOSED_IDS)})=(\S+)"
    return re.sub(of_ids, lambda match: f"{match[1]}={told_id(match[2])}", row)


def test_the_recount_of_each_table_is_green_and_turns_red_and_names_the_row_that_is_changed_by_hand(
    generated_lake: Lake, tmp_path: Path
):
    lake = generated_lake.copied(tmp_path / "copy")
    run_checks(lake)
    for table in CHANGES:
        evaluation = evaluated(lake, table, "counted_again")
        assert (evaluation.passed, evaluation.metadata["rows"].value) == (True, len(lake.rows(table))), table
    changed = {table: change_a_row(lake, table) for table in CHANGES}
    run_checks(lake)
    users = {row["user_key"] for row in lake.rows("plays")} | {row["user_id"] for row in lake.rows("raw_plays")}
    for table, (row, difference) in changed.items():
        evaluation = evaluated(lake, table, "counted_again")
        result = (evaluation.passed, evaluation.severity, evaluation.blocking)
        assert result == (False, dg.AssetCheckSeverity.ERROR, False), table
        assert evaluation.metadata["first"].value == {with_told_ids(row): difference}
        text = str(evaluation.metadata)
        assert not [user for user in users if user in text]


def test_the_recount_of_the_files_turns_red_when_a_row_is_gone_from_a_raw_table(rounds: Rounds):
    untouched, without_a_row = rounds.files
    assert untouched.passed
    assert not without_a_row.passed
    assert without_a_row.metadata["first"].value == {
        "plays/2026-03-02.csv: rows in raw_plays, 2026-03-02": "18, ledger 19"
    }


def test_the_recount_warns_if_a_run_has_to_come_first(rounds: Rounds):
    assert (rounds.behind.passed, rounds.behind.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert rounds.behind.description == "1 deliveries landed after the tables were written: a run comes first"


def test_a_published_list_in_the_settings_has_a_check_which_says_if_the_list_cannot_be_read(rounds: Rounds):
    agreeing, differing, unreadable = [
        (evaluation.passed, str(evaluation.metadata["first"].value)) for evaluation in rounds.published
    ]
    assert agreeing == (True, "{}")
    assert differing == (False, "{'list.csv: listed': '3, plays 2'}")
    assert not unreadable[0]
    assert "Missing columns: track_id" in unreadable[1]


def test_a_run_that_builds_an_asset_leaves_its_checks_of_whole_tables_alone_and_runs_the_others(
    rounds: Rounds, tmp_path: Path
):
    """As Dagster's UI launches it: the assets, and all of their checks."""
    lake = rounds.lake.copied(tmp_path / "copy")
    asset = dg.AssetKey("plays")
    job = build_definitions(lake.settings).resolve_implicit_global_asset_job_def()
    all_checks = {key for key in job.asset_layer.asset_graph.asset_check_keys if key.asset_key == asset}
    chosen = job.get_subset(asset_selection={asset}, asset_check_selection=all_checks)
    before = {key.name: len(evaluations(lake, "plays", key.name)) for key in all_checks}
    assert chosen.execute_in_process(instance=lake.instance, tags={"dagster/partition": "2026-03-02"}).success
    run = {name for name, count in before.items() if len(evaluations(lake, "plays", name)) > count}
    assert set(before) - run == {REPEATED, "as_published", "counted_again"}
