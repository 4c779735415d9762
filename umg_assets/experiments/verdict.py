"""The verdict: ship, do not ship, mixed, keep running or on hold, with reasons that a product manager reads.

Ship only if a success metric wins and every guardrail is shown to be non-inferior: Schultzberg, Ankargren, Frånberg
(2024), arXiv 2402.11609. A win, or a loss, of a ratio whose denominator moved too is mixed: it can be the
denominator's doing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from umg_assets.experiments.definition import Experiment
from umg_assets.experiments.estimates import Effect
from umg_assets.experiments.trust import Finding

Decision = Literal["ship", "do not ship", "mixed", "keep running", "on hold"]


@dataclass(frozen=True)
class Success:
    """A success metric of one treatment: won 1, lost -1, open 0; since: which of several looks.

    interval: of the relative effect, by the bound of the last look.
    denominator: the effect on the denominator per user, where it moved beyond the bound as well.
    """

    effect: Effect
    outcome: int
    since: date | None
    interval: tuple[float, float] | None
    denominator: Effect | None = None


@dataclass(frozen=True)
class Guardrail:
    """A guardrail of one treatment: whether a loss of its margin is ruled out, and the worst that is not."""

    effect: Effect
    margin: float
    passed: bool
    worst: float


@dataclass(frozen=True)
class Verdict:
    """What to do with a treatment, and why."""

    treatment: str
    decision: Decision
    reasons: tuple[str, ...]


def decide(
    experiment: Experiment,
    treatment: str,
    findings: Sequence[Finding],
    successes: Sequence[Success],
    guardrails: Sequence[Guardrail],
    *,
    complete: bool,
    days_left: int,
) -> Verdict:
    """The verdict on one treatment. complete: the decisive look has been taken."""
    if holds := [finding for finding in findings if finding.level == "hold"]:
        reasons = [f"{one.text} Likely: {one.causes[0]}." if one.causes else one.text for one in holds]
        return Verdict(treatment, "on hold", (*reasons, "No effect is read until this is cleared up."))
    won = [one for one in successes if one.outcome > 0]
    lost = [one for one in successes if one.outcome < 0]
    moved = [one for one in (*won, *lost) if one.denominator is not None]
    failing = [one for one in guardrails if not one.passed]
    reasons = [_success_said(experiment, one, complete) for one in successes]
    reasons += [_guardrail_said(experiment, one) for one in guardrails]
    if moved:
        return Verdict(treatment, "mixed", (*(_moved_said(experiment, one) for one in moved), *reasons))
    if won and lost:
        reasons.insert(
            0, "One success metric gained while another lost: which one matters more is not for a test to say."
        )
        return Verdict(treatment, "mixed", tuple(reasons))
    if lost:
        return Verdict(treatment, "do not ship", tuple(reasons))
    if won and not failing:
        return Verdict(treatment, "ship", tuple(reasons))
    if complete:
        return Verdict(treatment, "do not ship", tuple(reasons))
    reasons.append(f"{days_left} days of the plan are left: nothing is decided before a bound is crossed.")
    return Verdict(treatment, "keep running", tuple(reasons))


def shown(experiment: Experiment, effect: Effect) -> str:
    """A metric's control and treatment values, such as "310 s to 324 s"."""
    unit = experiment.metric(effect.metric).unit
    gap = "" if unit in ("", "%") else " "
    return f"{figure(effect.control)}{gap}{unit} to {figure(effect.treatment)}{gap}{unit}"


def figure(value: float) -> str:
    """A figure as people read it: large ones in whole numbers, none with an exponent."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def _success_said(experiment: Experiment, one: Success, complete: bool) -> str:
    effect, name = one.effect, one.effect.metric
    if effect.problem:
        return f"{name} cannot be estimated: {effect.problem}."
    if one.interval is None:
        return f"{name} went from {shown(experiment, effect)} ({effect.relative:+.1%}); no look has been taken yet."
    between = f"between {one.interval[0]:+.1%} and {one.interval[1]:+.1%}"
    seen = f"{name} went from {shown(experiment, effect)} ({effect.relative:+.1%}, {between})"
    if one.outcome:
        word = "better" if one.outcome > 0 else "worse"
        return f"{seen}: shown to be {word}" + (f", first on {one.since}." if one.since else ".")
    if not complete:
        return f"{seen}: not decided."
    better = max(one.interval) if experiment.metric(name).direction == "increase" else -min(one.interval)
    if better < experiment.minimum_effect:
        return f"{seen}: no gain shown, and one of {experiment.minimum_effect:.1%} or more is ruled out."
    return f"{seen}: no gain shown, and one of {experiment.minimum_effect:.1%} is not ruled out: too few users to tell."


def _moved_said(experiment: Experiment, one: Success) -> str:
    effect, below = one.effect, one.denominator
    assert below is not None
    metric = experiment.metric(effect.metric)
    above = effect.numerators[1] / effect.numerators[0] - 1 if effect.numerators[0] else float("nan")
    return (
        f"{effect.metric} changed by {effect.relative:+.1%}, but so did what it is divided by: {metric.denominator} "
        f"per user {below.relative:+.1%}, {metric.numerator} per user {above:+.1%}. The ratio alone does not "
        "say whether users gained: read both parts."
    )


def _guardrail_said(experiment: Experiment, one: Guardrail) -> str:
    effect, name = one.effect, one.effect.metric
    if effect.problem:
        return f"{name} (guardrail) cannot be estimated: {effect.problem}."
    seen = f"{name} (guardrail) went from {shown(experiment, effect)} ({effect.relative:+.1%})"
    if one.passed:
        return f"{seen}: a loss of {one.margin:.1%} or more is ruled out."
    return f"{seen}: a loss of {one.margin:.1%} is not ruled out (it may be {max(one.worst, 0):.1%})."
