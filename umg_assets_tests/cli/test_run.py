"""`umg run --explain`: which partitions a run would build, and why; nothing is run."""

from datetime import date

import pytest

from umg_assets.cli.run import runner_of
from umg_assets.planning.runs import Run
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough


def runs_of(rounds: list[list[Run]]) -> list[list[tuple]]:
    """The jobs and ranges of each round."""
    return [[(run.job, run.bounds) for run in runs] for runs in rounds]


def test_the_explanation_is_what_the_run_then_does_and_changes_nothing(sail_lake: Lake):
    runner = runner_of(sail_lake.settings, instance=sail_lake.instance)
    sail_lake.drop_plays("2026-03-02", [("a", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 190_000, "AT")])
    before = runner.explain()
    assert [(run.job, run.bounds, run.why) for run in before.landing] == [
        ("land_files", ("2026-03-02", "2026-03-02"), "landing 2026-03-02 changed: 2026-03-02.csv")
    ]
    assert before.rounds == []
    assert not (sail_lake.home / "tables").exists(), "nothing is run, nothing is made"
    sail_lake.run()
    assert (runner.explain().landing, runner.explain().rounds) == ([], [])
    versions = sail_lake.versions()
    again = runner.explain((date(2026, 3, 2), date(2026, 3, 2)))
    planned = {asset: run.keys[asset] for runs in again.rounds for run in runs for asset in run.assets}
    assert planned["plays"] == ["2026-03-02"]
    assert sail_lake.versions() == versions
    report = sail_lake.run(rebuild=(date(2026, 3, 2), date(2026, 3, 2)))
    assert report.partitions == planned
    assert report.runs == sum(len(runs) for runs in again.rounds)
