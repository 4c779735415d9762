"""Effects from moments, against published examples and what the same users give row by row."""

import math
from dataclasses import replace

import numpy as np
import pytest
import tea_tasting as tt
from statsmodels.stats.multitest import multipletests

from umg_assets.experiments.definition import BUILT_IN, Metric
from umg_assets.experiments.estimates import (
    aggregates,
    benjamini_hochberg,
    denominator_effect,
    effect_of,
    holm,
    leverage,
    normal_p,
    pooled,
)
from umg_assets.experiments.moments import UserMoments
from umg_assets_tests.experiments.users import moments

MEAN = Metric(numerator="plays")
RATIO = BUILT_IN["songs_per_session"]


def tea_tastings_users() -> dict[int, dict[str, np.ndarray]]:
    """tea-tasting's documented example data, by variant."""
    table = tt.make_users_data(rng=42, covariates=True).to_pydict()
    columns = {name: np.array(values, dtype=float) for name, values in table.items()}
    return {arm: {name: values[columns["variant"] == arm] for name, values in columns.items()} for arm in (0, 1)}


def uncorrected(*sides: UserMoments) -> list[UserMoments]:
    """Without the sums that `leverage` needs: tea-tasting's own variance."""
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


def test_the_delta_method_gives_the_spread_of_a_ratio_over_redrawn_users():
    rng = np.random.default_rng(2)
    ratios, errors = [], []
    for _ in range(400):
        visits = rng.geometric(0.3, 2_000)
        seconds = visits * np.exp(rng.normal(5, 0.8, 2_000))
        one, two = slice(0, 1_000), slice(1_000, None)
        effect = effect_of(
            "m", RATIO, moments("m", "a", seconds[one], visits[one]), moments("m", "b", seconds[two], visits[two])
        )
        ratios.append(math.log1p(effect.relative))
        errors.append(effect.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.1)


def test_users_who_hold_much_of_the_denominator_widen_the_variance_as_the_jackknife_does():
    rng = np.random.default_rng(9)
    visits = np.rint(np.exp(rng.normal(1, 1.3, 400))) + 1
    seconds = visits * np.exp(rng.normal(5, 0.8, 400))
    one = moments("m", "b", seconds, visits)
    left_out = (seconds.sum() - seconds) / (visits.sum() - visits)
    jackknife = 399 / 400 * ((left_out - left_out.mean()) ** 2).sum()
    plain = aggregates(replace(one, nnd=0, ndd=0, ddd=0)).ratio_var("n", "d") / 400
    corrected = aggregates(one).ratio_var("n", "d") / 400
    assert abs(corrected / jackknife - 1) < 0.4 * abs(plain / jackknife - 1)
    assert leverage(moments("m", "b", seconds)) == pytest.approx(1, abs=1e-12)


def test_cuped_where_the_covariates_are_constant_is_the_unadjusted_estimate_not_nan():
    rng = np.random.default_rng(1)
    visits, seconds = rng.integers(1, 9, (2, 500)), rng.gamma(2, 100, (2, 500))
    nobody = np.zeros(500)
    for before in ((nobody, nobody), (np.full(500, 7.0), np.full(500, 2.0)), (nobody, np.full(500, 2.0))):
        sides = [moments("m", str(arm), seconds[arm], visits[arm], *before) for arm in (0, 1)]
        plain = [moments("m", str(arm), seconds[arm], visits[arm]) for arm in (0, 1)]
        assert effect_of("m", RATIO, *sides) == effect_of("m", RATIO, *plain)


def test_new_users_zeros_leave_cuped_unbiased_and_narrower():
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
        "m", "b", users, n=sum(values), d=users, nn=sum(one * one for one in values), nd=sum(values), dd=users
    )
    assert huge.nn > 2**63
    assert aggregates(huge).var("n") == pytest.approx((users**2 - 1) / 12 * users / (users - 1), rel=1e-12)


def test_a_denominator_of_zero_and_a_metric_that_does_not_vary_say_so_and_give_no_number():
    some, none = moments("m", "control", [1, 2, 3], [1, 1, 1]), moments("m", "b", [0, 0, 0], [0, 0, 0])
    assert effect_of("m", RATIO, some, none).problem == "nothing to divide by in b: its denominator is 0"
    constant = [moments("m", name, [1, 1, 1]) for name in ("control", "b")]
    effect = effect_of("m", MEAN, *constant)
    assert "does not vary" in effect.problem
    assert math.isnan(effect.p)
    assert "at least 2" in effect_of("m", MEAN, moments("m", "control", [1]), moments("m", "b", [1, 2])).problem


def test_the_denominators_effect_is_that_of_the_mean_denominator_a_user():
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


def test_benjamini_and_hochbergs_own_example_rejects_four_hypotheses_and_holm_three():
    family = dict(enumerate(PVALUES))
    assert [key for key, p in benjamini_hochberg(family, 0.05).items() if p <= 0.05] == [0, 1, 2, 3]
    assert [key for key, p in holm(family, 0.05).items() if p <= 0.05] == [0, 1, 2]


def test_holm_and_benjamini_hochberg_are_statsmodels():
    family = dict(enumerate(PVALUES))
    assert list(holm(family, 0.05).values()) == pytest.approx(multipletests(PVALUES, method="holm")[1])
    assert list(benjamini_hochberg(family, 0.05).values()) == pytest.approx(multipletests(PVALUES, method="fdr_bh")[1])


def test_nan_enters_no_family():
    with_nan = {"a": 0.01, "nothing": math.nan, "b": 0.04}
    assert holm(with_nan, 0.05) == {"a": 0.02, "b": 0.04}
    assert benjamini_hochberg(with_nan, 0.05) == {"a": 0.02, "b": 0.04}
    assert holm({"nothing": math.nan}, 0.05) == {}
