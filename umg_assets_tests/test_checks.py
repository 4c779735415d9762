"""Asset checks, in the real instance of a lakehouse."""

import dagster as dg

from umg_assets.automation import CHECK
from umg_assets.definitions import build_definitions
from umg_assets_tests.lake import Lake


def last_check(lake: Lake, asset: str, name: str) -> dg.AssetCheckEvaluation | None:
    """The latest evaluation of a check."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), name)
    records = lake.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    return records[0].event.asset_check_evaluation if records and records[0].event else None


def play(play_id: str, day: str, played_ms: str = "1") -> tuple:
    """A play at noon UTC of a day."""
    return (play_id, "u1", "s1", "t1", f"{day}T12:00:00Z", played_ms, "AT")


def test_a_delivery_with_too_many_bad_records_turns_its_check_red_and_the_run_stays_green(sail_lake: Lake):
    good = [play(f"p{number}", "2026-03-02") for number in range(19)]
    sail_lake.drop_plays("2026-03-02", [*good, play("bad", "2026-03-02", "x")])
    sail_lake.run()
    found = last_check(sail_lake, "quarantine", "quarantine_share")
    assert found is not None
    assert found.passed
    sail_lake.drop_plays("2026-03-03", [*good[:18], play("bad", "2026-03-02", "x")])
    sail_lake.run()
    found = last_check(sail_lake, "quarantine", "quarantine_share")
    assert found is not None
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.metadata["over"].value == {"plays 2026-03-03": "1 of 19 records"}
    assert len(sail_lake.rows("plays", "play_id")) == 19


def test_play_ids_that_stand_on_days_beyond_the_window_are_reported_by_a_job_of_their_own(lake: Lake):
    name = "play_id_repeated_beyond_the_window"
    lake.drop_plays("2026-05-02", [play("twice", "2026-03-02"), play("twice", "2026-05-01"), play("p2", "2026-03-02")])
    lake.run()
    assert last_check(lake, "plays", name) is None
    assert build_definitions(lake.settings).resolve_job_def(CHECK).execute_in_process(instance=lake.instance).success
    found = last_check(lake, "plays", name)
    assert found is not None
    assert (found.passed, found.metadata["play_ids"].value) == (False, 1)
    assert found.metadata["samples"].value == {"twice": "2 days, 2026-03-02 to 2026-05-01"}
