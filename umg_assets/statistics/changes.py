"""How an effect is said, the same in sentences and tables: relative, or as a difference where it cannot be."""

import math
from dataclasses import dataclass

from scipy.stats import norm

from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.estimates import Effect


@dataclass(frozen=True)
class Change:
    """An effect with its interval, as texts.

    amount: the change. low, high: the interval's ends; empty on the side where a one-sided test sets no limit.
    reason: why the difference stands in for the relative change; empty if it does not.
    """

    amount: str
    low: str
    high: str
    reason: str = ""

    @property
    def span(self) -> str:
        """The interval in words."""
        if not self.low or not self.high:
            return f"at least {self.low}" if self.low else f"at most {self.high}"
        return f"between {self.low} and {self.high}"

    @property
    def cell(self) -> str:
        """The interval in a table's cell."""
        return f"{self.low} to {self.high}" if self.low and self.high else self.span


def figure(value: float) -> str:
    """A figure as people read it: four significant digits, from 1,000 on a whole number, never an exponent."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def percent(share: float) -> str:
    """A relative effect as people read it; an en dash if there is none."""
    return f"{share:+.1%}" if math.isfinite(share) else "–"


def p_text(value: float) -> str:
    """A p-value as people read it; an en dash if there is none."""
    if not math.isfinite(value):
        return "–"
    return f"{value:.3f}" if value >= 0.001 else "under 0.001"


def no_relative(effect: Effect) -> str:
    """Why an effect cannot be said, or looked at, as a relative one, in words."""
    if not effect.base > 0:
        return "the control is 0 or below, which nothing is relative to"
    if not effect.base + effect.effect > 0:
        return "the treatment is 0 or below"
    return "the control is not shown to be above 0"


def p_of(experiment: Experiment, effect: Effect) -> float:
    """The p of the experiment's test: one-sided for a success metric of a one-sided experiment, else two-sided."""
    if not experiment.one_sided or effect.metric not in experiment.primary:
        return effect.p
    return float(norm.sf(effect.z if experiment.metric(effect.metric).direction == "increase" else -effect.z))


def change_of(experiment: Experiment, effect: Effect, bound: float, *, both_sides: bool = False) -> Change:
    """An effect, which has no problem, with the interval of a bound of z.

    Relative if it has a relative interval, else the difference in the metric's unit, with the reason. A success metric
    of a one-sided experiment has an interval that is open on its better side, unless `both_sides`.
    """
    low, high = effect.relative_interval(bound)
    relative = math.isfinite(low) and math.isfinite(high)
    if relative:
        amount, ends = percent(effect.relative), (percent(low), percent(high))
    else:
        amount = _difference(experiment, effect, effect.effect)
        low, high = effect.difference_interval(bound)
        ends = (_difference(experiment, effect, low), _difference(experiment, effect, high))
    if experiment.one_sided and not both_sides and effect.metric in experiment.primary:
        rises = experiment.metric(effect.metric).direction == "increase"
        ends = (ends[0], "") if rises else ("", ends[1])
    return Change(amount, *ends, "" if relative else f"a difference, for {no_relative(effect)}")


def control_to_treatment(experiment: Experiment, effect: Effect) -> str:
    """A metric's values in control and treatment, such as "310 s to 324 s"."""
    unit = experiment.metric(effect.metric).unit
    gap = "" if unit in ("", "%") else " "
    return f"{figure(effect.control)}{gap}{unit} to {figure(effect.treatment)}{gap}{unit}"


def _difference(experiment: Experiment, effect: Effect, value: float) -> str:
    unit = experiment.metric(effect.metric).unit
    return f"{'-' if value < 0 else '+'}{figure(abs(value))}{' points' if unit == '%' else f' {unit}' if unit else ''}"
