"""Looks at an experiment while it runs: Lan and DeMets' error spending over information, and always-valid intervals.

The recursive integration is gsdesign's (Jennison and Turnbull 2000, chapter 19); the spending functions are those of
Lan and DeMets (1983) and Kim and DeMets (1987). Bounds are two-sided and symmetric: half of alpha on each side.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal

import numpy as np
from gsdesign import h1, hupdate
from scipy.optimize import brentq
from scipy.stats import norm

Spending = Literal["obrien_fleming", "pocock", "power"]
SMALLEST_STEP = 0.01
"""A look must add this share of the planned information, and of what is there, or it is skipped and spends nothing."""
LARGEST_BOUND = 8.0
"""The bound where a step of alpha would need a larger one (P < 1.3e-15), as in Reboussin et al.'s ld98."""

_Grid = tuple[np.ndarray, np.ndarray, np.ndarray]
_LARGEST_RATIO = 1e6
_GRID = 18  # gsdesign's, and gsDesign's, number of grid points: 8 digits


@dataclass(frozen=True)
class Look:
    """One look at one metric and treatment, as it is logged: plain types only.

    metric, treatment: their names; a guardrail's metric ends in `look_session.GUARDRAIL`.
    day: the last local day of the evidence.
    information: 1 / Var of the relative effect.
    fraction: information over the plan's; above 1 if there is more than planned.
    alpha_spent: two-sided, by this look and those before it.
    bound: the look rejects if |z| is at or above it.
    z: the test statistic.
    decisive: whether it is the last one, which spends all remaining alpha.
    definition_hash: of the definition that was read.
    """

    metric: str
    treatment: str
    day: date
    information: float
    fraction: float
    alpha_spent: float
    bound: float
    z: float
    decisive: bool
    definition_hash: str

    @property
    def crossed(self) -> int:
        """1 if z is at or above the bound, -1 if at or below the lower bound, else 0."""
        return int(math.copysign(1, self.z)) if abs(self.z) >= self.bound else 0


def spent(spending: Spending, alpha: float, fraction: float, exponent: float = 2.0) -> float:
    """Two-sided alpha spent at an information fraction; at 1 and above, all of it.

    obrien_fleming and pocock: Lan, DeMets (1983); power, alpha * fraction ** exponent: Kim, DeMets (1987).
    """
    t = min(max(fraction, 0.0), 1.0)
    if t == 0:
        return 0.0
    if spending == "obrien_fleming":
        return float(4 * norm.sf(norm.isf(alpha / 4) / math.sqrt(t)))
    if spending == "pocock":
        return alpha * math.log(1 + (math.e - 1) * t)
    return alpha * t**exponent


@lru_cache(maxsize=256)
def _density(looks: tuple[tuple[float, float], ...]) -> _Grid:
    """The density of z at the last of the looks (information, bound) if none has crossed, on gsdesign's grid."""
    (*before, (information, bound)) = looks
    if not before:
        return h1(_GRID, 0.0, information, -bound, bound)
    previous = tuple(before)
    return hupdate(_GRID, 0.0, information, -bound, bound, 0.0, previous[-1][0], _density(previous))


def bound_for(step: float, used: float, information: float, before: Sequence[tuple[float, float]]) -> float:
    """The bound with which a look spends `step` of two-sided alpha, after looks `before` that did not cross.

    used: alpha spent by `before`, pairs of (information, bound).

    Raises ValueError if information does not exceed the last look's.
    """
    if step <= 2 * norm.sf(LARGEST_BOUND):
        return LARGEST_BOUND
    if not before:
        return float(norm.isf(step / 2))
    last, _ = before[-1]
    if information <= last:
        raise ValueError(f"expected more information than the last look's {last:g}, got {information:g}")
    grid = _density(tuple(before))

    def excess(bound: float) -> float:
        _, _, h = hupdate(_GRID, 0.0, information, bound, math.inf, 0.0, last, grid)
        return math.log(max(float(np.sum(h)), 1e-300)) - math.log(step / 2)

    # P(crosses now) - P(crossed before) <= P(crosses now for the first time) <= P(crosses now) bracket the bound.
    lowest, highest = (float(norm.isf(alpha / 2)) for alpha in (min(step + used, 1.0), step))
    lowest, highest = max(lowest - 0.05, 0.0), highest + 0.05
    return min(float(brentq(excess, lowest, highest, xtol=1e-7)), LARGEST_BOUND)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class Step:
    """What a look may do.

    fraction: its information over the planned. alpha_spent: two-sided, after it. bound: |z| from which it rejects.
    """

    fraction: float
    alpha_spent: float
    bound: float


def next_step(
    alpha: float,
    spending: Spending,
    exponent: float,
    planned: float,
    information: float,
    before: Sequence[Look],
    *,
    elapsed: float,
    decisive: bool,
) -> Step | str:
    """The next look's step, or the reason why it is skipped.

    planned: the plan's information; before: the looks taken, in order; elapsed: the share of planned days that is over.
    Alpha is spent by the fraction of the planned information, but no faster than the days pass: a plan that is far too
    small would else spend all of it on the first days, when few users are in. Neither depends on the effect.
    A decisive look that adds less than SMALLEST_STEP counts as adding that much, which only widens its bound.
    """
    fraction = information / planned if planned > 0 else 0.0
    last = before[-1] if before else None
    if last and last.decisive:
        return f"the decisive look was on {last.day}: no alpha is left"
    used = last.alpha_spent if last else 0.0
    smallest = (last.information if last else 0.0) + SMALLEST_STEP * max(planned, last.information if last else 0.0)
    if decisive:
        information, total = max(information, smallest), alpha
    elif information < smallest:
        added = fraction - (last.fraction if last else 0.0)
        return f"it adds {added:.1%} of the planned information: under {SMALLEST_STEP:.0%} of that, or of what was in"
    else:
        total = max(spent(spending, alpha, min(fraction, elapsed), exponent), used)
    bound = bound_for(total - used, used, information, [(look.information, look.bound) for look in before])
    return Step(fraction, total, bound)


def power_of(drift: float, looks: Sequence[tuple[float, float]]) -> float:
    """The probability to cross the upper bound at any of the looks (fraction, bound).

    drift: the expected z at fraction 1. Jennison, Turnbull (2000), chapter 19.
    """
    total, grid, last = 0.0, None, 0.0
    for fraction, bound in looks:
        if grid is None:
            total += float(np.sum(h1(_GRID, drift, fraction, bound, math.inf)[2]))
            grid = h1(_GRID, drift, fraction, -bound, bound)
        else:
            total += float(np.sum(hupdate(_GRID, drift, fraction, bound, math.inf, drift, last, grid)[2]))
            grid = hupdate(_GRID, drift, fraction, -bound, bound, drift, last, grid)
        last = fraction
    return total


@lru_cache
def design(alpha: float, spending: Spending, exponent: float, looks: int) -> tuple[tuple[float, float], ...]:
    """(fraction, bound) of so many looks at equal steps of information, the last one decisive."""
    steps: list[tuple[float, float]] = []
    used = 0.0
    for fraction in np.arange(1, looks + 1) / looks:
        total = spent(spending, alpha, float(fraction), exponent)
        steps.append((float(fraction), bound_for(total - used, used, float(fraction), steps)))
        used = total
    return tuple(steps)


@lru_cache
def needed_drift(alpha: float, power: float, spending: Spending, exponent: float, looks: int) -> float:
    """The expected z at the planned end that gives so many looks this power.

    A single look needs z(alpha / 2) + z(power); several need more.
    """
    plan = design(alpha, spending, exponent, looks)
    single = float(norm.isf(alpha / 2) + norm.ppf(power))
    return float(brentq(lambda drift: power_of(drift, plan) - power, 0.5 * single, 3 * single, xtol=1e-6))  # pyright: ignore


def always_valid(relative: float, standard_error: float, alpha: float, scale: float) -> tuple[float, float, float]:
    """(p, lower, upper) of a relative effect, valid at every look without a plan (mixture sequential ratio test).

    standard_error: of the ratio's logarithm. scale: standard deviation of the normal mixture over that logarithm. upper
    is infinite beyond a millionfold: few users, and a mixture far narrower than what they tell.
    Johari, Pekelis, Walsh (2022), Always Valid Inference, Operations Research 70(3), equations 10 and 11.
    """
    effect, variance, mixture = math.log1p(relative), standard_error**2, scale**2
    total = variance + mixture
    half = math.sqrt(variance * total / mixture * (2 * math.log(1 / alpha) + math.log(total / variance)))
    log_p = 0.5 * math.log(total / variance) - mixture * effect**2 / (2 * variance * total)
    upper = math.expm1(effect + half) if effect + half < math.log(_LARGEST_RATIO) else math.inf
    return math.exp(min(log_p, 0.0)), math.expm1(effect - half), upper
