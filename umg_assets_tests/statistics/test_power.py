"""Plans over users, beside the formula over sessions, and compared with published numbers."""

import math

import numpy as np
import pytest
import tea_tasting as tt

from bench.drawing import World, definition, past_window
from umg_assets.statistics.moments import SessionMoments
from umg_assets.statistics.power import (
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
    orders = moments("listening_per_user", "", table["orders"], ones, table["orders_covariate"], ones)
    planned = experiment(primary="listening_per_user")
    looks = drift_needed(planned) / (1.959964 + 0.841621)
    window = PastWindow(2, (orders,), SessionMoments("", 4_000, 4_000, 4_000))
    (fixed,) = make_plan(planned, [window]).windows
    assert math.log1p(fixed.detectable) / looks == pytest.approx(0.072 * math.sqrt(10_000 / 4_000), rel=0.01)


def test_ten_thousand_sessions_detect_about_ten_per_cent_where_the_naive_formula_promises_under_six():
    window = past_window(World(), 40, np.random.default_rng(1))
    plan = make_plan(definition().model_copy(update={"target_sessions": 10_000}), [window])
    assert plan.at_target is not None
    users, detectable, naive = plan.at_target
    assert 1_600 < users < 2_200
    assert 0.085 < detectable < 0.115
    assert 0.05 < naive < 0.065
    assert "a formula over sessions would promise" in plan.sentences[0]


def windows(*weeks: int) -> list[PastWindow]:
    """Past windows of so many weeks, with 500 new users a week."""
    rng = np.random.default_rng(2)
    past = []
    for count in weeks:
        visits = rng.poisson(4, 500 * count) + 1
        rows = tuple(
            moments(name, "", visits * rng.gamma(1, 300, len(visits)), visits)
            for name in ("session_duration", "skip_rate")
        )
        past.append(PastWindow(count, rows, SessionMoments("", int(visits.sum()), 1, 1)))
    return past


def test_a_plan_names_the_weeks_that_the_minimum_effect_needs():
    plan = make_plan(experiment(minimum_effect=0.12), windows(1, 2, 4, 8))
    assert [window.weeks for window in plan.windows] == [1, 2, 4, 8]
    detectable = [window.detectable for window in plan.windows]
    assert detectable == sorted(detectable, reverse=True)
    assert plan.weeks_needed == next(window.weeks for window in plan.windows if window.detectable <= 0.12)
    assert "needs more than 1 weeks" in make_plan(experiment(minimum_effect=0.01), windows(1)).sentences[-1]


def test_half_the_traffic_is_half_the_information_and_a_holdout_takes_its_share():
    information = [
        make_plan(planned, windows(2)).information["session_duration"]
        for planned in (experiment(), experiment(traffic=0.5), experiment(holdout=0.2))
    ]
    assert information[1] == pytest.approx(information[0] / 2, rel=0.02)
    assert information[2] == pytest.approx(information[0] * 0.8, rel=0.02)


def test_each_test_gets_more_power_the_more_guardrails_there_are():
    # Schultzberg, Ankargren, Frånberg (2024), arXiv 2402.11609: beta / (G + 1) each; guardrails divide no alpha
    guarded = experiment(guardrails={"skip_rate": 0.05, "return_rate": 0.05, "completion_rate": 0.05})
    assert power_each(guarded) == pytest.approx(0.95)
    assert success_alpha(guarded) == 0.05
    several = experiment(primary=("session_duration", "return_rate"), variants={"control": 1, "b": 1, "c": 1})
    assert success_alpha(several) == pytest.approx(0.05 / 4)


def test_without_a_plan_the_minimum_effect_and_the_margin_set_the_planned_information():
    guarded = experiment(minimum_effect=0.1, guardrails={"skip_rate": 0.02})
    needed = planned_information(guarded, None, "session_duration")
    assert needed == pytest.approx((drift_needed(guarded) / math.log(1.1)) ** 2)
    assert planned_information(guarded, None, "skip_rate") > 10 * needed
    plan = make_plan(guarded, windows(2))
    assert planned_information(guarded, plan, "session_duration") == plan.information["session_duration"]


def test_a_plan_without_a_past_says_what_it_needs():
    with pytest.raises(ValueError, match="at least one past window"):
        make_plan(experiment(), [])
    with pytest.raises(ValueError, match="expected moments of return_rate"):
        make_plan(experiment(primary="return_rate"), windows(2))


@pytest.mark.parametrize("seconds", [9.99, 3.0, 0.0])
def test_a_plan_for_a_metric_that_does_not_vary_is_refused_in_words(seconds: float):
    visits = np.random.default_rng(1).poisson(4, 500) + 1
    rows = (moments("session_duration", "", visits * seconds, visits),)
    with pytest.raises(
        ValueError, match=r"expected session_duration to vary over users .* 2 weeks, got one value for all"
    ):
        make_plan(experiment(), [PastWindow(2, rows, SessionMoments("", 50, 150, 500))])


def test_sessions_that_are_all_alike_promise_nothing_by_the_formula_over_sessions():
    alike = SessionMoments("", 50, sum([9.99] * 50), sum([9.99**2] * 50))
    assert 50 * alike.nn - alike.n**2 < 0, "rounding puts it below 0"
    (window,) = windows(2)
    (planned,) = make_plan(experiment(), [PastWindow(2, window.moments, alike)]).windows
    assert math.isnan(planned.naive)
