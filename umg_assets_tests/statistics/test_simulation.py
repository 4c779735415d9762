"""A small `make bench-experiments`: simulated experiments, within the binomial limits of their number."""

import numpy as np
import pytest

from bench.drawing import World, definition, past_window
from bench.experiments import Line, effect_lines, limits, misfit_lines, null_lines, run_many, split_lines
from umg_assets.statistics.power import Plan, make_plan

SMALL = World(users=2_500)


@pytest.fixture(scope="module")
def plan() -> Plan:
    """The plan by the small world's past."""
    return make_plan(definition(), [past_window(SMALL, 60, np.random.default_rng(3))])


def test_limits_are_those_of_the_binomial_distribution():
    low, high = limits(0.05, 20_000)
    assert (round(20_000 * low), round(20_000 * high)) == (900, 1103)
    assert not Line("a test that never rejects", 0.0, 300, *limits(0.05, 300)).passed
    assert not Line("a test that rejects one in three", 0.33, 300, *limits(0.05, 300)).passed


@pytest.mark.parametrize("count", [40, pytest.param(250, marks=pytest.mark.exhaustive)])
def test_readouts_of_experiments_without_an_effect_err_as_often_as_they_say(plan: Plan, count: int):
    experiment = definition(minimum_effect=plan.windows[0].detectable)
    outcomes = np.concatenate(list(run_many(experiment, plan, SMALL, 0.0, count, 11, 1)))
    lines = null_lines(outcomes, 0.05)
    assert [line.name for line in lines if not line.passed] == []
    shares = {line.name: line.share for line in lines}
    assert shares["error under daily looks"] > 0
    assert shares["naive: t-test over sessions"] > 0.2
    assert shares["naive: the user-level test, looked at daily"] > 0.1


@pytest.mark.parametrize("count", [20, pytest.param(100, marks=pytest.mark.exhaustive)])
def test_readouts_of_experiments_with_the_planned_effect_find_it_as_often_as_planned(plan: Plan, count: int):
    experiment = definition(minimum_effect=plan.windows[0].detectable)
    outcomes = run_many(experiment, plan, SMALL, plan.windows[0].detectable, count, 12, 1)
    lines = effect_lines(np.concatenate(list(outcomes)), experiment.power, 0.05)
    assert [line.name for line in lines if not line.passed] == []


@pytest.mark.parametrize("count", [30, pytest.param(200, marks=pytest.mark.exhaustive)])
def test_a_plan_that_does_not_fit_ships_no_more_often_than_alpha(count: int):
    assert [line for line in misfit_lines(count, 13, 1) if not line.passed] == []


def test_fair_splits_alarm_once_in_a_thousand():
    (line,) = split_lines(4_000, np.random.default_rng(5))
    assert line.passed
