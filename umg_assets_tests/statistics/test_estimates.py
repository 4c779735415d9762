"""Effects from moments, compared with published examples and computations over single users."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tea_tasting as tt
from statsmodels.stats.multitest import multipletests

from umg_assets.settings.experiment import BUILT_IN, Metric
from umg_assets.statistics.estimates import (
    aggregates,
    benjamini_hochberg,
    denominator_effect,
    effect_of,
    holm,
    leverage,
    normal_p,
    pooled,
)
from umg_assets.statistics.moments import UserMoments
from umg_assets_tests.experiments.users import moments

MEAN = Metric(numerator="plays")
RATIO = BUILT_IN["songs_per_session"]


def tea_tastings_users() -> dict[int, dict[str, np.ndarray]]:
    """tea-tasting's documented example data, by variant."""
    table = tt.make_users_data(rng=42, covariates=True).to_pydict()
    columns = {name: np.array(values, dtype=float) for name, values in table.items()}
    return {arm: {name: values[columns["variant"] == arm] for name, values in columns.items()} for arm in (0, 1)}


def uncorrected(*sides: UserMoments) -> list[UserMoments]:
    """The moments without the sums that `leverage` needs: with tea-tasting's variance."""
    return [replace(side, nnd=0, ndd=0, ddd=0) for side in sides]


def test_a_ratio_with_cuped_is_tea_tastings_documented_example():
    # tea-tasting's user guide, CUPED: orders_per_session 0.262 to 0.293, 12% [4.2%, 21%], p = 0.00229
    names = ("orders", "sessions", "orders_covariate", "sessions_covariate")
    sides = [moments("m", str(arm), *(side[name] for name in names)) for arm, side in tea_tastings_users().items()]
    effect = effect_of("m", RATIO, *uncorrected(*sides))
    assert effect.adjusted
    assert effect.p == pytest.approx(0.00229, abs=5e-6)
    assert (effect.relative, effect.relative_lower, effect.relative_upper) == pytest.approx(
        (0.12, 0.042, 0.21), abs=5e-3
    )
    assert 0.3 < effect.saved < 0.45


def test_a_ratio_without_covariates_is_tea_tastings_documented_example():
    # the same guide: orders_per_session 0.266 to 0.289, 8.8% [-0.89%, 19%], p = 0.0762
    sides = [moments("m", str(arm), side["orders"], side["sessions"]) for arm, side in tea_tastings_users().items()]
    effect = effect_of("m", RATIO, *uncorrected(*sides))
    assert not effect.adjusted
    assert (effect.control, effect.treatment) == pytest.approx((0.266, 0.289), abs=5e-4)
    assert (effect.relative_lower, effect.relative_upper) == pytest.approx((-0.0089, 0.19), abs=5e-3)
    assert effect.p == pytest.approx(0.0762, abs=5e-5)


def test_a_mean_is_welchs_t_test_of_the_sleep_data_in_rs_documentation():
    # R, ?t.test: t.test(extra ~ group, data = sleep): t = -1.8608, df = 17.776, p = 0.07939, -3.3654832 to 0.2054832
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    effect = effect_of("extra", MEAN, moments("extra", "1", first), moments("extra", "2", second))
    assert effect.p == pytest.approx(0.07939, abs=5e-6)
    assert (effect.lower, effect.upper) == pytest.approx((-0.2054832, 3.3654832), abs=1e-6)
    assert normal_p(moments("extra", "1", first), moments("extra", "2", second)) == pytest.approx(
        2 * 0.0313835, abs=1e-5
    )


def test_a_ratios_interval_holds_a_value_exactly_if_the_test_against_it_does_not_reject():
    rng = np.random.default_rng(8)
    for _ in range(50):
        sides = [moments("m", name, rng.gamma(2, 5, 12)) for name in ("control", "b")]
        effect = effect_of("m", MEAN, *sides)
        for bound in (1.0, 1.96, 2.8):
            low, high = effect.relative_interval(bound)
            for end in (low, high):
                assert math.isnan(end) or abs(effect.comparison.z(1 + end)) == pytest.approx(bound, abs=1e-6)
            assert math.isnan(low) or (low <= 0 <= high) == (abs(effect.z) <= bound)


def test_the_test_is_tea_tastings_with_and_without_cuped():
    names = ("orders", "sessions", "orders_covariate", "sessions_covariate")
    sides = tea_tastings_users()
    for columns, covariates in ((names, names[2:]), (names[:2], (None, None))):
        effect = effect_of(
            "m", RATIO, *uncorrected(*(moments("m", str(arm), *(side[name] for name in columns))
                                       for arm, side in sides.items()))
        )  # fmt: skip
        table = tt.make_users_data(rng=42, covariates=True)
        metric = tt.RatioOfMeans("orders", "sessions", *covariates)
        exact: Any = next(iter(tt.Experiment(m=metric).analyze(table).values()))
        assert effect.p == pytest.approx(exact.pvalue, rel=1e-9)
        assert (effect.lower, effect.upper) == pytest.approx((exact.effect_size_ci_lower, exact.effect_size_ci_upper))


def test_a_control_of_zero_has_a_difference_and_no_relative_effect():
    effect = effect_of("m", MEAN, moments("m", "control", [0, 0, 0]), moments("m", "b", [1, 2, 4]))
    assert effect.p < 0.15
    assert effect.lower < effect.effect < effect.upper
    assert math.isnan(effect.relative)
    assert not effect.information


def test_the_delta_method_gives_the_spread_of_a_ratio_over_redrawn_users():
    rng = np.random.default_rng(2)
    ratios, errors = [], []
    for _ in range(400):
        visits = rng.geometric(0.3, 2_000)
        seconds = visits * np.exp(rng.normal(5, 0.8, 2_000))
        sides = [moments("m", name, seconds[at], visits[at]) for name, at in
                 (("a", slice(0, 1_000)), ("b", slice(1_000, None)))]  # fmt: skip
        effect = effect_of("m", RATIO, *sides)
        ratios.append(math.log1p(effect.relative))
        errors.append(effect.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.1)


def test_users_who_hold_much_of_the_denominator_widen_the_variance_as_the_jackknife_does():
    rng = np.random.default_rng(9)
    visits = np.rint(np.exp(rng.normal(1, 1.3, 400))) + 1
    seconds = visits * np.exp(rng.normal(5, 0.8, 400))
    treated = moments("m", "b", seconds, visits)
    left_out = (seconds.sum() - seconds) / (visits.sum() - visits)
    jackknife = 399 / 400 * ((left_out - left_out.mean()) ** 2).sum()
    plain = aggregates(*uncorrected(treated)).ratio_var("n", "d") / 400
    corrected = aggregates(treated).ratio_var("n", "d") / 400
    assert abs(corrected / jackknife - 1) < 0.4 * abs(plain / jackknife - 1)
    assert leverage(moments("m", "b", seconds)) == pytest.approx(1, abs=1e-12)


def test_with_constant_covariates_cuped_gives_the_unadjusted_estimate_and_not_nan():
    rng = np.random.default_rng(1)
    visits, seconds = rng.integers(1, 9, (2, 500)), rng.gamma(2, 100, (2, 500))
    zeros = np.zeros(500)
    for before in ((zeros, zeros), (np.full(500, 7.0), np.full(500, 2.0)), (zeros, np.full(500, 2.0))):
        sides = [moments("m", str(arm), seconds[arm], visits[arm], *before) for arm in (0, 1)]
        plain = [moments("m", str(arm), seconds[arm], visits[arm]) for arm in (0, 1)]
        assert effect_of("m", RATIO, *sides) == effect_of("m", RATIO, *plain)


def test_zeros_of_new_users_leave_cuped_unbiased_and_narrower():
    rng = np.random.default_rng(4)
    taste = rng.gamma(1.0, 1.0, (2, 4_000))
    visits, before = rng.poisson(3 * taste), rng.poisson(3 * taste)
    new = rng.random((2, 4_000)) < 0.3
    seconds, earlier = visits * 100.0 * (1 + taste), np.where(new, 0, before * 100.0 * (1 + taste))
    sides = [
        moments("m", str(arm), seconds[arm], visits[arm], earlier[arm], np.where(new[arm], 0, before[arm]))
        for arm in (0, 1)
    ]
    effect = effect_of("m", RATIO, *sides)
    assert effect.adjusted
    assert effect.saved > 0.1
    assert effect.relative_lower < 0 < effect.relative_upper


def test_moments_of_millisecond_sums_beyond_64_bits_lose_nothing():
    base, users = 10**13, 10**5
    values = [base + step for step in range(users)]
    huge = UserMoments(
        "m", "b", users, n=sum(values), d=users, nn=sum(value * value for value in values), nd=sum(values), dd=users
    )
    assert huge.nn > 2**63
    assert aggregates(huge).var("n") == pytest.approx((users**2 - 1) / 12 * users / (users - 1), rel=1e-12)


def test_a_denominator_of_zero_and_a_constant_metric_name_the_problem_and_give_no_number():
    control, empty = moments("m", "control", [1, 2, 3], [1, 1, 1]), moments("m", "b", [0, 0, 0], [0, 0, 0])
    assert effect_of("m", RATIO, control, empty).problem == "nothing to divide by in b: its denominator is 0"
    constant = [moments("m", name, [1, 1, 1]) for name in ("control", "b")]
    effect = effect_of("m", MEAN, *constant)
    assert "does not vary" in effect.problem
    assert math.isnan(effect.p)
    assert "at least 2" in effect_of("m", MEAN, moments("m", "control", [1]), moments("m", "b", [1, 2])).problem


def test_the_denominators_effect_is_that_on_its_mean_per_user():
    rng = np.random.default_rng(6)
    seconds, visits, earlier = rng.gamma(2, 50, (2, 300)), rng.poisson(4, (2, 300)) + 1, rng.poisson(4, (2, 300))
    sides = [moments("m", str(arm), seconds[arm], visits[arm], seconds[arm], earlier[arm]) for arm in (0, 1)]
    means = [moments("m", str(arm), visits[arm], np.ones(300), earlier[arm], np.ones(300)) for arm in (0, 1)]
    assert denominator_effect(*sides).p == pytest.approx(effect_of("m", MEAN, *means).p, rel=1e-12)


def test_pooled_moments_are_those_of_all_users_together():
    rng = np.random.default_rng(7)
    numerators, denominators = rng.integers(0, 50, 20), rng.integers(1, 5, 20)
    parts = [moments("m", "x", numerators[at], denominators[at]) for at in (slice(0, 7), slice(7, None))]
    assert pooled(parts) == moments("m", "x", numerators, denominators)
    with pytest.raises(ValueError, match="at least one"):
        pooled([])


# Benjamini, Hochberg (1995), JRSS B 57, section 3.2: fifteen p-values, of which their procedure rejects four at 0.05
# and Bonferroni's three.
PVALUES = (
    0.0001,
    0.0004,
    0.0019,
    0.0095,
    0.0201,
    0.0278,
    0.0298,
    0.0344,
    0.0459,
    0.3240,
    0.4262,
    0.5719,
    0.6528,
    0.7590,
    1.0,
)


def test_benjamini_and_hochbergs_published_example_rejects_four_hypotheses_and_holm_three():
    family = dict(enumerate(PVALUES))
    assert [key for key, p in benjamini_hochberg(family, 0.05).items() if p <= 0.05] == [0, 1, 2, 3]
    assert [key for key, p in holm(family, 0.05).items() if p <= 0.05] == [0, 1, 2]


def test_holm_and_benjamini_hochberg_agree_with_statsmodels():
    family = dict(enumerate(PVALUES))
    assert list(holm(family, 0.05).values()) == pytest.approx(multipletests(PVALUES, method="holm")[1])
    assert list(benjamini_hochberg(family, 0.05).values()) == pytest.approx(multipletests(PVALUES, method="fdr_bh")[1])


def test_nan_belongs_to_no_family():
    with_nan = {"a": 0.01, "missing": math.nan, "b": 0.04}
    assert holm(with_nan, 0.05) == {"a": 0.02, "b": 0.04}
    assert benjamini_hochberg(with_nan, 0.05) == {"a": 0.02, "b": 0.04}
    assert holm({"missing": math.nan}, 0.05) == {}
