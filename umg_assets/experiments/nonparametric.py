"""Without a normal distribution: Mann-Whitney from rank sums, a bootstrap over user buckets, session quantiles."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import norm

from umg_assets.experiments.moments import BIN_STEPS, USER_BUCKETS, BucketSums, RankSums, SessionBin

QUANTILES = (0.25, 0.5, 0.75, 0.9)
RESAMPLES = 2_000
BIN_COUNT = 1_701


@dataclass(frozen=True)
class RankTest:
    """Mann-Whitney's U of the treatment, the p-value, and the chance that a treated unit is above a control one."""

    metric: str
    treatment: str
    unit: str
    u: float
    p: float
    superiority: float


def mann_whitney(ranks: RankSums) -> RankTest:
    """From rank sums: two-sided, asymptotic, corrected for ties and continuity, as scipy.stats.mannwhitneyu.

    p and superiority are NaN where a side is empty or all values are equal. Mann, Whitney (1947); ties: Lehmann (1975).
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
    """The relative effect's 95 % percentile interval over resampled user buckets."""

    metric: str
    treatment: str
    relative: float
    lower: float
    upper: float


@lru_cache(maxsize=4)
def _weights(seed: int) -> np.ndarray:
    """How often each resample draws each bucket, shape (RESAMPLES, USER_BUCKETS)."""
    draws = np.random.default_rng(seed).multinomial(USER_BUCKETS, np.full(USER_BUCKETS, 1 / USER_BUCKETS), RESAMPLES)
    return draws.astype(np.float64)


def bootstrap(control: BucketSums, treatment: BucketSums, seed: int = 0) -> Resampled:
    """Resamples the 1,000 user buckets of both variants together; the same seed gives the same interval.

    Users fall into buckets by hash, so buckets are independent. NaN where a denominator is 0. Efron, Tibshirani
    (1993), An Introduction to the Bootstrap, chapter 13 (percentile interval).
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
    """A quantile of session length in seconds, with its clustered 95 % interval; the last two against control."""

    variant: str
    quantile: float
    seconds: float
    lower: float
    upper: float
    difference: float = 0.0
    p: float = math.nan


@lru_cache
def bin_edges() -> np.ndarray:
    """The bins' lower edges in ms, and the end of the last but one: shape (BIN_COUNT,)."""
    edges, start = [np.zeros(0)], 0
    for end, width in BIN_STEPS:
        edges.append(np.arange(start, end, width, dtype=float))
        start = end
    return np.append(np.concatenate(edges), float(start))


def session_quantiles(
    bins: Iterable[SessionBin], variants: Sequence[str], quantiles: Sequence[float] = QUANTILES
) -> tuple[SessionQuantile, ...]:
    """Quantiles of session length by variant (the control first), clustered by user bucket.

    The share of sessions below a quantile is a ratio of sums over buckets: its interval by the delta method is turned
    into one of the quantile through the histogram. Deng, Knoblich, Lu (2018), section 4.2.
    """
    counts = {name: np.zeros((USER_BUCKETS, BIN_COUNT)) for name in variants}
    for row in bins:
        counts[row.variant][row.bucket, row.bin] += row.sessions
    found: list[SessionQuantile] = []
    for quantile in quantiles:
        base: SessionQuantile | None = None
        for name in variants:
            one = _quantile(name, counts[name], quantile)
            if base is not None:
                errors = [(side.upper - side.lower) / (2 * norm.isf(0.025)) for side in (base, one)]
                difference, error = one.seconds - base.seconds, math.hypot(*errors)
                p = float(2 * norm.sf(abs(difference) / error)) if error > 0 else math.nan
                one = SessionQuantile(name, quantile, one.seconds, one.lower, one.upper, difference, p)
            base = base or one
            found.append(one)
    return tuple(found)


def _quantile(variant: str, counts: np.ndarray, quantile: float) -> SessionQuantile:
    by_bucket, total = counts.sum(axis=1), counts.sum()
    if not total:
        return SessionQuantile(variant, quantile, math.nan, math.nan, math.nan)
    # Sessions are spread evenly within a bin; the last bin, of a day or longer, has no end: its edge stands for it.
    ends = np.append(bin_edges()[1:], bin_edges()[-1])
    shares = np.append(0.0, np.cumsum(counts.sum(axis=0)) / total)
    edges = np.append(0.0, ends)
    at = float(np.interp(quantile, shares, edges))
    below = np.cumsum(counts, axis=1)
    position = int(np.searchsorted(bin_edges(), at, side="right")) - 1
    width = ends[position] - bin_edges()[position]
    inside = (at - bin_edges()[position]) / width if width else 1.0
    under = below[:, position] - (1 - inside) * counts[:, position]
    residuals = under - quantile * by_bucket
    error = math.sqrt(USER_BUCKETS / (USER_BUCKETS - 1) * float((residuals**2).sum())) / total
    reach = norm.isf(0.025) * error
    low, high = (float(np.interp(np.clip(quantile + side * reach, 0, 1), shares, edges)) for side in (-1, 1))
    return SessionQuantile(variant, quantile, at / 1000, low / 1000, high / 1000)
