"""A small `make bench-experiments`: experiments drawn from users, within the binomial limits of their number."""

import numpy as np
import pytest

from bench.drawing import World, definition, past_window
from bench.experiments import Line, effect_lines, limits, null_lines, run_many, split_lines
from umg_assets.experiments.power import Plan, make_plan

NULLS, EFFECTS = 250, 100
SMALL = World(users=2_500)


@pytest.fixture(scope="module")
def plan() -> Plan:
    """What the small world's past promises."""
    return make_plan(definition(), [past_window(SMALL, 60, np.random.default_rng(3))])


def test_limits_are_the_binomial_distributions_own():
    low, high = limits(0.05, 20_000)
    assert (round(20_000 * low), round(20_000 * high)) == (900, 1103)
    assert not Line("a test that never rejects", 0.0, 300, *limits(0.05, 300)).passed
    assert not Line("a test that rejects every third", 0.33, 300, *limits(0.05, 300)).passed


def test_readouts_of_experiments_without_an_effect_err_as_often_as_they_say(plan: Plan):
    experiment = definition(minimum_effect=plan.windows[0].detectable)
    outcomes = np.concatenate(list(run_many(experiment, plan, SMALL, 0.0, NULLS, 11, 1)))
    lines = null_lines(outcomes, 0.05)
    assert [line.name for line in lines if not line.passed] == []
    shares = {line.name: line.share for line in lines}
    assert shares["error under daily looks"] > 0
    assert shares["naive: t-test over sessions"] > 0.2
    assert shares["naive: the user-level test, looked at daily"] > 0.1


def test_readouts_of_experiments_with_the_planned_effect_find_it_as_often_as_planned(plan: Plan):
    experiment = definition(minimum_effect=plan.windows[0].detectable)
    found = run_many(experiment, plan, SMALL, plan.windows[0].detectable, EFFECTS, 12, 1)
    lines = effect_lines(np.concatenate(list(found)), experiment.power, 0.05)
    assert [line.name for line in lines if not line.passed] == []


def test_fair_splits_alarm_once_in_a_thousand():
    (line,) = split_lines(4_000, np.random.default_rng(5))
    assert line.passed
