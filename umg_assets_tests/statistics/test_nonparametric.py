"""Rank sums, buckets and histograms, compared with scipy, published examples, and computations over single users."""

import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from umg_assets.statistics.moments import USER_BUCKETS, BucketSums, RankSums, SessionBin, bin_of
from umg_assets.statistics.nonparametric import BIN_COUNT, bin_edges, bootstrap, mann_whitney, session_quantiles
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


def test_mann_whitney_of_an_empty_side_or_of_equal_values_is_nan():
    assert math.isnan(mann_whitney(RankSums("m", "b", 0, 3, 12, 0)).p)
    assert math.isnan(mann_whitney(rank_sums(np.ones(4), np.ones(5))).p)


def bucketed(variant: str, bucket: np.ndarray, numerator: np.ndarray, denominator: np.ndarray) -> BucketSums:
    """Sums over buckets, from a value a user."""
    sums = [np.bincount(bucket, weights=values, minlength=USER_BUCKETS) for values in (numerator, denominator)]
    return BucketSums("m", variant, np.bincount(bucket, minlength=USER_BUCKETS), *sums)


def test_the_bootstrap_over_buckets_gives_the_interval_of_a_bootstrap_over_users():
    rng = np.random.default_rng(8)
    users = 6_000
    bucket, arm = rng.integers(0, USER_BUCKETS, users), rng.integers(0, 2, users)
    visits = rng.geometric(0.3, users)
    seconds = visits * np.exp(rng.normal(5, 0.9, users))
    control, treated = (
        bucketed(str(side), bucket[arm == side], seconds[arm == side], visits[arm == side]) for side in (0, 1)
    )
    interval = bootstrap(control, treated)
    drawn = []
    for _ in range(1_000):
        weights = rng.multinomial(users, np.full(users, 1 / users))
        ratios = [(weights * seconds)[arm == side].sum() / (weights * visits)[arm == side].sum() for side in (0, 1)]
        drawn.append(ratios[1] / ratios[0] - 1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    assert interval.upper - interval.lower == pytest.approx(high - low, rel=0.12)
    assert (interval.lower, interval.upper) == pytest.approx((low, high), abs=0.15 * (high - low))
    assert bootstrap(control, treated) == interval


def test_the_bootstrap_without_a_denominator_has_no_interval():
    nothing = bucketed("b", np.arange(10), np.zeros(10), np.zeros(10))
    assert math.isnan(bootstrap(nothing, nothing).lower)


def test_buckets_without_a_row_are_empty():
    (sums,) = BucketSums.from_rows([{"metric": "m", "variant": "b", "bucket": 7, "users": 2, "n": 30, "d": 4}])
    assert (sums.n.sum(), sums.n[7], len(sums.d)) == (30, 30, USER_BUCKETS)


def test_bins_lie_between_the_edges_that_quantiles_are_read_from():
    edges = bin_edges()
    assert len(edges) == BIN_COUNT
    for length in (0, 4_999, 5_000, 599_999, 600_000, 614_999, 3_599_999, 3_600_000, 86_399_999, 86_400_000, 10**9):
        position = bin_of(length)
        assert edges[position] <= length
        assert position + 1 == BIN_COUNT or length < edges[position + 1]


def sessions(rng: np.random.Generator, users: int, longer: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """User and length in ms of sessions, by users whose session lengths differ."""
    counts = rng.geometric(0.2, users)
    user = np.repeat(np.arange(users), counts)
    return user, longer * np.exp(rng.normal(5.5, 0.8, users)[user] + rng.normal(0, 1, len(user))) * 1000


def binned(variant: str, user: np.ndarray, length: np.ndarray) -> list[SessionBin]:
    """Counts by user bucket and bin (`bin_of`, for all sessions at once)."""
    bins = np.searchsorted(bin_edges(), np.floor(length), side="right") - 1
    keys, counts = np.unique(user % USER_BUCKETS * BIN_COUNT + bins, return_counts=True)
    return [SessionBin(variant, *divmod(int(key), BIN_COUNT), int(n)) for key, n in zip(keys, counts, strict=True)]


def test_a_session_quantile_is_that_of_the_sessions_to_within_a_bin():
    user, length = sessions(np.random.default_rng(1), 2_000)
    rows = binned("a", user, length)
    assert {row.bin for row in rows} == {bin_of(int(each)) for each in length}
    for result in session_quantiles(rows, ["a"]):
        assert result.seconds == pytest.approx(np.quantile(length, result.quantile) / 1000, rel=0.01)


def test_a_clustered_interval_covers_the_median_and_is_wider_than_one_over_sessions():
    rng = np.random.default_rng(2)
    covered, widths, naive = 0, [], []
    for _ in range(60):
        user, length = sessions(rng, 2_000)
        (median,) = session_quantiles(binned("a", user, length), ["a"], (0.5,))
        covered += median.lower <= math.exp(5.5) <= median.upper
        widths.append(median.upper - median.lower)
        order, half = np.sort(length), 1.96 * math.sqrt(len(length)) / 2
        naive.append((order[int(len(length) / 2 + half)] - order[int(len(length) / 2 - half)]) / 1000)
    assert 52 <= covered <= 60  # 95 % of 60, 99.9 % binomial
    assert np.mean(widths) > 1.4 * np.mean(naive)


def test_quantiles_are_compared_with_the_controls():
    rng = np.random.default_rng(3)
    rows = binned("a", *sessions(rng, 3_000)) + binned("b", *sessions(rng, 3_000, longer=1.3))
    control, treated = session_quantiles(rows, ["a", "b"], (0.5,))
    assert math.isnan(control.p)
    assert treated.difference == pytest.approx(0.3 * math.exp(5.5), rel=0.35)
    assert treated.p < 0.001
