"""One readout's looks at its success metrics and guardrails: taken, skipped, restated, and what they decide."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from scipy.stats import norm

from umg_assets.experiments import looks as bounds
from umg_assets.experiments.definition import Experiment
from umg_assets.experiments.estimates import Effect, denominator_effect
from umg_assets.experiments.looks import Look
from umg_assets.experiments.moments import Evidence, UserMoments
from umg_assets.experiments.power import Plan, planned_information, success_alpha
from umg_assets.experiments.verdict import Guardrail, Success

GUARDRAIL = " (guardrail)"
Table = Mapping[tuple[str, str], UserMoments]


@dataclass(frozen=True)
class Restated:
    """A day's look that was taken before and comes out otherwise now."""

    metric: str
    treatment: str
    day: date
    z_before: float
    z_now: float


class Looking:
    """The looks of one readout: takes, skips and restates them."""

    def __init__(
        self, experiment: Experiment, evidence: Evidence, plan: Plan | None, looks: Sequence[Look], *, take: bool
    ) -> None:
        self.experiment, self.evidence, self.plan, self.take = experiment, evidence, plan, take
        self.earlier = [look for look in looks if look.day < evidence.through]
        self.before = {(look.metric, look.treatment): look for look in looks if look.day == evidence.through}
        self.taken: list[Look] = []
        self.skipped: list[str] = []
        self.restated: list[Restated] = []

    def of(self, metric: str, treatment: str) -> list[Look]:
        """Every look at a metric of a treatment so far, in order; a guardrail's metric ends in GUARDRAIL."""
        return [one for one in (*self.earlier, *self.taken) if (one.metric, one.treatment) == (metric, treatment)]

    def _elapsed(self) -> float:
        return ((self.evidence.through - self.experiment.first_day).days + 1) / (7 * self.experiment.weeks)

    def look(self, effect: Effect, metric: str, alpha: float, z: float) -> None:
        """Looks at a metric under the definition's spending function, unless there is a reason to skip it."""
        treatment = effect.treatment_name
        if not self.take or not effect.information or math.isnan(z):
            return
        planned = planned_information(self.experiment, self.plan, effect.metric)
        step = bounds.next_step(
            alpha,
            self.experiment.spending,
            self.experiment.spending_exponent,
            planned,
            effect.information,
            self.of(metric, treatment),
            elapsed=min(self._elapsed(), 1.0),
            decisive=self.evidence.complete,
        )
        if isinstance(step, str):
            self.skipped.append(f"{metric}, {treatment}: no look on {self.evidence.through}: {step}")
            return
        self.taken.append(
            Look(
                metric=metric,
                treatment=treatment,
                day=self.evidence.through,
                information=effect.information,
                fraction=step.fraction,
                alpha_spent=step.alpha_spent,
                bound=step.bound,
                z=z,
                decisive=self.evidence.complete,
                definition_hash=self.experiment.definition_hash,
            )
        )
        was = self.before.get((metric, treatment))
        if was is not None and not math.isclose(was.z, z, rel_tol=1e-9, abs_tol=1e-9):
            self.restated.append(Restated(metric, treatment, self.evidence.through, was.z, z))


def success_of(experiment: Experiment, table: Table, effect: Effect, looking: Looking) -> Success:
    metric, treatment = effect.metric, effect.treatment_name
    better = 1 if experiment.metric(metric).direction == "increase" else -1
    looking.look(effect, metric, success_alpha(experiment), effect.z)
    taken = looking.of(metric, treatment)
    crossing = next((look for look in taken if look.crossed), None)
    interval = effect.relative_interval(taken[-1].bound) if taken and effect.standard_error > 0 else None
    denominator = None
    if crossing is not None and experiment.metric(metric).denominator is not None:
        below = denominator_effect(table[metric, experiment.control], table[metric, treatment])
        denominator = below if abs(below.z) >= taken[-1].bound else None
    outcome = better * crossing.crossed if crossing else 0
    since = crossing.day if crossing and len(taken) > 1 else None
    return Success(effect, outcome, since, interval, denominator)


def guardrail_of(experiment: Experiment, effect: Effect, margin: float, looking: Looking) -> Guardrail:
    """Non-inferiority on the ratio's logarithm: one-sided at alpha, so with a two-sided bound of twice that."""
    metric = effect.metric + GUARDRAIL
    rises = experiment.metric(effect.metric).direction == "increase"
    z = math.nan
    if effect.standard_error > 0:
        gain = math.log1p(effect.relative) if rises else -math.log1p(effect.relative)
        z = (gain - (math.log1p(-min(margin, 0.99)) if rises else -math.log1p(margin))) / effect.standard_error
    looking.look(effect, metric, 2 * experiment.alpha, z)
    taken = looking.of(metric, effect.treatment_name)
    bound = taken[-1].bound if taken else float(norm.isf(experiment.alpha))
    low, high = effect.relative_interval(bound) if effect.standard_error > 0 else (math.nan, math.nan)
    passed = bool(taken) and taken[-1].crossed > 0
    return Guardrail(effect, margin, passed, worst=-low if rises else high)
