"""Effects from moments: the delta method for ratios of sums over users, CUPED, families of p-values.

tea-tasting's Aggregates give the variances (1.14 on Python 3.11, 2.0 on later ones: the same calls), `comparison` the
test and its intervals. tea-tasting's own test divides by the control, which may be 0.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import tea_tasting as tt
from scipy.stats import norm, t
from tea_tasting.aggr import Aggregates
from tea_tasting.experiment import ExperimentResult
from tea_tasting.multiplicity import MultipleComparisonsResults

from umg_assets.settings.experiment import Metric
from umg_assets.statistics.comparison import Comparison
from umg_assets.statistics.moments import VARIABLES, UserMoments

Z95 = float(norm.isf(0.025))
"""The normal quantile of a two-sided 95 % interval."""
Key = TypeVar("Key")


@dataclass(frozen=True)
class Effect:
    """What a treatment did to a metric, against control. Intervals are 95 %.

    metric, treatment_name: their names.
    slice, value: whose users, as in UserMoments; ("all", "") all of them.
    users: number of users (control, treatment).
    control, treatment: the metric, numerator sum / denominator sum, times its scale; not adjusted.
    numerators, denominators: the sums per user (control, treatment), not scaled.
    effect, lower, upper: the difference and its interval, in the metric's unit; CUPED-adjusted if `adjusted`.
    relative, relative_lower, relative_upper: the same relative to the adjusted control (Fieller's interval); NaN unless
    that is positive. The interval alone is NaN if the control is not shown to be.
    p: two-sided, of the difference. z: the normal quantile of p, with the difference's sign.
    standard_error: of the logarithm of the ratio treatment / control; NaN unless both are positive.
    base: the adjusted control, in the metric's unit. errors: standard errors of it and of the adjusted treatment.
    df: degrees of freedom of the difference's error.
    adjusted: whether CUPED was applied. saved: the share of the variance that it removed.
    problem: why there is no estimate; then all fields from `effect` to `standard_error` are NaN. Else empty.
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
    base: float = math.nan
    errors: tuple[float, float] = (math.nan, math.nan)
    df: float = math.nan
    adjusted: bool = False
    saved: float = 0.0
    problem: str = ""

    @property
    def information(self) -> float:
        """1 / Var of the relative effect (of the ratio's logarithm), independent of the metric's unit."""
        return 1 / self.standard_error**2 if self.standard_error > 0 else 0.0

    @property
    def comparison(self) -> Comparison:
        """The adjusted values, in the metric's unit; NaN throughout if there is no estimate."""
        return Comparison(self.base, self.base + self.effect, self.errors, self.df)

    def relative_interval(self, bound: float) -> tuple[float, float]:
        """The relative effect's interval, as wide as a bound of z; NaN as `relative_lower`."""
        return self.comparison.relative_interval(bound)

    def difference_interval(self, bound: float) -> tuple[float, float]:
        """The difference's interval in the metric's unit, as wide as a bound of z."""
        return self.comparison.difference_interval(bound)


def leverage(moments: UserMoments) -> float:
    """The factor that corrects a ratio's variance for users who hold much of the denominator; 1 without ddd.

    A user with a share h of the denominator pulls the ratio towards themselves, which shrinks their residual by 1 - h.
    Residuals are divided by that, to first order (MacKinnon, White 1985: HC3, the jackknife), relative to equal shares
    of 1 / users. A mean, whose users all have an equal share, gets 1.
    """
    if not moments.ddd or not moments.d:
        return 1.0
    ratio = moments.n / moments.d
    squares = moments.nn - 2 * ratio * moments.nd + ratio * ratio * moments.dd
    weighted = moments.nnd - 2 * ratio * moments.ndd + ratio * ratio * moments.ddd
    return 1 + 2 * (weighted / (moments.d * squares) - 1 / moments.users) if squares > 0 else 1.0


def aggregates(moments: UserMoments) -> Aggregates:
    """Moments as tea-tasting's means, variances and covariances (n - 1); exact from integers of any size.

    Variances and covariances are multiplied by `leverage`.
    """
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


def _problem(control: UserMoments, treatment: UserMoments) -> str:
    for name, side in (("control", control), (treatment.variant, treatment)):
        if side.users < 2:
            return f"{side.users} users in {name}: at least 2 are needed"
        if not side.d:
            return f"nothing to divide by in {name}: its denominator is 0"
    return ""


def is_constant(moments: UserMoments) -> bool:
    """Whether every user's numerator is the same multiple of the denominator, which has to be above 0 in sum."""
    ratio = moments.n / moments.d
    return moments.nn - 2 * ratio * moments.nd + ratio * ratio * moments.dd <= 1e-12 * moments.nn


def _has_covariate(control: UserMoments, treatment: UserMoments) -> bool:
    """Whether both sides have covariates whose ratio varies over users: otherwise CUPED would be 0 / 0."""
    if not (control.cd and treatment.cd):
        return False
    numerator, denominator = control.cn + treatment.cn, control.cd + treatment.cd
    squares = {name: getattr(control, name) + getattr(treatment, name) for name in ("cncn", "cncd", "cdcd")}
    ratio = numerator / denominator
    spread = squares["cncn"] - 2 * ratio * squares["cncd"] + ratio * ratio * squares["cdcd"]
    return bool(spread > 1e-12 * squares["cncn"])


def _compared(left: Aggregates, right: Aggregates, *, adjusted: bool) -> Comparison:
    """Control and treatment as ratios of sums; adjusted: by CUPED, with the covariates of both sides."""
    values = [side.mean("n") / side.mean("d") for side in (left, right)]
    variances = [side.ratio_var("n", "d") for side in (left, right)]
    if adjusted:
        both = left + right
        slope = both.ratio_cov("n", "d", "cn", "cd") / both.ratio_var("cn", "cd")
        middle = both.mean("cn") / both.mean("cd")
        for at, side in enumerate((left, right)):
            values[at] -= slope * (side.mean("cn") / side.mean("cd") - middle)
            variances[at] += slope * (
                slope * side.ratio_var("cn", "cd") - 2 * side.ratio_cov("n", "d", "cn", "cd")
            )  # fmt: skip
    counts = left.count(), right.count()
    errors = tuple(max(float(variance), 0.0) / count for variance, count in zip(variances, counts, strict=True))
    return Comparison.of((float(values[0]), float(values[1])), errors, counts)  # pyright: ignore[reportArgumentType]


def _saved(left: Aggregates, right: Aggregates, adjusted: Comparison) -> float:
    """The share of the interval's squared width that CUPED saved."""
    before, after = (
        side.quantile(Z95) * math.hypot(*side.errors) for side in (_compared(left, right, adjusted=False), adjusted)
    )
    return 1 - (after / before) ** 2 if before > 0 else 0.0


def effect_of(
    name: str, metric: Metric, control: UserMoments, treatment: UserMoments, *, brief: bool = False
) -> Effect:
    """The effect of one treatment on one metric; `brief` leaves out how much variance CUPED saved.

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
        numerators=tuple(side.n / side.users if side.users else math.nan for side in sides),  # pyright: ignore
        denominators=tuple(side.d / side.users if side.users else math.nan for side in sides),  # pyright: ignore
    )
    if problem := _problem(control, treatment):
        return replace(known, problem=problem)
    if is_constant(control) and is_constant(treatment):
        return replace(known, problem="the metric does not vary over users")
    adjusted = _has_covariate(control, treatment)
    left, right = aggregates(control), aggregates(treatment)
    exact = _compared(left, right, adjusted=adjusted)
    if not math.hypot(*exact.errors) > 0 or math.isnan(exact.df):
        return replace(known, problem="the metric does not vary over users")
    base, other, scale = exact.control, exact.treatment, metric.scale
    lower, upper = exact.difference_interval(Z95)
    relative_lower, relative_upper = exact.relative_interval(Z95)
    both_positive = base > 0 and other > 0
    return replace(
        known,
        effect=scale * (other - base),
        lower=scale * lower,
        upper=scale * upper,
        relative=other / base - 1 if base > 0 else math.nan,
        relative_lower=relative_lower,
        relative_upper=relative_upper,
        p=2 * float(t.sf(abs(exact.statistic()), exact.df)),
        z=exact.z(),
        standard_error=math.hypot(exact.errors[0] / base, exact.errors[1] / other) if both_positive else math.nan,
        base=scale * base,
        errors=(scale * exact.errors[0], scale * exact.errors[1]),
        df=exact.df,
        adjusted=adjusted,
        saved=_saved(left, right, exact) if adjusted and not brief else 0.0,
    )


def normal_p(control: UserMoments, treatment: UserMoments) -> float:
    """p of the unadjusted difference by the delta method and a normal distribution: never above effect_of's."""
    if _problem(control, treatment):
        return math.nan
    sides = [aggregates(side) for side in (control, treatment)]
    variance = sum(side.ratio_var("n", "d") / side.count() for side in sides)
    difference = treatment.n / treatment.d - control.n / control.d
    return float(2 * norm.sf(abs(difference) / math.sqrt(variance))) if variance > 0 else math.nan


def denominator_effect(control: UserMoments, treatment: UserMoments) -> Effect:
    """The treatment's effect on the denominator per user (sessions, plays), as a mean metric."""
    count = Metric(numerator="sessions")
    return effect_of(
        f"{control.metric} denominator", count, denominator_as_mean(control), denominator_as_mean(treatment)
    )


def denominator_as_mean(moments: UserMoments) -> UserMoments:
    """The denominator's moments as those of a mean metric, with its covariate."""
    m, users = moments, moments.users
    return UserMoments(
        metric=m.metric, variant=m.variant, slice=m.slice, value=m.value, users=users,
        n=m.d, d=users, nn=m.dd, nd=m.d, dd=users,
        cn=m.cd, cd=users, ncn=m.dcd, ncd=m.d, dcn=m.cd, dcd=users, cncn=m.cdcd, cncd=m.cd, cdcd=users,
    )  # fmt: skip


def covariate_as_metric(moments: UserMoments) -> UserMoments:
    """The pre-period's moments as a metric of its own, for the A/A comparison before the experiment."""
    m = moments
    return UserMoments(
        metric=m.metric, variant=m.variant, slice=m.slice, value=m.value, users=m.users,
        n=m.cn, d=m.cd, nn=m.cncn, nd=m.cncd, dd=m.cdcd,
    )  # fmt: skip


def pooled(moments: Iterable[UserMoments]) -> UserMoments:
    """The moments of all users together, under the names of the first. Raises ValueError if there are none."""
    rows = list(moments)
    if not rows:
        raise ValueError("expected moments of at least one variant, got none")
    names = ("metric", "variant", "slice", "value")
    sums = {key: sum(getattr(row, key) for row in rows) for key in UserMoments.__slots__ if key not in names}
    return UserMoments(**sums, **{key: getattr(rows[0], key) for key in names})


def holm(pvalues: Mapping[Key, float], alpha: float) -> dict[Key, float]:
    """Holm's adjusted p-values, valid under any dependence; a NaN belongs to no family and is left out."""
    return _adjusted(
        pvalues,
        lambda family: tt.adjust_fwer(family, alpha=alpha, arbitrary_dependence=True, method="bonferroni"),
    )


def benjamini_hochberg(pvalues: Mapping[Key, float], alpha: float) -> dict[Key, float]:
    """Benjamini and Hochberg's adjusted p-values (false discovery rate); a NaN belongs to no family and is left out."""
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
