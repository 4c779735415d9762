"""The verdict: ship, do not ship, mixed, keep running or on hold, with reasons written for a product manager.

Ship only if a success metric wins and every guardrail is shown to be non-inferior: Schultzberg, Ankargren, Frånberg
(2024), arXiv 2402.11609. The verdict is mixed where a win or a loss is not the whole story: a ratio's denominator moved
as well and may explain it alone, the evidence since a crossed bound does not bear it out, or a secondary metric that
may not be traded is significantly worse.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.changes import change_of, control_to_treatment, figure, no_relative, p_text, percent
from umg_assets.statistics.estimates import Z95, Effect
from umg_assets.statistics.looks import Look
from umg_assets.statistics.trust import Finding

Decision = Literal["ship", "do not ship", "mixed", "keep running", "on hold"]


@dataclass(frozen=True)
class Success:
    """A success metric of one treatment.

    effect: its estimate on the day of the readout.
    outcome: 1 won, -1 lost, 0 not decided.
    since: day of the look that decided it; None while it is open, or if only one look has been taken.
    last: the last look; None before the first.
    denominator: the effect on the denominator per user, if that moved beyond the bound as well; else None.
    faded: the first look that crossed its bound, if the last look or the evidence of the readout is not beyond it; else
    None. Then nothing is decided.
    """

    effect: Effect
    outcome: int
    since: date | None
    last: Look | None
    denominator: Effect | None = None
    faded: Look | None = None

    @property
    def bound(self) -> float | None:
        """The last look's, which the interval is as wide as; None before the first look, or without an estimate."""
        return self.last.bound if self.last is not None and not math.isnan(self.effect.z) else None


@dataclass(frozen=True)
class Guardrail:
    """A guardrail of one treatment.

    effect: its estimate on the day of the readout.
    margin: the relative loss that is still acceptable.
    passed: whether the last look ruled out a loss of the margin, and the evidence of the readout does as well.
    worst: the largest relative loss that the evidence does not rule out by the last look's bound; negative: a gain is
    shown; NaN without an interval.
    last: the last look; None before the first.
    """

    effect: Effect
    margin: float
    passed: bool
    worst: float
    last: Look | None


@dataclass(frozen=True)
class Worsening:
    """A secondary metric of one treatment that is significantly worse.

    effect: its estimate. holm: p, adjusted over secondary metrics and treatments. accepted: whether the definition says
    that it may get worse.
    """

    effect: Effect
    holm: float
    accepted: bool


@dataclass(frozen=True)
class Verdict:
    """What to do with a treatment.

    treatment: the variant's name. decision: in words. reasons: one sentence each, the most important first.
    """

    treatment: str
    decision: Decision
    reasons: tuple[str, ...]


def decide(
    experiment: Experiment,
    treatment: str,
    findings: Sequence[Finding],
    successes: Sequence[Success],
    guardrails: Sequence[Guardrail],
    worsenings: Sequence[Worsening],
    *,
    complete: bool,
    days_left: int,
) -> Verdict:
    """The verdict on one treatment.

    worsenings: every secondary metric that is significantly worse. complete: the experiment is over and no further look
    can decide. days_left: planned days after the readout's.
    """
    if holds := [finding for finding in findings if finding.level == "hold"]:
        reasons = [f"{hold.text} Likely: {hold.causes[0]}." if hold.causes else hold.text for hold in holds]
        return Verdict(treatment, "on hold", (*reasons, "No effect is read until this is cleared up."))
    won = [success for success in successes if success.outcome > 0]
    lost = [success for success in successes if success.outcome < 0]
    moved = [success for success in (*won, *lost) if success.denominator is not None]
    faded = [success for success in successes if success.faded is not None]
    failing = [guardrail for guardrail in guardrails if not guardrail.passed]
    untraded = [worsening.effect.metric for worsening in worsenings if not worsening.accepted]
    reasons = [_success_sentence(experiment, success, complete) for success in successes]
    reasons += [_guardrail_sentence(experiment, guardrail) for guardrail in guardrails]
    reasons += [_worsening_sentence(experiment, worsening) for worsening in worsenings]
    if moved:
        return Verdict(treatment, "mixed", (*(_moved_sentence(experiment, success) for success in moved), *reasons))
    if won and lost:
        reasons.insert(
            0, "One success metric gained while another lost: which one matters more is not for a test to say."
        )
        return Verdict(treatment, "mixed", tuple(reasons))
    if lost:
        return Verdict(treatment, "do not ship", tuple(reasons))
    if faded and not won and not (complete and failing):
        reasons.insert(0, "A bound was crossed, and the evidence since does not bear it out: that decides nothing.")
        return Verdict(treatment, "mixed", tuple(reasons))
    if won and not failing and untraded:
        reasons.insert(
            0, f"A success metric won, but {' and '.join(untraded)} got worse: which matters more is not for a test to "
            "say. What may be traded is named in may_worsen before the experiment begins."
        )  # fmt: skip
        return Verdict(treatment, "mixed", tuple(reasons))
    if won and not failing:
        return Verdict(treatment, "ship", tuple(reasons))
    if complete:
        return Verdict(treatment, "do not ship", tuple(reasons))
    waiting = (
        "a win is shipped once every guardrail is shown to hold"
        if won
        else "nothing is decided before a bound is crossed"
    )
    reasons.append(f"{days_left} days of the plan are left: {waiting}.")
    return Verdict(treatment, "keep running", tuple(reasons))


def _success_sentence(experiment: Experiment, success: Success, complete: bool) -> str:
    effect, name, bound = success.effect, success.effect.metric, success.bound
    if effect.problem:
        return f"{name} cannot be estimated: {effect.problem}."
    values = f"{name} went from {control_to_treatment(experiment, effect)}"
    if bound is None:
        amount = percent(effect.relative) if effect.base > 0 else change_of(experiment, effect, 0.0).amount
        return f"{values} ({amount}); no look has been taken yet."
    said = change_of(experiment, effect, bound)
    reason = f"; {said.reason}" if said.reason else ""
    change = f"{values} ({said.amount}, {said.span}{reason})"
    if success.outcome:
        word = "better" if success.outcome > 0 else "worse"
        return f"{change}: shown to be {word}" + (f", first on {success.since}." if success.since else ".")
    if success.faded is not None:
        return f"{change}: {_faded_words(experiment, success.faded, success.last, effect)}"
    if success.last is not None and (late := _late_words(experiment, success.last, effect)):
        return f"{change}: {late}"
    if not complete:
        return f"{change}: not decided."
    low, high = effect.relative_interval(bound)
    best = high if experiment.metric(name).direction == "increase" else -low
    minimum = f"{experiment.minimum_effect:.1%}"
    if math.isnan(best):
        return f"{change}: no gain shown."
    if best < experiment.minimum_effect:
        return f"{change}: no gain shown, and one of {minimum} or more is ruled out."
    return f"{change}: no gain shown, and one of {minimum} is not ruled out: too few users to tell."


def _faded_words(experiment: Experiment, look: Look, last: Look | None, effect: Effect) -> str:
    assert last is not None
    better = look.crossed > 0 if experiment.metric(look.metric).direction == "increase" else look.crossed < 0
    now = look.crossed * effect.z
    when, z = ("by the evidence since", now) if now < last.bound else (f"at the look on {last.day}", abs(last.z))
    return (
        f"{'better' if better else 'worse'} beyond the bound on {look.day} ({abs(look.z):.2f} standard errors, bound "
        f"{look.bound:.2f}), but not {when} ({z:.2f}, bound {last.bound:.2f})."
    )


def _late_words(experiment: Experiment, last: Look, effect: Effect) -> str:
    """Of evidence beyond the bound of a last look that was not; empty if it is within."""
    rises = experiment.metric(last.metric).direction == "increase"
    gains = effect.z > 0 if rises else effect.z < 0
    if abs(effect.z) < last.bound or (experiment.one_sided and not gains):
        return ""
    return (
        f"not decided, for the look on {last.day} was within its bound ({abs(last.z):.2f} standard errors, bound "
        f"{last.bound:.2f}; now {abs(effect.z):.2f}), and only looks decide."
    )


def _worsening_sentence(experiment: Experiment, worsening: Worsening) -> str:
    effect = worsening.effect
    said = change_of(experiment, effect, Z95, both_sides=True)
    values = f"{effect.metric} (secondary) went from {control_to_treatment(experiment, effect)}"
    accepted = ", which the definition accepts" if worsening.accepted else ""
    return f"{values} ({said.amount}, {said.span}): significantly worse (Holm p {p_text(worsening.holm)}){accepted}."


def _moved_sentence(experiment: Experiment, success: Success) -> str:
    effect, denominator = success.effect, success.denominator
    assert denominator is not None
    metric = experiment.metric(effect.metric)
    assert success.bound is not None
    numerator = effect.numerators[1] / effect.numerators[0] - 1 if effect.numerators[0] > 0 else math.nan
    numerators = f" {percent(numerator)}" if math.isfinite(numerator) else " not relative to a control of 0 or below"
    per_user = percent(denominator.relative) if denominator.base > 0 else f"by {figure(denominator.effect)}"
    amount = change_of(experiment, effect, success.bound).amount
    return (
        f"{effect.metric} changed by {amount}, but so did what it is divided by: "
        f"{metric.denominator} per user {per_user}, {metric.numerator} per user{numerators}. The ratio alone does "
        "not say whether users gained: read both parts."
    )


def _guardrail_sentence(experiment: Experiment, guardrail: Guardrail) -> str:
    effect, name, margin = guardrail.effect, guardrail.effect.metric, f"{guardrail.margin:.1%}"
    if effect.problem:
        return f"{name} (guardrail) cannot be estimated: {effect.problem}."
    values = f"{name} (guardrail) went from {control_to_treatment(experiment, effect)}"
    if not effect.base > 0:
        return f"{values}: a relative loss of {margin} cannot be tested, for {no_relative(effect)}."
    change = f"{values} ({percent(effect.relative)})"
    if guardrail.passed:
        return f"{change}: a loss of {margin} or more is ruled out."
    if math.isnan(guardrail.worst):
        return f"{change}: a loss of {margin} is not ruled out ({no_relative(effect)})."
    last = guardrail.last
    if guardrail.worst < guardrail.margin and (last is None or last.crossed <= 0):
        missing = "no look has been taken yet" if last is None else f"the look on {last.day} did not rule it out"
        return f"{change}: a loss of {margin} is not ruled out, for {missing}, and only looks decide."
    before = f"; the look on {last.day} had ruled it out" if last is not None and last.crossed > 0 else ""
    return f"{change}: a loss of {margin} is not ruled out (it may be {max(guardrail.worst, 0):.1%}){before}."
