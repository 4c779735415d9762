"""Backfills as the UI launches them: over GraphQL, by a real webserver, executed by a real daemon."""

import json
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from dagster import DagsterRun, DagsterRunStatus

from umg_assets.resources.instance import open_instance
from umg_assets.resources.launcher import process_is_gone
from umg_assets_tests.daemon import Daemon, assert_same_as_fresh
from umg_assets_tests.daemon.backfills import LAUNCH, id_of, launched
from umg_assets_tests.lake import Lake

pytestmark = [pytest.mark.sail_enough, pytest.mark.exhaustive]

DAYS = [date(2026, 10, 1) + timedelta(days=offset) for offset in range(45)]  # through 2026-11-14
FIRST, LAST = DAYS[0].isoformat(), DAYS[-1].isoformat()
MAX_RUNTIME = "60"
"""Seconds: more than a retry takes on a busy machine."""
CANCEL = "mutation ($id: String!) { cancelPartitionBackfill(backfillId: $id) { __typename } }"
RESUME = """
mutation ($id: String!) {
  reexecutePartitionBackfill(reexecutionParams: {parentRunId: $id, strategy: FROM_FAILURE}) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
EXECUTE_AGAIN = """
mutation ($run: String!) {
  launchRunReexecution(reexecutionParams: {parentRunId: $run, strategy: ALL_STEPS}) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
OF_JOBS = """
query {
  repositoryOrError(repositorySelector: {repositoryLocationName: "umg_assets", repositoryName: "__repository__"}) {
    ... on Repository { jobs { name runs(limit: 1) { status } } }
  }
}
"""
STATUS = "query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"
DAILY = ("plays", "sessions", "daily_track_plays", "top_artists_by_genre", "age_group_favourites")
WHOLE_GRAPH = {
    **dict.fromkeys(DAILY, (FIRST, LAST)),
    "monthly_track_plays": ("2026-10-01", "2026-11-01"),
    "top_tracks_by_country": ("AT|2026-10-01", "DE|2026-11-01"),
}


class Ui:
    """A lake of 45 days with its daemon, and the webserver's GraphQL."""

    def __init__(self, lake: Lake, daemon: Daemon) -> None:
        self.lake, self.daemon, self._post = lake, daemon, daemon.post

    def launch(self, ranges: dict[str, tuple[str, str]], **tags: str) -> str:
        """Starts a backfill of ranges of partitions, by asset, with tags on its runs; returns its id."""
        return launched(self._post, ranges, **tags)

    def resume(self, backfill: str) -> str:
        """Restarts what failed in a backfill; returns the new backfill's id."""
        return id_of(self._post(RESUME, id=backfill), "reexecutePartitionBackfill")

    def cancel(self, backfill: str) -> None:
        """Cancels a backfill and its runs."""
        self._post(CANCEL, id=backfill)

    def wait_for(self, backfill: str) -> str:
        """Waits for a backfill to end; returns its status."""
        return self.daemon.wait_for(lambda: self._ended(backfill), f"the end of backfill {backfill}")

    def runs(self, backfill: str) -> list[DagsterRun]:
        """A backfill's runs, oldest first."""
        return [run for run in self.daemon.runs() if run.tags.get("dagster/backfill") == backfill]

    def _ended(self, backfill: str) -> str | None:
        status = self._post(STATUS, id=backfill)["data"]["partitionBackfillOrError"]["status"]
        return None if status in ("REQUESTED", "CANCELING", "FAILING") else status


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """A lake built by `umg run`, then run by a daemon."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("UMG_ENGINE", "sail")
        lake = Lake(tmp_path_factory.mktemp("backfilled") / "home", on_disk=True)
        lake.configure("[automation]\nsensor_seconds = 1\n", first_day="2026-10-01")
        lake.drop_users("2026-10-01", [("u1", "AT", "", "2000-05-05"), ("u2", "DE", "", "1990-05-05")])
        lake.drop_tracks("2026-10-01", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
        for day in DAYS:
            lake.drop_plays(
                day.isoformat(),
                [(f"{day}{user}", user, "", "t1", f"{day}T12:00:00Z", 190_000) for user in ("u1", "u2")],
            )
        lake.run()
        daemon = Daemon(lake, "umg_assets_tests.dying", web=True)
        daemon.start()
        yield Ui(lake, daemon)
        daemon.kill()


def test_runs_of_umg_run_are_listed_with_their_jobs_and_can_be_executed_again(ui: Ui):
    content = ui.lake.content()
    jobs = ui.daemon.post(OF_JOBS)["data"]["repositoryOrError"]["jobs"]
    assert {"land_files", "build_days", "rank_tracks", "publish"} <= {job["name"] for job in jobs if job["runs"]}
    (first, *_) = [run for run in ui.daemon.runs() if run.job_name == "rank_tracks"]
    answer = ui.daemon.post(EXECUTE_AGAIN, run=first.run_id)["data"]["launchRunReexecution"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    again = answer["run"]["runId"]
    ended = ui.daemon.wait_for(
        lambda: [run for run in ui.daemon.runs() if run.run_id == again and run.is_finished], "it"
    )
    assert ended[0].status is DagsterRunStatus.SUCCESS
    assert (ended[0].asset_selection, ended[0].asset_check_selection) == (
        first.asset_selection,
        first.asset_check_selection,
    )
    ui.daemon.settle()
    assert ui.lake.content() == content


def test_a_backfill_of_a_range_of_days_is_one_run_and_leaves_the_tables_as_they_were(ui: Ui):
    content = ui.lake.content()
    backfill = ui.launch({"plays": ("2026-10-05", "2026-10-24")})
    assert ui.wait_for(backfill) == "COMPLETED_SUCCESS"
    [run] = ui.runs(backfill)
    assert run.tags["dagster/asset_partition_range_start"] == "2026-10-05"
    assert run.tags["dagster/asset_partition_range_end"] == "2026-10-24"
    ui.daemon.settle()
    assert ui.lake.content() == content


def test_days_picked_once_for_plays_sums_and_sessions_are_two_runs_for_sessions_of_the_days_around_may_change(ui: Ui):
    days = [day.isoformat() for day in DAYS[10:20]]
    assets = [{"path": [name]} for name in ("plays", "daily_track_plays", "sessions")]
    answer = ui.daemon.post(LAUNCH, params={"assetSelection": assets, "partitionNames": days})
    backfill = answer["data"]["launchPartitionBackfill"]["backfillId"]
    assert ui.wait_for(backfill) == "COMPLETED_SUCCESS"
    ranges = {
        tuple(sorted(key.path[-1] for key in run.asset_selection or ())): (
            run.tags["dagster/asset_partition_range_start"],
            run.tags["dagster/asset_partition_range_end"],
        )
        for run in ui.runs(backfill)
    }
    assert ranges == {
        ("daily_track_plays", "plays"): (days[0], days[-1]),
        ("sessions",): (DAYS[9].isoformat(), DAYS[22].isoformat()),
    }
    ui.daemon.settle()


def test_a_rectangle_of_months_and_markets_writes_its_charts_and_no_others(ui: Ui):
    content, version = ui.lake.content(), ui.lake.version("top_tracks_by_country")
    backfill = ui.launch({"top_tracks_by_country": ("AT|2026-10-01", "AT|2026-11-01")})
    assert ui.wait_for(backfill) == "COMPLETED_SUCCESS"
    ui.daemon.settle()
    assert ui.lake.content() == content
    assert len(ui.runs(backfill)) == 1
    assert written(ui.lake, "top_tracks_by_country", version) == {("AT", "2026-10-01"), ("AT", "2026-11-01")}


def test_a_backfill_of_the_whole_graph_is_one_run_a_partitioning_and_one_a_month_of_charts(ui: Ui):
    content = ui.lake.content()
    backfill = ui.launch(WHOLE_GRAPH)
    assert ui.wait_for(backfill) == "COMPLETED_SUCCESS"
    selections = [sorted(key.path[-1] for key in run.asset_selection or ()) for run in ui.runs(backfill)]
    assert sorted(selections) == sorted(
        [sorted(DAILY), ["monthly_track_plays"], ["top_tracks_by_country"], ["top_tracks_by_country"]]
    )
    ui.daemon.settle()
    assert ui.lake.content() == content


def test_movements_and_exports_wait_for_a_backfill_of_their_upstream_and_see_a_file_that_lands_meanwhile(ui: Ui):
    (ui.lake.home / "stop_before_monthly_track_plays").touch()
    before = len(ui.daemon.runs())
    backfill = ui.launch(WHOLE_GRAPH)
    ui.daemon.wait_for(lambda: [run for run in ui.runs(backfill) if "monthly" in str(run.asset_selection)], "months")
    day = DAYS[3].isoformat()
    ui.lake.drop_plays(f"{day}-late", [("late", "u1", "", "t1", f"{day}T15:00:00Z", 190_000)])
    ui.daemon.wait_for(lambda: "late.csv" in str(ui.lake.history().latest().keys()), "the late file has landed")
    ui.daemon.wait_for(lambda: "under way" in ui.daemon.skips("ledger_sensor")[0], "the sensor waits")
    (ui.lake.home / "stop_before_monthly_track_plays").unlink()
    assert ui.wait_for(backfill) == "COMPLETED_SUCCESS"
    ui.daemon.settle()
    ended = max(index for index, run in enumerate(ui.daemon.runs()) if run.tags.get("dagster/backfill") == backfill)
    publishing = [
        index
        for index, run in enumerate(ui.daemon.runs())
        if index >= before and "chart_movements" in str(run.asset_selection)
    ]
    assert publishing
    assert min(publishing) > ended
    assert ("late",) in ui.lake.values("plays", "play_id")
    assert_same_as_fresh(ui.lake)


def test_after_a_canceled_and_a_failed_backfill_another_one_leaves_the_tables_as_they_were(ui: Ui):
    content = ui.lake.content()
    (ui.lake.home / "stop_before_sessions").touch()
    cancelled = ui.launch({"plays": (FIRST, LAST), "sessions": (FIRST, LAST)})
    ui.daemon.wait_for(lambda: [run for run in ui.runs(cancelled) if run.status is DagsterRunStatus.STARTED], "a run")
    ui.cancel(cancelled)
    (ui.lake.home / "stop_before_sessions").unlink()
    assert ui.wait_for(cancelled) == "CANCELED"
    (ui.lake.home / "fail_before_daily_track_plays").touch()
    failed = ui.launch({"daily_track_plays": (FIRST, LAST)})
    assert ui.wait_for(failed) == "COMPLETED_FAILED"
    [run] = ui.runs(failed)
    assert run.status is DagsterRunStatus.FAILURE
    assert ui.lake.content() == content, "a step that fails leaves its table as it was"
    resumed = ui.resume(failed)
    assert ui.wait_for(resumed) == "COMPLETED_SUCCESS"
    again = ui.launch({"plays": (FIRST, LAST), "sessions": (FIRST, LAST)})
    assert ui.wait_for(again) == "COMPLETED_SUCCESS"
    ui.daemon.settle()
    assert ui.lake.content() == content


def test_a_run_that_waits_for_ever_but_listens_ends_at_its_maximum_runtime_and_is_retried(ui: Ui):
    (ui.lake.home / "stop_before_plays").touch()
    backfill = ui.launch({"plays": (FIRST, FIRST)}, max_runtime=MAX_RUNTIME)
    ui.daemon.wait_for(lambda: [run for run in ui.runs(backfill) if run.is_finished], "the run's end")
    (ui.lake.home / "stop_before_plays").unlink()
    assert ui.wait_for(backfill) == "COMPLETED_SUCCESS"
    waited, *_, retry = ui.runs(backfill)
    assert (waited.status, retry.status) == (DagsterRunStatus.FAILURE, DagsterRunStatus.SUCCESS)
    with open_instance(ui.lake.home) as instance:
        messages = "\n".join(event.message for event in instance.all_logs(waited.run_id))
    assert f"Exceeded maximum runtime of {MAX_RUNTIME} seconds" in messages
    assert "killing its process" not in messages


def test_a_run_that_hangs_is_killed_after_its_maximum_runtime_and_frees_its_pool_for_the_retry(ui: Ui):
    content = ui.lake.content()
    (ui.lake.home / "hang_before_plays").touch()
    backfill = ui.launch({"plays": (FIRST, FIRST)}, max_runtime=MAX_RUNTIME)
    ui.daemon.wait_for(
        lambda: not (ui.lake.home / "hang_before_plays").exists() and len(ui.runs(backfill)) == 1, "a run that hangs"
    )
    [hanging] = ui.runs(backfill)
    with open_instance(ui.lake.home) as instance:
        assert instance.event_log_storage.get_concurrency_info("plays").active_run_ids == {hanging.run_id}
    assert ui.wait_for(backfill) == "COMPLETED_SUCCESS"
    hung, retry = ui.runs(backfill)
    assert (hung.run_id, hung.status) == (hanging.run_id, DagsterRunStatus.FAILURE)
    assert (retry.parent_run_id, retry.status) == (hung.run_id, DagsterRunStatus.SUCCESS)
    with open_instance(ui.lake.home) as instance:
        assert process_is_gone(instance, hung)
        messages = "\n".join(event.message for event in instance.all_logs(hung.run_id))
        assert "killing its process" in messages
        assert f"Exceeded maximum runtime of {MAX_RUNTIME} seconds" in messages
    ui.daemon.settle()
    with open_instance(ui.lake.home) as instance:
        assert not instance.event_log_storage.get_concurrency_info("plays").active_run_ids
    assert ui.lake.content() == content


def written(lake: Lake, table: str, version: int) -> set[tuple[str, ...]]:
    """The partition values of the files that commits after a version added or removed."""
    partitions = set()
    for number in range(version + 1, lake.version(table) + 1):
        log = lake.home / "tables" / table / "_delta_log" / f"{number:020d}.json"
        for action in map(json.loads, log.read_text().splitlines()):
            for file in (action.get("add"), action.get("remove")):
                if file:
                    partitions.add(tuple(value for _, value in sorted(file["partitionValues"].items())))
    return partitions
