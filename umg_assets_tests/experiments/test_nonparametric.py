"""Rank sums, buckets and histograms, against scipy, published examples, and the users row by row."""

import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from umg_assets.experiments.moments import USER_BUCKETS, BucketSums, RankSums, SessionBin, bin_of
from umg_assets.experiments.nonparametric import BIN_COUNT, bin_edges, bootstrap, mann_whitney, session_quantiles
from umg_assets_tests.experiments.users import rank_sums


def test_mann_whitney_is_scipys_documented_example():
    # scipy.stats.mannwhitneyu, Examples: males against females, U1 = 17, method="asymptotic" p = 0.11134688653314041
    males, females = np.array([19, 22, 16, 29, 24]), np.array([20, 11, 17, 12])
    test = mann_whitney(rank_sums(females, males))
    assert test.u == 17
    assert test.p == pytest.approx(0.11134688653314041, rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_mann_whitney_from_rank_sums_and_ties_is_scipys(seed: int):
    rng = np.random.default_rng(seed)
    control, treatment = rng.poisson(2, rng.integers(2, 200)), rng.poisson(2.4, rng.integers(2, 200))
    test, expected = mann_whitney(rank_sums(control, treatment)), mannwhitneyu(treatment, control, method="asymptotic")
    assert test.u == expected.statistic
    assert test.p == pytest.approx(expected.pvalue, rel=1e-10)
    assert test.superiority == pytest.approx(test.u / (len(control) * len(treatment)))


def test_mann_whitney_of_nobody_or_of_equal_values_is_no_number():
    assert math.isnan(mann_whitney(RankSums("m", "b", 0, 3, 12, 0)).p)
    assert math.isnan(mann_whitney(rank_sums(np.ones(4), np.ones(5))).p)


def bucketed(variant: str, bucket: np.ndarray, numerator: np.ndarray, denominator: np.ndarray) -> BucketSums:
    """Sums over buckets."""
    sums = [np.bincount(bucket, weights=one, minlength=USER_BUCKETS) for one in (numerator, denominator)]
    return BucketSums("m", variant, np.bincount(bucket, minlength=USER_BUCKETS), *sums)


def test_the_bootstrap_over_buckets_gives_the_interval_of_a_bootstrap_over_users():
    rng = np.random.default_rng(8)
    users = 6_000
    bucket, arm = rng.integers(0, USER_BUCKETS, users), rng.integers(0, 2, users)
    visits = rng.geometric(0.3, users)
    seconds = visits * np.exp(rng.normal(5, 0.9, users))
    control, treated = (
        bucketed(str(one), bucket[arm == one], seconds[arm == one], visits[arm == one]) for one in (0, 1)
    )
    found = bootstrap(control, treated)
    drawn = []
    for _ in range(1_000):
        weights = rng.multinomial(users, np.full(users, 1 / users))
        ratios = [(weights * seconds)[arm == one].sum() / (weights * visits)[arm == one].sum() for one in (0, 1)]
        drawn.append(ratios[1] / ratios[0] - 1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    assert found.upper - found.lower == pytest.approx(high - low, rel=0.12)
    assert (found.lower, found.upper) == pytest.approx((low, high), abs=0.15 * (high - low))
    assert bootstrap(control, treated) == found


def test_the_bootstrap_without_a_denominator_has_no_interval():
    nothing = bucketed("b", np.arange(10), np.zeros(10), np.zeros(10))
    assert math.isnan(bootstrap(nothing, nothing).lower)


def test_buckets_without_a_row_are_empty():
    (sums,) = BucketSums.from_rows([{"metric": "m", "variant": "b", "bucket": 7, "users": 2, "n": 30, "d": 4}])
    assert (sums.n.sum(), sums.n[7], len(sums.d)) == (30, 30, USER_BUCKETS)


def test_bins_are_the_edges_that_they_are_read_with():
    edges = bin_edges()
    assert len(edges) == BIN_COUNT
    for length in (0, 4_999, 5_000, 599_999, 600_000, 614_999, 3_599_999, 3_600_000, 86_399_999, 86_400_000, 10**9):
        place = bin_of(length)
        assert edges[place] <= length
        assert place + 1 == BIN_COUNT or length < edges[place + 1]


def sessions(rng: np.random.Generator, users: int, longer: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """User and length in ms of the sessions of users who differ."""
    counts = rng.geometric(0.2, users)
    user = np.repeat(np.arange(users), counts)
    return user, longer * np.exp(rng.normal(5.5, 0.8, users)[user] + rng.normal(0, 1, len(user))) * 1000


def binned(variant: str, user: np.ndarray, length: np.ndarray) -> list[SessionBin]:
    """Counts by user bucket and bin."""
    places = np.array([bin_of(int(one)) for one in length])
    keys, counts = np.unique(user % USER_BUCKETS * BIN_COUNT + places, return_counts=True)
    return [SessionBin(variant, *divmod(int(key), BIN_COUNT), int(n)) for key, n in zip(keys, counts, strict=True)]


def test_a_session_quantile_is_the_sessions_own_within_a_bin():
    user, length = sessions(np.random.default_rng(1), 2_000)
    for one in session_quantiles(binned("a", user, length), ["a"]):
        assert one.seconds == pytest.approx(np.quantile(length, one.quantile) / 1000, rel=0.01)


def test_a_clustered_interval_holds_the_median_where_one_over_sessions_would_be_too_narrow():
    rng = np.random.default_rng(2)
    held, widths, naive = 0, [], []
    for _ in range(60):
        user, length = sessions(rng, 2_000)
        (one,) = session_quantiles(binned("a", user, length), ["a"], (0.5,))
        held += one.lower <= math.exp(5.5) <= one.upper
        widths.append(one.upper - one.lower)
        order, reach = np.sort(length), 1.96 * math.sqrt(len(length)) / 2
        naive.append((order[int(len(length) / 2 + reach)] - order[int(len(length) / 2 - reach)]) / 1000)
    assert 52 <= held <= 60  # 95 % of 60, 99.9 % binomial
    assert np.mean(widths) > 1.4 * np.mean(naive)


def test_quantiles_are_held_against_the_control():
    rng = np.random.default_rng(3)
    rows = binned("a", *sessions(rng, 3_000)) + binned("b", *sessions(rng, 3_000, longer=1.3))
    control, treated = session_quantiles(rows, ["a", "b"], (0.5,))
    assert math.isnan(control.p)
    assert treated.difference == pytest.approx(0.3 * math.exp(5.5), rel=0.35)
    assert treated.p < 0.001
