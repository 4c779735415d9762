"""Bounds and intervals under repeated looks, compared with published tables."""

import math
from datetime import date, timedelta

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from umg_assets.statistics import looks
from umg_assets.statistics.looks import Look, Spending, Step, always_valid, bound_for, design, needed_drift, power_of

# Reboussin, DeMets, Kim, Lan (2000), Controlled Clinical Trials 21, 190-207: the ld98 (R: ldbounds) example of five
# equal looks, two-sided 0.05. ld98 integrates to 4 digits.
LAN_DEMETS = {
    "obrien_fleming": (4.8769, 3.3569, 2.6803, 2.2898, 2.0310),
    "pocock": (2.4380, 2.4268, 2.4101, 2.3966, 2.3859),
}


@pytest.mark.parametrize("spending", LAN_DEMETS)
def test_bounds_of_five_equal_looks_are_those_of_ld98(spending: Spending):
    bounds = [bound for _, bound in design(0.05, spending, 2.0, 5)]
    assert bounds == pytest.approx(LAN_DEMETS[spending], abs=3e-4)


def test_the_power_familys_nominal_levels_are_those_that_spotifys_confidence_publishes():
    # spotify/confidence, tests/frequentist/test_bounds.py, test_seq_bounds_run_over: alpha 0.01, exponent 2, samples of
    # 250, 450, 630, 810; itself compared with R's ldbounds.
    steps, used, levels = [], 0.0, []
    for sample in (250, 450, 630, 810):
        total = looks.spent("power", 0.01, sample / 810, 2.0)
        bound = bound_for(total - used, used, sample / 810, steps)
        steps.append((sample / 810, bound))
        used = total
        levels.append(2 * norm.sf(bound))
    assert levels == pytest.approx([0.00095, 0.00241, 0.00410, 0.00636], abs=1e-5)


# Jennison, Turnbull (2000), Group Sequential Methods, two-sided 0.05: tables 2.1 and 2.3 (constants), and tables 2.2
# and 2.4 (the sample's inflation at power 0.8).
POCOCK = {2: (2.178, 1.110), 3: (2.289, 1.166), 5: (2.413, 1.229), 10: (2.555, 1.301)}
OBRIEN_FLEMING = {2: (1.977, 1.008), 3: (2.004, 1.017), 5: (2.040, 1.028), 10: (2.087, 1.040)}


@pytest.mark.parametrize(("table", "falls"), [(POCOCK, False), (OBRIEN_FLEMING, True)])
def test_the_integration_gives_the_error_and_the_power_of_jennison_and_turnbulls_tables(table: dict, falls: bool):
    for count, (constant, inflation) in table.items():
        fractions = np.arange(1, count + 1) / count
        bounds = constant / np.sqrt(fractions) if falls else np.full(count, constant)
        plan = list(zip(fractions.tolist(), bounds.tolist(), strict=True))
        assert 2 * power_of(0.0, plan) == pytest.approx(0.05, abs=1e-4)
        drift = float(norm.isf(0.025) + norm.ppf(0.8)) * math.sqrt(inflation)
        assert power_of(drift, plan) == pytest.approx(0.8, abs=6e-4)


def test_one_look_is_the_fixed_test():
    assert design(0.05, "pocock", 2.0, 1) == ((1.0, pytest.approx(norm.isf(0.025))),)
    assert needed_drift(0.05, 0.8, "pocock", 2.0, 1) == pytest.approx(norm.isf(0.025) + norm.ppf(0.8), abs=1e-5)


def look(day: int, fraction: float, alpha_spent: float, bound: float, decisive: bool = False) -> Look:
    """A look at m of b whose z is 0."""
    when = date(2026, 3, 1) + timedelta(days=day)
    return Look("m", "b", when, 100 * fraction, fraction, alpha_spent, bound, 0.0, decisive, "")


def step(information: float, before: list[Look], decisive: bool = False, elapsed: float = 0.6) -> Step | str:
    """The next step of an O'Brien-Fleming plan for 100 units of information."""
    plan = 0.05, "obrien_fleming", 2.0, 100.0
    return looks.next_step(*plan, information, before, elapsed=elapsed, decisive=decisive)


def test_a_look_that_adds_under_one_per_cent_is_skipped_and_spends_nothing():
    before = [look(7, 0.5, looks.spent("obrien_fleming", 0.05, 0.5), 2.963)]
    skipped = step(50.9, before)
    assert isinstance(skipped, str)
    assert "under 1%" in skipped
    taken = step(51.1, before)
    assert isinstance(taken, Step)
    assert taken.alpha_spent > before[0].alpha_spent


def test_information_that_falls_between_looks_skips_the_look_instead_of_raising():
    before = [look(7, 0.5, looks.spent("obrien_fleming", 0.05, 0.5), 2.963)]
    assert isinstance(step(45.0, before), str)


def test_the_decisive_look_spends_all_remaining_alpha_whatever_the_information():
    before = [look(7, 0.5, looks.spent("obrien_fleming", 0.05, 0.5), 2.963)]
    for information in (45.0, 50.1, 80.0, 150.0):
        taken = step(information, before, decisive=True)
        assert isinstance(taken, Step)
        assert taken.alpha_spent == 0.05
        crossing = power_of(0.0, [(50.0, 2.963), (max(information, 51.0), taken.bound)])
        assert 2 * crossing == pytest.approx(0.05, abs=2e-4)


def test_alpha_is_spent_no_faster_than_the_days_pass():
    early = step(400.0, [], elapsed=3 / 14)
    assert isinstance(early, Step)
    assert early.alpha_spent == looks.spent("obrien_fleming", 0.05, 3 / 14)
    assert early.bound > 4.5
    behind = step(10.0, [], elapsed=3 / 14)
    assert isinstance(behind, Step)
    assert behind.alpha_spent == looks.spent("obrien_fleming", 0.05, 0.1)


def test_with_more_information_than_planned_every_remaining_day_has_alpha_left():
    before = [look(7, 0.5, looks.spent("obrien_fleming", 0.05, 0.5), 2.963)]
    for day in range(8, 14):
        taken = step(120.0 + 20 * day, before, elapsed=day / 14)
        assert isinstance(taken, Step)
        assert before[-1].alpha_spent < taken.alpha_spent < 0.05
        assert taken.bound < 3.3
        before.append(look(day, taken.fraction, taken.alpha_spent, taken.bound))
    last = step(500.0, before, decisive=True)
    assert isinstance(last, Step)
    total = power_of(0.0, [*((taken.information, taken.bound) for taken in before), (500.0, last.bound)])
    assert 2 * total == pytest.approx(0.05, abs=2e-4)


def test_a_short_step_is_integrated_as_the_bivariate_normal_distribution():
    for growth in (1.01, 1.05, 1.5):
        # P(stays inside both): given the first z, the second is normal; integrated by scipy's quad.
        slope, spread = math.sqrt(1 / growth), math.sqrt(1 - 1 / growth)

        def inside(first: float, slope: float = slope, spread: float = spread) -> float:
            second = norm(slope * first, spread)
            return float(norm.pdf(first) * (second.cdf(2.1) - second.cdf(-2.1)))

        stays, _ = quad(inside, -2.2, 2.2, epsabs=1e-9)
        assert 2 * power_of(0.0, [(1.0, 2.2), (growth, 2.1)]) == pytest.approx(1 - stays, abs=2e-5)


def test_after_the_decisive_look_no_alpha_is_left():
    assert "no alpha is left" in str(step(130.0, [look(14, 1.0, 0.05, 1.96, decisive=True)], decisive=True))


def test_uneven_looks_spend_what_the_function_says_however_they_fall():
    rng = np.random.default_rng(5)
    for _ in range(10):
        fractions = np.sort(rng.uniform(0.1, 1.0, 6))
        steps, used = [], 0.0
        for fraction in fractions:
            total = looks.spent("pocock", 0.05, fraction)
            steps.append((fraction, bound_for(total - used, used, fraction, steps)))
            used = total
        assert 2 * power_of(0.0, steps) == pytest.approx(used, abs=1e-5)


def test_without_more_information_there_is_no_bound_and_the_error_says_so():
    with pytest.raises(ValueError, match="expected more information"):
        bound_for(0.01, 0.01, 0.5, [(0.5, 2.5)])


def test_the_always_valid_interval_and_its_p_agree():
    for relative, error in ((0.05, 0.02), (0.09, 0.02), (-0.08, 0.03), (0.2, 0.02)):
        p, low, high = always_valid(relative, error, 0.05, 0.1)
        assert (p < 0.05) == (low > 0 or high < 0)
        exact_p, edge, _ = always_valid(relative, error, p if p < 1 else 0.999, 0.1)
        if p < 1:
            assert (edge if relative > 0 else always_valid(relative, error, p, 0.1)[2]) == pytest.approx(0, abs=1e-9)
        assert exact_p == p


def test_the_always_valid_interval_over_few_users_has_no_upper_end_instead_of_raising():
    p, low, high = always_valid(0.2, 0.9, 0.05, math.log1p(0.005))
    assert (p, high) == (pytest.approx(1.0, abs=0.05), math.inf)
    assert -1 <= low < 0


def test_the_always_valid_p_stays_above_alpha_as_often_as_promised_under_many_looks():
    rng = np.random.default_rng(3)
    steps = rng.normal(size=(1_000, 300)).cumsum(axis=1)
    count = np.arange(1, 301)
    crossed = 0
    for path in steps[:, 9::5]:
        effects = path / count[9::5]
        errors = 1 / np.sqrt(count[9::5])
        crossed += any(
            always_valid(math.expm1(effect), error, 0.05, 0.3)[0] < 0.05
            for effect, error in zip(effects, errors, strict=True)
        )
    assert 0 < crossed <= 75  # 5 % of 1,000, and 3.6 standard errors
