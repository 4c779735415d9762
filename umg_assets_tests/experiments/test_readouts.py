"""Looks are kept once, however many readouts are taken at once."""

import json
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import deltalake
import numpy as np
import pyarrow as pa
import pytest

from umg_assets import clock, tables
from umg_assets.experiments import readouts
from umg_assets.experiments.evidence_text import to_text
from umg_assets.experiments.look_log import LookLog, repeated_looks
from umg_assets.experiments.page import render_page
from umg_assets.experiments.readouts import Readouts
from umg_assets.resources.schema import delta_schema
from umg_assets.statistics.looks import Look
from umg_assets_tests.experiments.users import FIRST_DAY, evidence, experiment, moments

TODAY = FIRST_DAY + timedelta(days=30)
EXPERIMENT = experiment()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with the tables of experiments alone, and three days of evidence of the experiment `x`."""
    for table in (tables.EXPERIMENT_DAYS, tables.READOUTS, tables.DECISIONS):
        path = tmp_path / "tables" / table.name
        deltalake.DeltaTable.create(path, delta_schema(table), partition_by=list(table.partitioned_by))
    for day in (1, 2, 3):
        add_day(tmp_path, day)
    return tmp_path


def add_day(home: Path, day: int) -> None:
    """Evidence through the n-th day: 300 more users a variant on each."""
    rng = np.random.default_rng(day)
    visits, seconds = rng.poisson(4, (2, 300 * day)) + 1, rng.gamma(4, 75, (2, 300 * day))
    rows = [moments("session_duration", name, seconds[arm] * 1000, visits[arm]) for arm, name in enumerate("ab")]
    rows = [replace(row, variant=name) for row, name in zip(rows, EXPERIMENT.variants, strict=True)]
    kept = {"experiment": "x", "through_date": FIRST_DAY + timedelta(days=day - 1), "frozen": None}
    kept |= {"definition_hash": EXPERIMENT.definition_hash, "evidence": to_text(evidence(*rows, day=day))}
    path = home / "tables" / tables.EXPERIMENT_DAYS.name
    schema = pa.schema(deltalake.DeltaTable(path).schema().to_arrow())
    deltalake.write_deltalake(path, pa.Table.from_pylist([kept], schema=schema), mode="append")


def keys(looks: list[Look]) -> list[tuple[str, str, date]]:
    """What must be there once."""
    return [(look.metric, look.treatment, look.day) for look in looks]


def log_twice(home: Path) -> list[Look]:
    """Looks of three days as two readouts at once logged them before they locked the log; returns the first ones."""
    Readouts(home).take("x", EXPERIMENT, TODAY)
    log = LookLog(home, "x")
    looks = log.read()
    log.append(replace(look, z=look.z + 1) for look in looks)
    return looks


@pytest.mark.parametrize("what", ["take", "publish"])
def test_two_readouts_at_once_append_each_look_once(home: Path, monkeypatch: pytest.MonkeyPatch, what: str):
    both_read, making = threading.Barrier(2, timeout=1), readouts.make_readout

    def make_when_both_have_read(*arguments, **options):
        with suppress(threading.BrokenBarrierError):  # a readout that the lock keeps waiting never comes here
            both_read.wait()
        return making(*arguments, **options)

    monkeypatch.setattr(readouts, "make_readout", make_when_both_have_read)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            getattr(Readouts(home), what)("x", EXPERIMENT, TODAY)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    logged = [row["look"] for row in deltalake.DeltaTable(home / "tables" / "readouts").to_pyarrow_table().to_pylist()]
    assert len(logged) == 3
    assert keys(Readouts(home).looks("x")) == [
        ("session_duration", "b", FIRST_DAY + timedelta(days=day)) for day in range(3)
    ]
    assert Readouts(home).take("x", EXPERIMENT, TODAY).new == ()


def test_the_page_shows_the_view_that_is_written_beside_it(home: Path):
    Readouts(home).publish("x", EXPERIMENT, TODAY)
    Readouts(home).decide("x", EXPERIMENT, "ship", "ann", "it won", TODAY)
    Readouts(home).publish("x", EXPERIMENT, TODAY)
    folder = Readouts(home).folder("x")
    view = json.loads((folder / "page.json").read_text())
    assert (folder / "readout.html").read_text() == render_page(view)
    assert [decision["why"] for decision in view["decisions"]] == ["it won"]
    assert view["through"] == json.loads((folder / "readout.json").read_text())["through"]
    assert sorted(file.name for file in folder.iterdir()) == ["page.json", "readout.html", "readout.json"]


def test_readouts_of_other_experiments_do_not_wait(home: Path):
    with LookLog(home, "y").lock():
        assert len(Readouts(home).take("x", EXPERIMENT, TODAY).new) == 3


def test_of_a_look_that_was_logged_twice_the_first_counts_and_later_days_are_read_on(home: Path):
    first = log_twice(home)
    assert Readouts(home).looks("x") == first
    add_day(home, 4)
    taken = Readouts(home).take("x", EXPERIMENT, TODAY)
    assert keys(list(taken.new)) == [("session_duration", "b", FIRST_DAY + timedelta(days=3))]
    assert taken.readout.restated == ()


def test_the_first_look_is_the_one_taken_first_in_whatever_order_the_log_is_read(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    Readouts(home).take("x", EXPERIMENT, TODAY)
    log, now = LookLog(home, "x"), clock.now()
    earlier = [replace(look, z=9.0) for look in log.read()]
    monkeypatch.setattr(clock, "now", lambda: now - timedelta(days=1))
    log.append(earlier)
    assert log.read() == earlier


def test_repeated_looks_are_counted_by_experiment(home: Path, tmp_path: Path):
    assert repeated_looks(tmp_path / "nowhere") == {}
    Readouts(home).take("x", EXPERIMENT, TODAY)
    assert repeated_looks(home) == {}
    LookLog(home, "y").append(LookLog(home, "x").read())
    assert repeated_looks(home) == {}
    LookLog(home, "x").append(LookLog(home, "x").read()[:2])
    assert repeated_looks(home) == {"x": 2}
