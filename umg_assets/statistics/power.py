"""Power: how long, how many users, how small an effect. Before an experiment, on the lake's own past, and during it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import tea_tasting as tt
from scipy.stats import norm
from tea_tasting.aggr import Aggregates

from umg_assets.settings.experiment import Experiment
from umg_assets.statistics import looks
from umg_assets.statistics.estimates import Effect, aggregates, is_constant, pooled
from umg_assets.statistics.moments import SessionMoments, UserMoments


@dataclass(frozen=True)
class PastWindow:
    """Whole weeks of the past, as if they had been an experiment.

    weeks: how many. moments: of all active users, by metric (slice "all"). sessions: all sessions of these users.
    """

    weeks: int
    moments: tuple[UserMoments, ...]
    sessions: SessionMoments


@dataclass(frozen=True)
class WindowPlan:
    """What an experiment as long as a past window would have had.

    weeks: the window's length. users, sessions: of the smallest variant.
    detectable: the relative effect on the first primary metric that is detected with the planned power, over users.
    naive: the same by a formula over sessions; NaN if the metric is not play time per session.
    power: at the minimum effect.
    """

    weeks: int
    users: int
    sessions: int
    detectable: float
    naive: float
    power: float


@dataclass(frozen=True)
class Plan:
    """The plan whose information looks are measured against.

    weeks: planned weeks.
    information: metric = 1 / Var of the relative effect, as expected at the planned end.
    windows: what experiments as long as the past windows would have had, shortest first.
    weeks_needed: length of the shortest window whose detectable effect is at most the minimum effect; None if none is.
    at_target: (users, detectable, naive) of a variant with target_sessions sessions; None without a target.
    sentences: the same in words.
    """

    weeks: int
    information: Mapping[str, float]
    windows: tuple[WindowPlan, ...]
    weeks_needed: int | None
    at_target: tuple[int, float, float] | None
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Progress:
    """How far an experiment has come.

    days, of_days, days_left: days read, days planned, planned days after those read.
    sessions: of the smallest variant. of_sessions: target_sessions; None without a target.
    fraction: information over the planned.
    detectable: the relative effect on the first primary metric that this information detects; NaN if unknown.
    days_needed: further days until the minimum effect is detectable, at the same information per day; None if unknown.
    """

    days: int
    of_days: int
    days_left: int
    sessions: int
    of_sessions: int | None
    fraction: float
    detectable: float
    days_needed: int | None


def success_alpha(experiment: Experiment) -> float:
    """Two-sided alpha of a success metric of a treatment: alpha over metrics times treatments (Bonferroni).

    Bounds are two-sided, so a one-sided experiment's alpha is doubled for them.
    """
    sides = 2 if experiment.one_sided else 1
    return sides * experiment.alpha / (len(experiment.primary) * len(experiment.treatments))


def power_each(experiment: Experiment) -> float:
    """The power of each test that gives the experiment's power to ship, which needs all of them at once.

    1 - beta / (G + 1) with G guardrails: Schultzberg, Ankargren, Frånberg (2024), Risk-aware product decisions in A/B
    tests with multiple metrics, arXiv 2402.11609.
    """
    return 1 - (1 - experiment.power) / (len(experiment.guardrails) + 1)


def drift_needed(experiment: Experiment, *, guardrail: bool = False) -> float:
    """The expected z at the planned end that gives a test its power with one look a day."""
    alpha = 2 * experiment.alpha if guardrail else success_alpha(experiment)
    spending = experiment.spending, experiment.spending_exponent
    return looks.needed_drift(alpha, power_each(experiment), *spending, 7 * experiment.weeks)


def planned_information(experiment: Experiment, plan: Plan | None, metric: str) -> float:
    """The information at the planned end: the plan's, or what the minimum effect or the guardrail's margin needs."""
    if plan is not None and metric in plan.information:
        return plan.information[metric]
    if metric in experiment.primary:
        return (drift_needed(experiment) / math.log1p(experiment.minimum_effect)) ** 2
    margin = -math.log1p(-min(experiment.guardrails[metric], 0.99))
    return (drift_needed(experiment, guardrail=True) / margin) ** 2


def make_plan(experiment: Experiment, windows: Sequence[PastWindow]) -> Plan:
    """The plan, replayed on past windows.

    Raises ValueError if there is no window, or if one lacks the moments of a success metric or guardrail, or if that
    does not vary over users.
    """
    if not windows:
        raise ValueError("expected at least one past window of whole weeks, got none: the plan needs a past to replay")
    ordered = sorted(windows, key=lambda window: window.weeks)
    closest = next((window for window in ordered if window.weeks >= experiment.weeks), ordered[-1])
    plans = [_window_plan(experiment, window) for window in ordered]
    needed = next((plan.weeks for plan in plans if plan.detectable <= experiment.minimum_effect), None)
    information = {
        name: _information(experiment, _metric_of(closest, name)) * experiment.weeks / closest.weeks
        for name in dict.fromkeys((*experiment.primary, *experiment.guardrails))
    }
    target = _at_target(experiment, closest) if experiment.target_sessions else None
    return Plan(
        weeks=experiment.weeks,
        information=information,
        windows=tuple(plans),
        weeks_needed=needed,
        at_target=target,
        sentences=_sentences(experiment, plans, needed, target),
    )


def _metric_of(window: PastWindow, metric: str) -> Aggregates:
    rows = [row for row in window.moments if row.metric == metric]
    if not rows:
        raise ValueError(f"expected moments of {metric} in the past window of {window.weeks} weeks, got none")
    users = pooled(rows)
    if not users.d or not users.n or is_constant(users):
        raise ValueError(
            f"expected {metric} to vary over users in the past window of {window.weeks} weeks, got one value for all: "
            "no effect on it can be planned for"
        )
    return aggregates(users)


def _arms(experiment: Experiment) -> tuple[float, float]:
    """Share of the active users in the control, and in the smallest treatment."""
    taking_part, shares = experiment.traffic * (1 - experiment.holdout), experiment.shares
    smallest = min(shares[name] for name in experiment.treatments)
    return taking_part * shares[experiment.control], taking_part * smallest


def _detectable(experiment: Experiment, data: Aggregates, units: float, columns: tuple[str | None, ...]) -> float:
    """tea-tasting's relative detectable effect of a fixed sample. units: users or sessions before the split."""
    control, treatment = _arms(experiment)
    metric = tt.RatioOfMeans(
        *columns,  # pyright: ignore[reportArgumentType]
        alpha=success_alpha(experiment),
        power=power_each(experiment),
        ratio=treatment / control,
        n_obs=max(int(units * (control + treatment)), 4),
    )
    return float(metric.solve_power_from_aggregates(data, "rel_effect_size")[0].rel_effect_size)


def _columns(data: Aggregates) -> tuple[str | None, ...]:
    return ("n", "d", "cn", "cd") if data.mean("cd") and data.ratio_var("cn", "cd") > 0 else ("n", "d", None, None)


def _information(experiment: Experiment, data: Aggregates) -> float:
    single = norm.isf(success_alpha(experiment) / 2) + norm.ppf(power_each(experiment))
    return float((single / _detectable(experiment, data, data.count(), _columns(data))) ** 2)


def _naive(experiment: Experiment, sessions: SessionMoments, count: float) -> float:
    """The detectable effect by the formula over sessions; NaN unless the first metric is play time per session, and
    sessions differ.
    """
    metric = experiment.metric(experiment.primary[0])
    if metric.denominator != "sessions" or not metric.numerator.endswith("_ms") or sessions.sessions < 2:
        return math.nan
    if not sessions.variance > 0:
        return math.nan
    data = Aggregates(sessions.sessions, {"n": sessions.n / sessions.sessions}, {"n": sessions.variance})
    return _detectable(experiment, data, count, ("n", None, None, None))


def _window_plan(experiment: Experiment, window: PastWindow) -> WindowPlan:
    data = _metric_of(window, experiment.primary[0])
    smallest = min(_arms(experiment))
    root = math.sqrt(_information(experiment, data))
    spending = experiment.spending, experiment.spending_exponent
    daily = looks.design(success_alpha(experiment), *spending, 7 * experiment.weeks)
    return WindowPlan(
        weeks=window.weeks,
        users=int(data.count() * smallest),
        sessions=int(window.sessions.sessions * smallest),
        detectable=math.expm1(drift_needed(experiment) / root),
        naive=_naive(experiment, window.sessions, window.sessions.sessions),
        power=looks.power_of(math.log1p(experiment.minimum_effect) * root, daily),
    )


def _at_target(experiment: Experiment, window: PastWindow) -> tuple[int, float, float]:
    """(users, detectable, naive) once the smallest variant has the target's sessions."""
    part = (experiment.target_sessions or 0) / max(window.sessions.sessions * min(_arms(experiment)), 1)
    data = _metric_of(window, experiment.primary[0])
    root = math.sqrt(_information(experiment, data) * part)
    users = int(data.count() * min(_arms(experiment)) * part)
    naive = _naive(experiment, window.sessions, window.sessions.sessions * part)
    return users, math.expm1(drift_needed(experiment) / root), naive


def _sentences(
    experiment: Experiment,
    windows: Sequence[WindowPlan],
    needed: int | None,
    target: tuple[int, float, float] | None,
) -> tuple[str, ...]:
    sentences = []
    if target:
        users, detectable, naive = target
        text = f"{experiment.target_sessions:,} sessions a variant are {users:,} users: they detect {detectable:.1%}"
        sentences.append(text if math.isnan(naive) else f"{text}; a formula over sessions would promise {naive:.1%}")
    if needed is not None:
        sentences.append(f"{needed} weeks detect the minimum effect of {experiment.minimum_effect:.1%}")
    else:
        last = windows[-1]
        sentences.append(
            f"the minimum effect of {experiment.minimum_effect:.1%} needs more than {last.weeks} weeks, which detect "
            f"{last.detectable:.1%}: take more traffic, a larger minimum effect, or more weeks"
        )
    return tuple(sentences)


def progress(
    experiment: Experiment, through: date, sessions: Mapping[str, int], effect: Effect, planned: float
) -> Progress:
    """How far an experiment has come through a day.

    sessions: by variant. effect: of one treatment on the first primary metric. planned: its information at the end.
    """
    days = (through - experiment.first_day).days + 1
    known = effect.standard_error > 0
    needed = None
    if known and days > 0:
        information = (drift_needed(experiment) / math.log1p(experiment.minimum_effect)) ** 2
        needed = max(math.ceil(information / effect.information * days - days), 0)
    return Progress(
        days=days,
        of_days=7 * experiment.weeks,
        days_left=max((experiment.last_day - through).days, 0),
        sessions=min((sessions.get(name, 0) for name in experiment.variants), default=0),
        of_sessions=experiment.target_sessions,
        fraction=effect.information / planned if planned else 0.0,
        detectable=math.expm1(drift_needed(experiment) * effect.standard_error) if known else math.nan,
        days_needed=needed,
    )
