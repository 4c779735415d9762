"""What makes an experiment's days and readout stale; and that without experiments nothing is planned for them."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg

from umg_assets.catalogue import Catalogue
from umg_assets.graph import WHOLE, Asset
from umg_assets.planning.entry import Entry
from umg_assets.planning.history import History
from umg_assets.planning.required import plan, required_watermarks
from umg_assets.planning.runs import next_runs
from umg_assets.planning.watermark import NEVER, Watermark
from umg_assets.resources.dagster_internals import DATA_VERSION_TAG
from umg_assets.resources.watermarks import data_version, read_watermarks
from umg_assets.settings.experiment import Experiment

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
CATALOGUE = Catalogue.build(date(2026, 1, 1), ("AT",), experiments={"x": EXPERIMENT})
WITHOUT = Catalogue.build(date(2026, 1, 1), ("AT",))


def entry(sequence: int, *days: int, source: str = "events") -> Entry:
    """A delivery that touches days of March 2026."""
    touched = [date(2026, 3, day) for day in days]
    return Entry(source, f"{sequence}.csv", date(2026, 3, 20), sequence=sequence, play_dates=touched)


def days_needed(today: date, *entries: Entry) -> dict[int, int]:
    """Day of March: the last sequence that touches the experiment's evidence through it."""
    need = required_watermarks(History(entries), CATALOGUE, today)["experiment_x_days"]
    return {date.fromisoformat(key).day: watermark.sequence for key, watermark in need.items()}


def test_a_day_is_read_once_it_is_over_from_the_first_with_data_on():
    assert days_needed(date(2026, 3, 12), entry(1, 9, 10, 11, 12)) == {9: 1, 10: 1, 11: 1}
    assert days_needed(date(2026, 3, 9), entry(1, 9)) == {}
    assert days_needed(date(2026, 4, 9), entry(1, 9)) == dict.fromkeys(range(9, 16), 1)


def test_what_comes_late_touches_the_days_from_the_one_before_its_own_on():
    needed = days_needed(date(2026, 4, 1), entry(1, *range(9, 16)), entry(2, 12))
    assert needed == {9: 1, 10: 1, 11: 2, 12: 2, 13: 2, 14: 2, 15: 2}


def test_the_pre_period_touches_every_day_and_what_lies_before_it_or_after_the_end_none():
    assert days_needed(date(2026, 4, 1), entry(1, *range(9, 16)), entry(2, 5)) == dict.fromkeys(range(9, 16), 2)
    assert set(days_needed(date(2026, 4, 1), entry(1, *range(9, 16)), entry(2, 1)).values()) == {1}
    assert set(days_needed(date(2026, 4, 1), entry(1, *range(9, 16)), entry(2, 20)).values()) == {1}


def test_what_another_definition_made_is_stale_whoever_owns_it(tmp_path: Path):
    names = ("experiment_x_days", "experiment_x_readout")

    def defined(**changes: object) -> list[Asset]:
        edited = Catalogue.build(date(2026, 1, 1), ("AT",), experiments={"x": EXPERIMENT.model_copy(update=changes)})
        return [edited[name] for name in names]

    hashes = {asset.name: asset.definition_hash for asset in CATALOGUE if asset.definition_hash}
    assert set(hashes) == set(names)
    assert {asset.name: asset.definition_hash for asset in defined(owner="bea")} == hashes
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        for name, partition in zip(names, ("2026-03-09", None), strict=True):
            tags = {DATA_VERSION_TAG: data_version(Watermark(5, FIRST), hashes[name]).value}
            instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=partition, tags=tags))
        days, readout = names
        assert read_watermarks(instance, defined(owner="bea")) == {
            days: {"2026-03-09": Watermark(5, FIRST)},
            readout: {WHOLE: Watermark(5, FIRST)},
        }
        assert read_watermarks(instance, defined(alpha=0.01)) == {
            days: {"2026-03-09": NEVER},
            readout: {WHOLE: NEVER},
        }


def test_of_a_partitioned_asset_only_partitions_have_a_watermark(tmp_path: Path):
    """Its first partition may be written between two queries: then it has no partition yet, and an event."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("plays"))
        assert read_watermarks(instance, [CATALOGUE["plays"]]) == {"plays": {}}


def test_plays_touch_an_experiment_as_events_do():
    assert days_needed(date(2026, 4, 1), entry(1, *range(9, 16), source="plays"), entry(2, 15))[15] == 2


def test_a_readout_is_made_again_on_each_day_until_the_last_has_settled():
    history = History((entry(1, *range(9, 16)),))
    for today, asked in ((12, 12), (17, 17), (18, 18), (19, 18), (30, 18)):
        need = required_watermarks(history, CATALOGUE, date(2026, 3, today))["experiment_x_readout"][WHOLE]
        assert need == Watermark(1, date(2026, 3, asked)), today


def test_days_come_before_their_readout_and_each_experiment_has_a_job_of_its_own():
    history, today = History((entry(1, 9),)), date(2026, 3, 11)
    todo = plan(history, {}, CATALOGUE, today)
    measured = {asset: {key: Watermark(9, today) for key in keys} for asset, keys in todo.partitions.items()}
    stale = plan(history, {**measured, "experiment_x_days": {}, "experiment_x_readout": {}}, CATALOGUE, today)
    runs = next_runs(stale.partitions, history, {}, CATALOGUE)
    assert [(run.job, run.assets, run.bounds) for run in runs] == [
        ("read_x", ("experiment_x_days", "experiment_x_readout"), ("2026-03-09", "2026-03-10"))
    ]
    first = next_runs(todo.partitions, history, {}, CATALOGUE)
    assert "read_x" not in [run.job for run in first]


def test_without_experiments_events_ask_for_nothing():
    today = date(2026, 4, 1)
    need = required_watermarks(History((entry(1, 9),)), WITHOUT, today)
    assert not any(need.values())
    assert not {"visits", "user_days", "exposure_days"} & set(need)


def test_events_ask_for_plays_where_plays_are_made_of_them_and_for_the_days_beside_that_have_events():
    history = History((entry(1, 9, 10, 12), entry(2, 10)))
    catalogue = Catalogue.build(date(2026, 1, 1), ("AT",), event_plays=True)
    need = required_watermarks(history, catalogue, date(2026, 4, 1))["plays"]
    assert {date.fromisoformat(key).day: watermark.sequence for key, watermark in need.items()} == {9: 2, 10: 2, 12: 1}


def test_a_stamp_that_has_seen_less_makes_a_day_stale():
    history, today = History((entry(1, 9), entry(2, 9))), date(2026, 3, 10) + timedelta(days=9)
    seen = {"experiment_x_days": {f"2026-03-{day:02}": Watermark(2, today) for day in range(9, 16)}}
    seen["experiment_x_days"]["2026-03-12"] = Watermark(1, today)
    seen["experiment_x_days"]["2026-03-13"] = NEVER
    assert plan(history, seen, CATALOGUE, today).partitions["experiment_x_days"] == ["2026-03-12", "2026-03-13"]
