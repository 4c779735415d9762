"""Plans: at the user, beside the formula over sessions, and against published numbers."""

import math

import numpy as np
import pytest
import tea_tasting as tt

from bench.drawing import World, definition, past_window
from umg_assets.experiments.moments import SessionMoments
from umg_assets.experiments.power import (
    PastWindow,
    drift_needed,
    make_plan,
    planned_information,
    power_each,
    success_alpha,
)
from umg_assets_tests.experiments.users import experiment, moments


def test_a_fixed_samples_detectable_effect_is_tea_tastings_documented_example():
    # tea-tasting's guide, power analysis: orders per user with CUPED, 10,000 users, power 80%: 7.2%; 20,000: 5.1%
    table = tt.make_users_data(
        rng=42, sessions_uplift=0, orders_uplift=0, revenue_uplift=0, covariates=True, return_type="pandas"
    )
    ones = np.ones(len(table))
    one = moments("listening_per_user", "", table["orders"], ones, table["orders_covariate"], ones)
    planned = experiment(primary="listening_per_user")
    looks = drift_needed(planned) / (1.959964 + 0.841621)
    window = PastWindow(2, (one,), SessionMoments("", 4_000, 4_000, 4_000))
    (found,) = make_plan(planned, [window]).windows
    assert math.log1p(found.detectable) / looks == pytest.approx(0.072 * math.sqrt(10_000 / 4_000), rel=0.01)


def test_ten_thousand_sessions_detect_about_ten_per_cent_where_the_naive_formula_promises_under_six():
    window = past_window(World(), 40, np.random.default_rng(1))
    plan = make_plan(definition().model_copy(update={"target_sessions": 10_000}), [window])
    assert plan.at_target is not None
    users, detectable, naive = plan.at_target
    assert 1_600 < users < 2_200
    assert 0.085 < detectable < 0.115
    assert 0.05 < naive < 0.065
    assert "a formula over sessions would promise" in plan.said[0]


def windows(*weeks: int) -> list[PastWindow]:
    """Past windows with so many weeks of 500 new users a week."""
    rng = np.random.default_rng(2)
    made = []
    for count in weeks:
        visits = rng.poisson(4, 500 * count) + 1
        rows = tuple(
            moments(name, "", visits * rng.gamma(1, 300, len(visits)), visits)
            for name in ("session_duration", "skip_rate")
        )
        made.append(PastWindow(count, rows, SessionMoments("", int(visits.sum()), 1, 1)))
    return made


def test_a_plan_names_the_weeks_that_the_minimum_effect_needs():
    plan = make_plan(experiment(minimum_effect=0.12), windows(1, 2, 4, 8))
    assert [one.weeks for one in plan.windows] == [1, 2, 4, 8]
    assert [one.detectable for one in plan.windows] == sorted((one.detectable for one in plan.windows), reverse=True)
    assert plan.weeks_needed == next(one.weeks for one in plan.windows if one.detectable <= 0.12)
    assert "needs more than 1 weeks" in make_plan(experiment(minimum_effect=0.01), windows(1)).said[-1]


def test_half_the_traffic_is_half_the_information_and_a_holdout_takes_its_share():
    information = [
        make_plan(one, windows(2)).information["session_duration"]
        for one in (experiment(), experiment(traffic=0.5), experiment(holdout=0.2))
    ]
    assert information[1] == pytest.approx(information[0] / 2, rel=0.02)
    assert information[2] == pytest.approx(information[0] * 0.8, rel=0.02)


def test_every_test_gets_more_power_the_more_guardrails_must_hold_beside_it():
    # Schultzberg, Ankargren, Frånberg (2024), arXiv 2402.11609: beta / (G + 1) each; guardrails divide no alpha
    guarded = experiment(guardrails={"skip_rate": 0.05, "return_rate": 0.05, "completion_rate": 0.05})
    assert power_each(guarded) == pytest.approx(0.95)
    assert success_alpha(guarded) == 0.05
    several = experiment(primary=("session_duration", "return_rate"), variants={"control": 1, "b": 1, "c": 1})
    assert success_alpha(several) == pytest.approx(0.05 / 4)


def test_without_a_plan_looks_are_held_to_what_the_minimum_effect_and_the_margin_need():
    one = experiment(minimum_effect=0.1, guardrails={"skip_rate": 0.02})
    needed = planned_information(one, None, "session_duration")
    assert needed == pytest.approx((drift_needed(one) / math.log(1.1)) ** 2)
    assert planned_information(one, None, "skip_rate") > 10 * needed
    plan = make_plan(one, windows(2))
    assert planned_information(one, plan, "session_duration") == plan.information["session_duration"]


def test_a_plan_without_a_past_says_what_it_needs():
    with pytest.raises(ValueError, match="at least one past window"):
        make_plan(experiment(), [])
    with pytest.raises(ValueError, match="expected moments of return_rate"):
        make_plan(experiment(primary="return_rate"), windows(2))
