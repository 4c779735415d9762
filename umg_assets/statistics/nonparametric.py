"""Without assuming a normal distribution: Mann-Whitney from rank sums, a bootstrap over user buckets, quantiles."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.stats import norm

from umg_assets.statistics.moments import BIN_STEPS, USER_BUCKETS, BucketSums, RankSums, SessionBin

QUANTILES = (0.25, 0.5, 0.75, 0.9)
RESAMPLES = 2_000
BIN_COUNT = 1_701


@dataclass(frozen=True)
class RankTest:
    """A Mann-Whitney test of one metric and treatment against control.

    metric, treatment: their names. unit: what was ranked, "user" or "session".
    u: the treatment's U statistic; NaN if a side is empty.
    p: two-sided; NaN if a side is empty or all values are equal.
    superiority: the probability that a random treated unit is above a random control unit, ties counting half.
    """

    metric: str
    treatment: str
    unit: str
    u: float
    p: float
    superiority: float


def mann_whitney(ranks: RankSums) -> RankTest:
    """The test from rank sums: two-sided, asymptotic, corrected for ties and continuity, as scipy.stats.mannwhitneyu.

    Mann, Whitney (1947); ties: Lehmann (1975).
    """
    control, treatment = ranks.control_count, ranks.treatment_count
    u = ranks.rank_sum_twice / 2 - treatment * (treatment + 1) / 2
    total, pairs = control + treatment, control * treatment
    if not pairs:
        return RankTest(ranks.metric, ranks.treatment, ranks.unit, math.nan, math.nan, math.nan)
    variance = pairs / 12 * ((total + 1) - ranks.ties / (total * (total - 1)))
    if variance <= 0:
        return RankTest(ranks.metric, ranks.treatment, ranks.unit, u, math.nan, 0.5)
    z = (max(u, pairs - u) - pairs / 2 - 0.5) / math.sqrt(variance)
    p = float(min(1.0, 2 * norm.sf(z)))
    return RankTest(ranks.metric, ranks.treatment, ranks.unit, u, p, u / pairs)


@dataclass(frozen=True)
class Resampled:
    """A metric's relative effect with its bootstrap interval.

    metric, treatment: their names. relative: the ratio of the variants' ratios, less 1.
    lower, upper: its 95 % percentile interval over resampled user buckets; NaN if a resample has a denominator of 0.
    """

    metric: str
    treatment: str
    relative: float
    lower: float
    upper: float


@lru_cache(maxsize=4)
def _weights(seed: int) -> np.ndarray:
    """How often each resample draws each bucket: shape (RESAMPLES, USER_BUCKETS)."""
    draws = np.random.default_rng(seed).multinomial(USER_BUCKETS, np.full(USER_BUCKETS, 1 / USER_BUCKETS), RESAMPLES)
    return draws.astype(np.float64)


def bootstrap(control: BucketSums, treatment: BucketSums, seed: int = 0) -> Resampled:
    """Resamples the 1,000 user buckets, the same draw for both variants; the same seed gives the same interval.

    A hash puts users into buckets, so buckets are independent. Efron, Tibshirani (1993), An Introduction to the
    Bootstrap, chapter 13 (percentile interval).
    """
    weights = _weights(seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = [(weights @ side.n) / (weights @ side.d) for side in (control, treatment)]
        drawn = ratios[1] / ratios[0] - 1
        relative = float((treatment.n.sum() / treatment.d.sum()) / (control.n.sum() / control.d.sum()) - 1)
    if not np.isfinite(drawn).all():
        return Resampled(treatment.metric, treatment.variant, relative, math.nan, math.nan)
    lower, upper = np.quantile(drawn, (0.025, 0.975))
    return Resampled(treatment.metric, treatment.variant, relative, float(lower), float(upper))


@dataclass(frozen=True)
class SessionQuantile:
    """A quantile of the session length of one variant.

    variant: its name. quantile: 0 to 1. seconds: the session length; NaN if the variant has no session.
    lower, upper: its 95 % interval in seconds, clustered by user bucket.
    difference: seconds above control's; 0 for the control itself.
    p: two-sided, of the difference; NaN for the control itself.
    """

    variant: str
    quantile: float
    seconds: float
    lower: float
    upper: float
    difference: float = 0.0
    p: float = math.nan


@lru_cache
def bin_edges() -> np.ndarray:
    """The bins' lower edges in ms: shape (BIN_COUNT,). The last bin has no upper edge."""
    edges, start = [np.zeros(0)], 0
    for end, width in BIN_STEPS:
        edges.append(np.arange(start, end, width, dtype=float))
        start = end
    return np.append(np.concatenate(edges), float(start))


def session_quantiles(
    bins: Iterable[SessionBin], variants: Sequence[str], quantiles: Sequence[float] = QUANTILES
) -> tuple[SessionQuantile, ...]:
    """Quantiles of session length by variant (the control first), clustered by user bucket.

    The share of sessions below a length is a ratio of sums over buckets. The delta method gives its interval, which the
    histogram translates into one of the quantile. Deng, Knoblich, Lu (2018), section 4.2.
    """
    counts = {name: np.zeros((USER_BUCKETS, BIN_COUNT)) for name in variants}
    for row in bins:
        counts[row.variant][row.bucket, row.bin] += row.sessions
    results: list[SessionQuantile] = []
    for quantile in quantiles:
        control: SessionQuantile | None = None
        for name in variants:
            result = _quantile(name, counts[name], quantile)
            if control is None:
                control = result
            else:
                errors = [(side.upper - side.lower) / (2 * norm.isf(0.025)) for side in (control, result)]
                difference, error = result.seconds - control.seconds, math.hypot(*errors)
                p = float(2 * norm.sf(abs(difference) / error)) if error > 0 else math.nan
                result = replace(result, difference=difference, p=p)
            results.append(result)
    return tuple(results)


def _quantile(variant: str, counts: np.ndarray, quantile: float) -> SessionQuantile:
    by_bucket, total = counts.sum(axis=1), counts.sum()
    if not total:
        return SessionQuantile(variant, quantile, math.nan, math.nan, math.nan)
    # Sessions are taken to be spread evenly within a bin; the last one, a day or longer, has no end: its edge is used.
    ends = np.append(bin_edges()[1:], bin_edges()[-1])
    shares = np.append(0.0, np.cumsum(counts.sum(axis=0)) / total)
    edges = np.append(0.0, ends)
    length = float(np.interp(quantile, shares, edges))
    position = int(np.searchsorted(bin_edges(), length, side="right")) - 1
    width = ends[position] - bin_edges()[position]
    inside = (length - bin_edges()[position]) / width if width else 1.0
    under = counts[:, :position].sum(axis=1) + inside * counts[:, position]
    residuals = under - quantile * by_bucket
    error = math.sqrt(USER_BUCKETS / (USER_BUCKETS - 1) * float((residuals**2).sum())) / total
    half = norm.isf(0.025) * error
    low, high = (float(np.interp(np.clip(quantile + side * half, 0, 1), shares, edges)) for side in (-1, 1))
    return SessionQuantile(variant, quantile, length / 1000, low / 1000, high / 1000)
