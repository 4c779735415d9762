"""Asset checks, in the real instance of a lakehouse."""

from pathlib import Path

import dagster as dg
import deltalake
import pytest

from umg_assets.automation import CHECK, LAND
from umg_assets.definitions import build_definitions
from umg_assets_tests.lake import Lake
from umg_assets_tests.recount.changing import CHANGES, change_a_row

pytestmark = pytest.mark.sail_enough


def last_check(lake: Lake, asset: str, name: str) -> dg.AssetCheckEvaluation | None:
    """The latest evaluation of a check."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), name)
    records = lake.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    return records[0].event.asset_check_evaluation if records and records[0].event else None


def run_checks(lake: Lake) -> None:
    """The job of the checks that read whole tables; whatever they find, it ends well."""
    assert build_definitions(lake.settings).resolve_job_def(CHECK).execute_in_process(instance=lake.instance).success


def counted_again(lake: Lake, asset: str) -> dg.AssetCheckEvaluation:
    """What the last recount of a table found."""
    found = last_check(lake, asset, "counted_again")
    assert found is not None
    return found


def samples(found: dg.AssetCheckEvaluation) -> list[dict]:
    """The sample rows that a check shows."""
    value = found.metadata["samples"]
    assert isinstance(value, dg.TableMetadataValue)
    return [dict(record.data) for record in value.records]


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
    run_checks(lake)
    found = last_check(lake, "plays", name)
    assert found is not None
    assert (found.passed, found.metadata["play_ids"].value) == (False, 1)
    (sample,) = samples(found)
    assert sample == {"play_id": "twice", "days": 2, "first_day": "2026-03-02", "last_day": "2026-05-01"}


def test_the_recount_of_each_table_is_green_and_red_when_a_row_is_changed_by_hand_and_names_it(
    made_lake: Lake, tmp_path: Path
):
    lake = made_lake.copied(tmp_path / "copy")
    run_checks(lake)
    for table in CHANGES:
        found = counted_again(lake, table)
        assert (found.passed, found.metadata["rows"].value) == (True, len(lake.rows(table))), table
    changed = {table: change_a_row(lake, table) for table in CHANGES}
    run_checks(lake)
    users = {row["user_key"] for row in lake.rows("plays")} | {row["user_id"] for row in lake.rows("raw_plays")}
    for table, (row, said) in changed.items():
        found = counted_again(lake, table)
        assert (found.passed, found.severity, found.blocking) == (False, dg.AssetCheckSeverity.ERROR, False), table
        assert found.metadata["first"].value == {row: said}
        assert not [user for user in users if user in str(found.metadata)]


def test_the_recount_of_the_files_is_red_when_a_row_is_gone_from_a_raw_table(sail_lake: Lake):
    sail_lake.drop_plays("2026-03-02", [play("p1", "2026-03-02"), play("p2", "2026-03-02")])
    sail_lake.run()
    run_checks(sail_lake)
    assert counted_again(sail_lake, "deliveries").passed
    deltalake.DeltaTable(sail_lake.home / "tables" / "raw_plays").delete("play_id = 'p1'")
    run_checks(sail_lake)
    found = counted_again(sail_lake, "deliveries")
    assert not found.passed
    assert found.metadata["first"].value == {"plays/2026-03-02.csv: rows in raw_plays, 2026-03-02": "1, ledger 2"}


def test_the_recount_warns_where_a_run_has_to_come_first(sail_lake: Lake):
    sail_lake.drop_plays("2026-03-02", [play("p1", "2026-03-02")])
    sail_lake.run()
    sail_lake.drop_plays("2026-03-03", [play("p2", "2026-03-02")])
    landing = build_definitions(sail_lake.settings).resolve_job_def(LAND)
    assert landing.execute_in_process(instance=sail_lake.instance, tags={"dagster/partition": "2026-03-03"}).success
    assert last_check(sail_lake, "deliveries", "counted_again") is None, "landing does not count everything again"
    run_checks(sail_lake)
    found = counted_again(sail_lake, "top_tracks_by_country")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == "1 deliveries landed after the tables were written: a run comes first"


def test_a_published_list_that_the_settings_name_has_a_check_and_one_that_cannot_be_read_says_so(sail_lake: Lake):
    sail_lake.configure('[[published]]\nfile = "list.csv"\n')
    sail_lake.drop_plays("2026-03-02", [play("p1", "2026-03-02"), play("p2", "2026-03-02")])
    sail_lake.run()
    said = {}
    for content in ("track_id,plays\nt1,2\n", "track_id,plays\nt1,3\n", "track,plays\nt1,2\n"):
        (sail_lake.home / "list.csv").write_text(content)
        run_checks(sail_lake)
        found = last_check(sail_lake, "plays", "as_published")
        assert found is not None
        said[content] = (found.passed, str(found.metadata["first"].value))
    right, wrong, unreadable = said.values()
    assert right == (True, "{}")
    assert wrong == (False, "{'list.csv: t1': '3, plays 2'}")
    assert not unreadable[0]
    assert "Missing columns: track_id" in unreadable[1]
