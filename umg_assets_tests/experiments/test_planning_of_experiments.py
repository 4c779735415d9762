"""What makes an experiment's days and readout stale; and that without experiments nothing is planned for them."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from umg_assets.experiments.definition import Experiment
from umg_assets.planning import NEVER, WHOLE, Scope, Stamp, needed, plan
from umg_assets.resources.ledger import Entry, History
from umg_assets.resources.stamps import data_version, read_stamps
from umg_assets.runs import next_runs

FIRST = date(2026, 3, 9)
EXPERIMENT = Experiment.model_validate(
    {
        "hypothesis": "B listens longer than control",
        "owner": "ann",
        "salt": "salt-1",
        "variants": {"control": 1, "b": 1},
        "first_day": FIRST,
        "weeks": 1,
        "pre_period_days": 5,
        "settle_days": 2,
    }
)
SCOPE = Scope(date(2026, 1, 1), ("AT",), {}, False, {"x": EXPERIMENT})
WITHOUT = Scope(date(2026, 1, 1), ("AT",), {})


def entry(sequence: int, *days: int, source: str = "events") -> Entry:
    """A delivery that touches days of March 2026."""
    touched = [date(2026, 3, day) for day in days]
    return Entry(source, f"{sequence}.csv", date(2026, 3, 20), sequence=sequence, play_dates=touched)


def days_needed(today: date, *entries: Entry) -> dict[int, int]:
    """Day of March: the last sequence that touches the experiment's evidence through it."""
    need = needed(History(entries), SCOPE, today)["experiment_x_days"]
    return {date.fromisoformat(key).day: stamp.sequence for key, stamp in need.items()}


def test_a_day_is_read_once_it_is_over_from_the_first_with_data_on():
    assert days_needed(date(2026, 3, 12), entry(1, 9, 10, 11, 12)) == {9: 1, 10: 1, 11: 1}
    assert days_needed(date(2026, 3, 9), entry(1, 9)) == {}
    assert days_needed(date(2026, 4, 9), entry(1, 9)) == dict.fromkeys(range(9, 16), 1)


def test_what_comes_late_touches_the_days_from_the_one_before_its_own_on():
    found = days_needed(date(2026, 4, 1), entry(1, *range(9, 16)), entry(2, 12))
    assert found == {9: 1, 10: 1, 11: 2, 12: 2, 13: 2, 14: 2, 15: 2}


def test_the_pre_period_touches_every_day_and_what_lies_before_it_or_after_the_end_none():
    assert days_needed(date(2026, 4, 1), entry(1, *range(9, 16)), entry(2, 5)) == dict.fromkeys(range(9, 16), 2)
    assert set(days_needed(date(2026, 4, 1), entry(1, *range(9, 16)), entry(2, 1)).values()) == {1}
    assert set(days_needed(date(2026, 4, 1), entry(1, *range(9, 16)), entry(2, 20)).values()) == {1}


def test_what_another_definition_made_is_stale_whoever_owns_it(tmp_path: Path):
    (days, readout), scope = ("experiment_x_days", "experiment_x_readout"), SCOPE.definitions
    assert set(scope) == {days, readout}
    owned = replace(SCOPE, experiments={"x": EXPERIMENT.model_copy(update={"owner": "bea"})})
    assert owned.definitions == scope
    edited = replace(SCOPE, experiments={"x": EXPERIMENT.model_copy(update={"alpha": 0.01})})
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        for name, partition in ((days, "2026-03-09"), (readout, None)):
            tags = {DATA_VERSION_TAG: data_version(Stamp(5, FIRST), scope[name]).value}
            instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=partition, tags=tags))
        assert read_stamps(instance, (days, readout), scope) == {
            days: {"2026-03-09": Stamp(5, FIRST)},
            readout: {WHOLE: Stamp(5, FIRST)},
        }
        assert read_stamps(instance, (days, readout), edited.definitions) == {
            days: {"2026-03-09": NEVER},
            readout: {WHOLE: NEVER},
        }


def test_plays_touch_an_experiment_as_events_do():
    assert days_needed(date(2026, 4, 1), entry(1, *range(9, 16), source="plays"), entry(2, 15))[15] == 2


def test_a_readout_is_made_again_on_each_day_until_the_last_has_settled():
    history = History((entry(1, *range(9, 16)),))
    for today, asked in ((12, 12), (17, 17), (18, 18), (19, 18), (30, 18)):
        need = needed(history, SCOPE, date(2026, 3, today))["experiment_x_readout"][WHOLE]
        assert need == Stamp(1, date(2026, 3, asked)), today


def test_days_come_before_their_readout_and_each_experiment_has_a_job_of_its_own():
    history, today = History((entry(1, 9),)), date(2026, 3, 11)
    todo = plan(history, {}, SCOPE, today)
    measured = {asset: {key: Stamp(9, today) for key in keys} for asset, keys in todo.partitions.items()}
    stale = plan(history, {**measured, "experiment_x_days": {}, "experiment_x_readout": {}}, SCOPE, today)
    runs = next_runs(stale, history, {}, experiments=["x"])
    assert [(run.job, run.assets, run.bounds) for run in runs] == [
        ("read_x", ("experiment_x_days", "experiment_x_readout"), ("2026-03-09", "2026-03-10"))
    ]
    first = next_runs(todo, history, {}, experiments=["x"])
    assert "read_x" not in [run.job for run in first]


def test_without_experiments_events_ask_for_nothing():
    today = date(2026, 4, 1)
    need = needed(History((entry(1, 9),)), WITHOUT, today)
    assert not any(need.values())
    assert not {"visits", "user_days", "exposure_days"} & set(need)


def test_events_ask_for_plays_where_plays_are_made_of_them_and_for_the_days_beside_that_have_events():
    history = History((entry(1, 9, 10, 12), entry(2, 10)))
    scope = Scope(date(2026, 1, 1), ("AT",), {}, True)
    need = needed(history, scope, date(2026, 4, 1))["plays"]
    assert {date.fromisoformat(key).day: stamp.sequence for key, stamp in need.items()} == {9: 2, 10: 2, 12: 1}


def test_a_stamp_that_has_seen_less_makes_a_day_stale():
    history, today = History((entry(1, 9), entry(2, 9))), date(2026, 3, 10) + timedelta(days=9)
    seen = {"experiment_x_days": {f"2026-03-{day:02}": Stamp(2, today) for day in range(9, 16)}}
    seen["experiment_x_days"]["2026-03-12"] = Stamp(1, today)
    seen["experiment_x_days"]["2026-03-13"] = NEVER
    assert plan(history, seen, SCOPE, today).partitions["experiment_x_days"] == ["2026-03-12", "2026-03-13"]
