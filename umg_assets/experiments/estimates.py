"""Effects from moments: the delta method for ratios of sums over users, CUPED, families of p-values.

Everything statistical is tea-tasting's, on its Aggregates (1.14 on Python 3.11, 2.0 above: the same calls).
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

import tea_tasting as tt
from scipy.stats import norm
from tea_tasting.aggr import Aggregates
from tea_tasting.experiment import ExperimentResult
from tea_tasting.metrics.mean import MeanResult
from tea_tasting.multiplicity import MultipleComparisonsResults

from umg_assets.experiments.definition import Metric
from umg_assets.experiments.moments import VARIABLES, UserMoments

_Z95 = float(norm.isf(0.025))
Key = TypeVar("Key")
_LARGEST_Z = 37.0  # norm.sf(37) is the last that is not 0


@dataclass(frozen=True)
class Effect:
    """What a treatment did to a metric, against control.

    control, treatment: the metric (numerator sum / denominator sum, times the metric's scale), not adjusted.
    effect and its interval: the difference, CUPED-adjusted where `adjusted`; relative: over the adjusted control.
    p, z: two-sided, of the difference (z has its sign); standard_error: of the logarithm of the ratio of the two.
    numerators, denominators: the sums per user (control, treatment), not scaled. saved: share of the variance that
    CUPED took away. problem: why there is no estimate; then every number but the two means is NaN.
    """

    metric: str
    treatment_name: str
    slice: str
    value: str
    users: tuple[int, int]
    control: float
    treatment: float
    numerators: tuple[float, float]
    denominators: tuple[float, float]
    effect: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    relative: float = math.nan
    relative_lower: float = math.nan
    relative_upper: float = math.nan
    p: float = math.nan
    z: float = math.nan
    standard_error: float = math.nan
    adjusted: bool = False
    saved: float = 0.0
    problem: str = ""

    @property
    def information(self) -> float:
        """1 / Var of the relative effect (of the ratio's logarithm): free of the metric's unit."""
        return 1 / self.standard_error**2 if self.standard_error > 0 else 0.0

    def relative_interval(self, bound: float) -> tuple[float, float]:
        """The relative effect's interval `bound` standard errors to each side."""
        return tuple((1 + self.relative) * math.exp(side * bound * self.standard_error) - 1 for side in (-1, 1))  # pyright: ignore


def leverage(moments: UserMoments) -> float:
    """By how much a ratio's variance is to be larger, for users who hold much of the denominator; 1 without ddd.

    A user with share h of the denominator pulls the ratio to themselves, and so looks nearer to it by 1 - h: residuals
    are taken as divided by that, to first order (MacKinnon, White 1985: HC3, the jackknife), beyond what equal shares
    of 1 / users would do. A mean, whose users all have the same, has 1.
    """
    if not moments.ddd or not moments.d:
        return 1.0
    ratio = moments.n / moments.d
    squares = moments.nn - 2 * ratio * moments.nd + ratio * ratio * moments.dd
    weighted = moments.nnd - 2 * ratio * moments.ndd + ratio * ratio * moments.ddd
    return 1 + 2 * (weighted / (moments.d * squares) - 1 / moments.users) if squares > 0 else 1.0


def aggregates(moments: UserMoments) -> Aggregates:
    """The same as means, variances and covariances (n - 1), these times `leverage`; exact from integers of any size."""
    count, factor = moments.users, leverage(moments)

    def spread(product: float, left: float, right: float) -> float:
        return factor * ((count * product - left * right) / (count * (count - 1))) if count > 1 else math.nan

    sums = {name: getattr(moments, name) for name in VARIABLES}
    pairs = [(a, b) for at, a in enumerate(VARIABLES) for b in VARIABLES[at + 1 :]]
    return Aggregates(
        count_=count,
        mean_={name: sums[name] / count for name in VARIABLES},
        var_={name: spread(getattr(moments, name + name), sums[name], sums[name]) for name in VARIABLES},
        cov_={(a, b): spread(getattr(moments, a + b), sums[a], sums[b]) for a, b in pairs},
    )


@lru_cache
def _metric(adjusted: bool) -> tt.RatioOfMeans:
    covariates = ("cn", "cd") if adjusted else (None, None)
    return tt.RatioOfMeans("n", "d", *covariates, confidence_level=0.95)


def _problem(control: UserMoments, treatment: UserMoments) -> str:
    for side, one in (("control", control), (treatment.variant, treatment)):
        if one.users < 2:
            return f"{one.users} users in {side}: at least 2 are needed"
        if not one.d:
            return f"nothing to divide by in {side}: its denominator is 0"
    return ""


def _constant(moments: UserMoments) -> bool:
    """Whether every user's numerator is the same multiple of the denominator."""
    ratio = moments.n / moments.d
    return moments.nn - 2 * ratio * moments.nd + ratio * ratio * moments.dd <= 1e-12 * moments.nn


def _has_covariate(control: UserMoments, treatment: UserMoments) -> bool:
    """Whether both covariates' sums are there and their ratio varies over users: else CUPED would be 0 / 0."""
    if not (control.cd and treatment.cd):
        return False
    numerator, denominator = control.cn + treatment.cn, control.cd + treatment.cd
    squares = {name: getattr(control, name) + getattr(treatment, name) for name in ("cncn", "cncd", "cdcd")}
    ratio = numerator / denominator
    spread = squares["cncn"] - 2 * ratio * squares["cncd"] + ratio * ratio * squares["cdcd"]
    return bool(spread > 1e-12 * squares["cncn"])


def _standard_error(result: MeanResult) -> float:
    """Of the ratio's logarithm: its interval's half width over the t quantile that the difference's interval has."""
    half = result.effect_size_ci_upper - result.effect_size
    quantile = half * result.statistic / result.effect_size if result.effect_size else _Z95
    return math.log((1 + result.rel_effect_size_ci_upper) / (1 + result.rel_effect_size)) / quantile


def _saved(control: Aggregates, treatment: Aggregates, adjusted: MeanResult) -> float:
    plain = _metric(False).analyze_aggregates(control, treatment)
    before, after = (one.effect_size_ci_upper - one.effect_size for one in (plain, adjusted))
    return 1 - (after / before) ** 2 if before > 0 else 0.0


def effect_of(
    name: str, metric: Metric, control: UserMoments, treatment: UserMoments, *, brief: bool = False
) -> Effect:
    """The effect of one treatment on one metric; `brief` leaves out how much CUPED saved.

    Deng, Knoblich, Lu (2018), Applying the Delta Method in Metric Analytics; Deng, Xu, Kohavi, Walker (2013), CUPED.
    """
    sides = (control, treatment)
    known = Effect(
        metric=name,
        treatment_name=treatment.variant,
        slice=treatment.slice,
        value=treatment.value,
        users=(control.users, treatment.users),
        control=metric.scale * control.n / control.d if control.d else math.nan,
        treatment=metric.scale * treatment.n / treatment.d if treatment.d else math.nan,
        numerators=tuple(one.n / one.users if one.users else math.nan for one in sides),  # pyright: ignore
        denominators=tuple(one.d / one.users if one.users else math.nan for one in sides),  # pyright: ignore
    )
    if problem := _problem(control, treatment):
        return replace(known, problem=problem)
    if _constant(control) and _constant(treatment):
        return replace(known, problem="the metric does not vary over users")
    adjusted = _has_covariate(control, treatment)
    left, right = aggregates(control), aggregates(treatment)
    exact = _metric(adjusted).analyze_aggregates(left, right)
    if math.isnan(exact.pvalue):
        return replace(known, problem="the metric does not vary over users")
    relative = exact.control > 0 and exact.treatment > 0
    z = math.copysign(min(float(norm.isf(exact.pvalue / 2)), _LARGEST_Z), exact.effect_size)
    return replace(
        known,
        effect=metric.scale * exact.effect_size,
        lower=metric.scale * exact.effect_size_ci_lower,
        upper=metric.scale * exact.effect_size_ci_upper,
        relative=exact.rel_effect_size if relative else math.nan,
        relative_lower=exact.rel_effect_size_ci_lower if relative else math.nan,
        relative_upper=exact.rel_effect_size_ci_upper if relative else math.nan,
        p=exact.pvalue,
        z=z,
        standard_error=_standard_error(exact) if relative else math.nan,
        adjusted=adjusted,
        saved=_saved(left, right, exact) if adjusted and not brief else 0.0,
    )


def normal_p(control: UserMoments, treatment: UserMoments) -> float:
    """p of the difference by the delta method and a normal distribution, unadjusted: no larger than effect_of's."""
    if _problem(control, treatment):
        return math.nan
    sides = [aggregates(one) for one in (control, treatment)]
    variance = sum(one.ratio_var("n", "d") / one.count() for one in sides)
    difference = treatment.n / treatment.d - control.n / control.d
    return float(2 * norm.sf(abs(difference) / math.sqrt(variance))) if variance > 0 else math.nan


def denominator_effect(control: UserMoments, treatment: UserMoments) -> Effect:
    """What the treatment did to the denominator per user (sessions, plays): a mean metric of its own."""
    count = Metric(numerator="sessions")
    return effect_of(
        f"{control.metric} denominator", count, denominator_as_mean(control), denominator_as_mean(treatment)
    )


def denominator_as_mean(moments: UserMoments) -> UserMoments:
    """The denominator's moments as those of a mean metric, its covariate with it."""
    one, users = moments, moments.users
    return UserMoments(
        metric=one.metric, variant=one.variant, slice=one.slice, value=one.value, users=users,
        n=one.d, d=users, nn=one.dd, nd=one.d, dd=users,
        cn=one.cd, cd=users, ncn=one.dcd, ncd=one.d, dcn=one.cd, dcd=users, cncn=one.cdcd, cncd=one.cd, cdcd=users,
    )  # fmt: skip


def covariate_as_metric(moments: UserMoments) -> UserMoments:
    """The pre-period's moments as a metric's, for the A/A comparison before the experiment."""
    one = moments
    return UserMoments(
        metric=one.metric, variant=one.variant, slice=one.slice, value=one.value, users=one.users,
        n=one.cn, d=one.cd, nn=one.cncn, nd=one.cncd, dd=one.cdcd,
    )  # fmt: skip


def pooled(moments: Iterable[UserMoments]) -> UserMoments:
    """The moments of all of them together, under the first one's names. Raises ValueError when there are none."""
    rows = list(moments)
    if not rows:
        raise ValueError("expected moments of at least one variant, got none")
    named = ("metric", "variant", "slice", "value")
    summed = {key: sum(getattr(row, key) for row in rows) for key in UserMoments.__slots__ if key not in named}
    return UserMoments(**summed, **{key: getattr(rows[0], key) for key in named})


def holm(pvalues: Mapping[Key, float], alpha: float) -> dict[Key, float]:
    """Holm's adjusted p-values, under any dependence; NaN is in no family and stays out."""
    return _adjusted(
        pvalues,
        lambda family: tt.adjust_fwer(family, alpha=alpha, arbitrary_dependence=True, method="bonferroni"),
    )


def benjamini_hochberg(pvalues: Mapping[Key, float], alpha: float) -> dict[Key, float]:
    """Benjamini and Hochberg's adjusted p-values (false discovery rate); NaN is in no family and stays out."""
    return _adjusted(pvalues, lambda family: tt.adjust_fdr(family, alpha=alpha))


def _adjusted(
    pvalues: Mapping[Key, float], method: Callable[[ExperimentResult], MultipleComparisonsResults]
) -> dict[Key, float]:
    family = {str(at): (key, p) for at, (key, p) in enumerate(pvalues.items()) if not math.isnan(p)}
    if not family:
        return {}
    results = method(ExperimentResult({name: {"pvalue": p} for name, (_, p) in family.items()}))
    (adjusted,) = results.values()
    return {key: adjusted[name]["pvalue_adj"] for name, (key, _) in family.items()}  # pyright: ignore
