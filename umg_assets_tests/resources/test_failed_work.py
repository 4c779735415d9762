"""Work that cannot succeed: counted, so that sensors ask for it less often, and named by a check."""

from datetime import timedelta

import dagster as dg
import pytest

from umg_assets import clock
from umg_assets.build import build_definitions
from umg_assets.catalogue import LAND_FILES, Catalogue
from umg_assets.resources.failed_work import WORK, failures, work_that_stays_failed
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough
RANGE = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def job(name: str, fails: bool) -> dg.JobDefinition:
    """A job that fails, or not."""

    @dg.op
    def do() -> None:
        if fails:
            raise RuntimeError("cannot succeed")

    @dg.job(name=name)
    def of_op() -> None:
        do()

    return of_op


def run(instance: dg.DagsterInstance, fails: bool, work: str = "w", day: str = "2026-03-02") -> None:
    """A run of the job `build` over one day."""
    tags = {WORK: work, **dict.fromkeys(RANGE, day)}
    job("build", fails).execute_in_process(instance=instance, tags=tags, raise_on_error=False)


def test_failed_runs_of_the_same_work_are_counted():
    with dg.instance_for_test() as instance:
        run(instance, fails=True)
        run(instance, fails=True)
        run(instance, fails=True, work="other")
        run(instance, fails=False)
        assert (failures(instance, "w"), failures(instance, "other"), failures(instance, "none")) == (2, 1, 0)


def test_work_stays_failed_after_three_failures_in_a_row_whatever_it_was_asked_for_and_a_success_ends_it():
    with dg.instance_for_test() as instance:
        run(instance, fails=True, work="1")
        run(instance, fails=True, work="2")
        assert work_that_stays_failed(instance) == []
        run(instance, fails=True, work="3")
        run(instance, fails=True, work="4", day="2026-03-09")
        [failed] = work_that_stays_failed(instance)
        assert (failed.job, failed.bounds, failed.failed) == ("build", ("2026-03-02", "2026-03-02"), 3)
        assert abs(clock.now() - failed.last) < timedelta(minutes=5)
        run(instance, fails=False)
        assert work_that_stays_failed(instance) == []


def test_the_check_names_a_file_that_has_failed_to_land_three_times_until_it_lands(sail_lake: Lake):
    sail_lake.drop_plays("2026-03-02", [("a", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 1000, "AT")])
    catalogue, defs = Catalogue.of(sail_lake.settings), build_definitions(sail_lake.settings)
    tags: dict[str, str] = dict.fromkeys(RANGE, "2026-03-02")
    landing = defs.resolve_job_def(LAND_FILES).get_subset(
        asset_selection={dg.AssetKey(name) for name in catalogue.assets_of(LAND_FILES)}, asset_check_selection=set()
    )
    tables = sail_lake.home / "tables"
    tables.write_text("a file where the tables should lie: nothing can be written")
    for _ in range(3):
        assert not landing.execute_in_process(instance=sail_lake.instance, tags=tags, raise_on_error=False).success
    tables.unlink()
    [red] = evaluations(sail_lake, defs)
    assert not red.passed
    [row] = red.metadata["samples"].records  # type: ignore[union-attr]
    assert (row.data["job"], row.data["partitions"], row.data["failed"]) == (LAND_FILES, "2026-03-02 to 2026-03-02", 3)
    sail_lake.run()
    [green] = evaluations(sail_lake, defs)
    assert green.passed


def evaluations(lake: Lake, defs: dg.Definitions) -> list[dg.AssetCheckEvaluation]:
    """What the check says now, run alone."""
    key = dg.AssetCheckKey(dg.AssetKey("deliveries"), "no_work_stays_failed")
    chosen = defs.resolve_job_def("check_tables").get_subset(asset_selection=set(), asset_check_selection={key})
    return list(chosen.execute_in_process(instance=lake.instance).get_asset_check_evaluations())


def test_every_job_has_a_longest_run_time_of_the_hours_in_umg_toml(sail_lake: Lake):
    sail_lake.configure("[automation]\nmax_run_hours = 0.5\n")
    jobs = list(build_definitions(sail_lake.settings).resolve_all_job_defs())
    named = {job.name: job.tags.get("dagster/max_runtime") for job in jobs if not job.name.startswith("__")}
    assert set(named) >= {LAND_FILES, "build_days", "check_tables", "compact_tables", "close_the_day", "catch_up"}
    assert set(named.values()) == {"1800"}
