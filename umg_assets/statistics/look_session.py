"""The looks that one readout takes at its success metrics and guardrails, and what those looks decide."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from scipy.stats import norm

from umg_assets.settings.experiment import Experiment
from umg_assets.statistics import looks as bounds
from umg_assets.statistics.changes import no_relative
from umg_assets.statistics.estimates import Effect, denominator_effect
from umg_assets.statistics.looks import Look
from umg_assets.statistics.moments import Evidence, UserMoments
from umg_assets.statistics.power import Plan, planned_information, success_alpha
from umg_assets.statistics.verdict import Guardrail, Success

GUARDRAIL = " (guardrail)"
"""Ends a metric's name in looks at it as a guardrail."""
Table = Mapping[tuple[str, str], UserMoments]


@dataclass(frozen=True)
class Restated:
    """A look of an earlier readout whose figures have changed since: events came late, or people were forgotten.

    metric (of a guardrail, ending in GUARDRAIL), treatment, day: which look.
    z_before: its z when the look was taken, which is the one that counts.
    z_now: its z by the evidence as it is now; NaN if that gives none.
    """

    metric: str
    treatment: str
    day: date
    z_before: float
    z_now: float

    def __str__(self) -> str:
        """The look in words, as `session_duration, b on 2026-11-11 was 1.453 standard errors, and is 1.337 now`."""
        now = "cannot be estimated now" if math.isnan(self.z_now) else f"is {self.z_now:.3f} now"
        return f"{self.metric}, {self.treatment} on {self.day} was {self.z_before:.3f} standard errors, and {now}"


class LookSession:
    """The looks of one readout.

    evidence: through the day that is looked at. plan: the information that looks are measured against; see
    `planned_information`. looks: those of earlier readouts, ordered by day; those of later days are left out.
    take: whether looks may be taken at all (not in a provisional or held readout). in_days: whether the plan is one in
    days, which alpha is spent no faster than.

    earlier: looks of days before this one. taken: this day's looks; one that an earlier readout took stays as it was.
    skipped: why a look was not taken, a sentence each.
    restated: looks of this day that an earlier readout took and that have other figures now.
    """

    def __init__(
        self,
        experiment: Experiment,
        evidence: Evidence,
        plan: Plan | None,
        looks: Sequence[Look],
        *,
        take: bool,
        in_days: bool = True,
    ) -> None:
        self.experiment, self.evidence, self.plan, self.take = experiment, evidence, plan, take
        self.in_days = in_days
        self.earlier = [look for look in looks if look.day < evidence.through]
        self.same_day = {(look.metric, look.treatment): look for look in looks if look.day == evidence.through}
        self.taken: list[Look] = []
        self.skipped: list[str] = []
        self.restated: list[Restated] = []

    def of(self, metric: str, treatment: str) -> list[Look]:
        """Every look at a metric of a treatment so far, ordered by day; a guardrail's metric ends in GUARDRAIL."""
        return [look for look in (*self.earlier, *self.taken) if (look.metric, look.treatment) == (metric, treatment)]

    def _elapsed(self) -> float:
        if not self.in_days:
            return 1.0
        return min(((self.evidence.through - self.experiment.first_day).days + 1) / (7 * self.experiment.weeks), 1.0)

    def look(self, effect: Effect, metric: str, alpha: float, z: float) -> None:
        """Takes a look at a metric under the experiment's spending function, or notes why it is skipped.

        alpha: two-sided, of this metric and treatment. z: the test statistic. Without a z, no look. Information is
        of the relative effect; without one the difference is looked at once, at the end, with all alpha that is left.
        A look that an earlier readout took on this day is not taken again: its alpha is spent.
        """
        treatment = effect.treatment_name
        if not self.take:
            return
        if (before := self.same_day.get((metric, treatment))) is not None:
            self.taken.append(before)
            if not math.isclose(before.z, z, rel_tol=1e-9, abs_tol=1e-9):
                self.restated.append(Restated(metric, treatment, before.day, before.z, z))
            return
        if math.isnan(z):
            return
        if not effect.information and not self.evidence.complete:
            self.skipped.append(
                f"{metric}, {treatment}: no look on {self.evidence.through}: {no_relative(effect)}, so the difference "
                "is looked at once, at the end"
            )
            return
        planned = planned_information(self.experiment, self.plan, effect.metric)
        step = bounds.next_step(
            alpha,
            self.experiment.spending,
            self.experiment.spending_exponent,
            planned,
            effect.information,
            self.of(metric, treatment),
            elapsed=self._elapsed(),
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


def _bears_out(taken: Sequence[Look], side: int, z: float) -> bool:
    """Whether the last look crossed its bound on a side (1 or -1), and today's z is beyond that bound as well."""
    return bool(taken) and taken[-1].crossed == side and side * z >= taken[-1].bound


def success_of(experiment: Experiment, table: Table, effect: Effect, look_session: LookSession) -> Success:
    """Looks at a success metric; it has won or lost if a look has crossed its bound, and the last look and today's
    evidence are still beyond it.

    table: the moments by metric and variant, from which the denominator's own effect is estimated.
    """
    metric, treatment = effect.metric, effect.treatment_name
    better = 1 if experiment.metric(metric).direction == "increase" else -1
    look_session.look(effect, metric, success_alpha(experiment), effect.z)
    taken = look_session.of(metric, treatment)
    counts = (better,) if experiment.one_sided else (1, -1)
    crossing = next((look for look in taken if look.crossed in counts), None)
    last = taken[-1] if taken else None
    if crossing is None or last is None:
        return Success(effect, 0, None, last)
    if not _bears_out(taken, crossing.crossed, effect.z):
        return Success(effect, 0, None, last, faded=crossing)
    denominator = None
    if experiment.metric(metric).denominator is not None:
        change = denominator_effect(table[metric, experiment.control], table[metric, treatment])
        denominator = change if abs(change.z) >= last.bound else None
    since = crossing.day if len(taken) > 1 else None
    return Success(effect, better * crossing.crossed, since, last, denominator)


def guardrail_of(experiment: Experiment, effect: Effect, margin: float, look_session: LookSession) -> Guardrail:
    """Looks at a guardrail: non-inferiority, the treatment against (1 - margin) of the control, one-sided at alpha.

    Bounds are two-sided, so alpha is doubled for them. margin: the relative loss that is still acceptable. It holds if
    the last look has crossed its bound and today's evidence is still beyond it. A guardrail whose control is not above
    0 has no relative loss, and is not shown to hold.
    """
    metric = effect.metric + GUARDRAIL
    rises = experiment.metric(effect.metric).direction == "increase"
    worst_ratio = 1 - margin if rises else 1 + margin
    z = (1 if rises else -1) * effect.comparison.z(worst_ratio) if effect.base > 0 else math.nan
    look_session.look(effect, metric, 2 * experiment.alpha, z)
    taken = look_session.of(metric, effect.treatment_name)
    bound = taken[-1].bound if taken else float(norm.isf(experiment.alpha))
    low, high = effect.relative_interval(bound)
    return Guardrail(
        effect, margin, _bears_out(taken, 1, z), worst=-low if rises else high, last=taken[-1] if taken else None
    )
