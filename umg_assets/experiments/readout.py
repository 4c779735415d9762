"""The readout: definition + evidence + looks taken before -> findings, effects, bounds, verdict. One function, pure."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from scipy.stats import norm

from umg_assets.experiments import looks as bounds
from umg_assets.experiments.definition import Experiment
from umg_assets.experiments.estimates import Effect, benjamini_hochberg, effect_of, holm
from umg_assets.experiments.literal import LiteralTest, literal_tests
from umg_assets.experiments.looking import Looking, Restated, Table, guardrail_of, success_of
from umg_assets.experiments.looks import Look
from umg_assets.experiments.moments import ALL, Evidence, UserMoments
from umg_assets.experiments.nonparametric import RankTest, Resampled, SessionQuantile, bootstrap, mann_whitney
from umg_assets.experiments.nonparametric import session_quantiles as quantiles_of
from umg_assets.experiments.power import Plan, Progress, planned_information, progress, success_alpha
from umg_assets.experiments.trust import Finding, examine
from umg_assets.experiments.verdict import Verdict, decide


@dataclass(frozen=True)
class Row:
    """One metric of one treatment as the tables show it.

    role: success, guardrail, secondary. holm, benjamini_hochberg: p adjusted over secondary metrics and treatments
    (NaN for others). bound: of the last look taken; lower, upper: the relative effect's interval by that bound.
    always_lower, always_upper, always_p: valid at any time, with a mixture as wide as the minimum effect. chance: that
    the treatment is better, the effect's prior normal around 0 with the minimum effect as its standard deviation.
    """

    role: str
    effect: Effect
    holm: float = math.nan
    benjamini_hochberg: float = math.nan
    bound: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    always_lower: float = math.nan
    always_upper: float = math.nan
    always_p: float = math.nan
    chance: float = math.nan


@dataclass(frozen=True)
class Readout:
    """Everything that a readout says. looks: those it took, to be kept when `settled`; skipped: why others were not."""

    name: str
    through: date
    settled: bool
    complete: bool
    by_assignment: bool
    cap_ms: int | None
    definition_hash: str
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    rows: tuple[Row, ...]
    segments: tuple[Effect, ...]
    looks: tuple[Look, ...]
    earlier: tuple[Look, ...]
    skipped: tuple[str, ...]
    restated: tuple[Restated, ...]
    progress: Progress | None
    ranks: tuple[RankTest, ...]
    resampled: tuple[Resampled, ...]
    quantiles: tuple[SessionQuantile, ...]
    literal: tuple[LiteralTest, ...]
    exposed: Mapping[str, int]
    exposed_by_day: Mapping[date, Mapping[str, int]]

    @property
    def held(self) -> bool:
        """Whether a finding holds it back."""
        return any(finding.level == "hold" for finding in self.findings)

    def to_json(self) -> str:
        """As JSON: field by field; a NaN is null, a day ISO 8601."""
        plain = asdict(self) | {"held": self.held}
        plain["exposed_by_day"] = {day.isoformat(): dict(counts) for day, counts in self.exposed_by_day.items()}
        return json.dumps(_plain(plain), indent=2)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def make_readout(
    experiment: Experiment,
    evidence: Evidence,
    looks: Sequence[Look] = (),
    plan: Plan | None = None,
    *,
    name: str = "",
    full: bool = True,
) -> Readout:
    """The readout of an experiment's evidence.

    looks: those of earlier settled readouts, in order (a day that was read twice: the first, which spent the alpha).
    plan: what information is held to; without one, what the minimum effect needs. full: with everything that decides
    nothing (secondary metrics, segments, warnings, ranks, resampling); else trust, success metrics and guardrails.
    """
    findings = examine(experiment, evidence, brief=not full)
    held = any(finding.level == "hold" for finding in findings)
    table: Table = {(row.metric, row.variant): row for row in evidence.moments if row.slice == ALL}
    names = experiment.metric_names if full else tuple(dict.fromkeys((*experiment.primary, *experiment.guardrails)))
    effects = {
        (metric, treatment): effect
        for metric in names
        for treatment in experiment.treatments
        if (effect := _effect(experiment, table, metric, treatment, brief=not full)) is not None
    }
    looking = Looking(experiment, evidence, plan, looks, take=evidence.settled and not held)
    verdicts = tuple(
        _verdict(experiment, evidence, table, effects, looking, findings, treatment)
        for treatment in experiment.treatments
    )
    return Readout(
        name=name,
        through=evidence.through,
        settled=evidence.settled,
        complete=evidence.complete,
        by_assignment=evidence.by_assignment,
        cap_ms=evidence.cap_ms,
        definition_hash=experiment.definition_hash,
        verdicts=verdicts,
        findings=findings,
        rows=_rows(experiment, effects, looking),
        segments=_segments(experiment, evidence) if full else (),
        looks=tuple(looking.taken),
        earlier=tuple(looking.earlier),
        skipped=tuple(looking.skipped),
        restated=tuple(looking.restated),
        progress=_progress(experiment, evidence, effects, plan) if full else None,
        ranks=tuple(mann_whitney(ranks) for ranks in evidence.ranks) if full else (),
        resampled=_resampled(experiment, evidence) if full else (),
        quantiles=quantiles_of(evidence.session_bins, tuple(experiment.variants))
        if full and evidence.session_bins
        else (),
        literal=literal_tests(experiment, evidence) if full else (),
        exposed=evidence.trust.exposed,
        exposed_by_day=evidence.trust.exposed_by_day,
    )


def _effect(experiment: Experiment, table: Table, metric: str, treatment: str, *, brief: bool) -> Effect | None:
    control, treated = table.get((metric, experiment.control)), table.get((metric, treatment))
    if control is None or treated is None:
        return None
    return effect_of(metric, experiment.metric(metric), control, treated, brief=brief)


def _verdict(
    experiment: Experiment,
    evidence: Evidence,
    table: Table,
    effects: Mapping[tuple[str, str], Effect],
    looking: Looking,
    findings: Sequence[Finding],
    treatment: str,
) -> Verdict:
    successes = [
        success_of(experiment, table, effects[metric, treatment], looking)
        for metric in experiment.primary
        if (metric, treatment) in effects
    ]
    guardrails = [
        guardrail_of(experiment, effects[metric, treatment], margin, looking)
        for metric, margin in experiment.guardrails.items()
        if (metric, treatment) in effects
    ]
    decisive = any(look.decisive for name in experiment.primary for look in looking.of(name, treatment))
    left = max((experiment.last_day - evidence.through).days, 0)
    return decide(
        experiment, treatment, findings, successes, guardrails,
        complete=decisive or (evidence.complete and evidence.settled), days_left=left,
    )  # fmt: skip


def _rows(experiment: Experiment, effects: Mapping[tuple[str, str], Effect], looking: Looking) -> tuple[Row, ...]:
    secondary = {key: effect.p for key, effect in effects.items() if key[0] in experiment.secondary}
    by_holm, by_rate = (method(secondary, experiment.alpha) for method in (holm, benjamini_hochberg))
    rows = []
    for key, effect in effects.items():
        role = "success" if key[0] in experiment.primary else "secondary"
        role = "guardrail" if role == "secondary" and key[0] in experiment.guardrails else role
        taken, extra = looking.of(*key), {}
        if effect.standard_error > 0:
            scale = math.log1p(experiment.minimum_effect)
            alpha = success_alpha(experiment)
            p, low, high = bounds.always_valid(effect.relative, effect.standard_error, alpha, scale)
            extra = {"always_p": p, "always_lower": low, "always_upper": high, "chance": _chance(experiment, effect)}
            if taken:
                low, high = effect.relative_interval(taken[-1].bound)
                extra |= {"bound": taken[-1].bound, "lower": low, "upper": high}
        rows.append(Row(role, effect, by_holm.get(key, math.nan), by_rate.get(key, math.nan), **extra))
    return tuple(rows)


def _chance(experiment: Experiment, effect: Effect) -> float:
    prior, variance = math.log1p(experiment.minimum_effect) ** 2, effect.standard_error**2
    z = math.log1p(effect.relative) * math.sqrt(prior / (variance * (prior + variance)))
    return float(norm.cdf(z if experiment.metric(effect.metric).direction == "increase" else -z))


def _segments(experiment: Experiment, evidence: Evidence) -> tuple[Effect, ...]:
    parts: dict[tuple[str, str], dict[tuple[str, str], UserMoments]] = {}
    for row in evidence.moments:
        if row.slice not in (ALL, "day_since"):
            parts.setdefault((row.slice, row.value), {})[row.metric, row.variant] = row
    found = []
    for part in parts.values():
        for metric in experiment.primary:
            found += [_effect(experiment, part, metric, one, brief=True) for one in experiment.treatments]
    return tuple(effect for effect in found if effect is not None)


def _progress(
    experiment: Experiment, evidence: Evidence, effects: Mapping[tuple[str, str], Effect], plan: Plan | None
) -> Progress | None:
    first = experiment.primary[0]
    known = [effect for (metric, _), effect in effects.items() if metric == first]
    if not known:
        return None
    slowest = min(known, key=lambda effect: effect.information)
    sessions = {row.variant: row.sessions for row in evidence.sessions}
    planned = planned_information(experiment, plan, first)
    return progress(experiment, evidence.through, sessions, slowest, planned)


def _resampled(experiment: Experiment, evidence: Evidence) -> tuple[Resampled, ...]:
    table = {(row.metric, row.variant): row for row in evidence.buckets}
    return tuple(
        bootstrap(table[metric, experiment.control], table[metric, treatment])
        for metric in experiment.metric_names
        for treatment in experiment.treatments
        if (metric, experiment.control) in table and (metric, treatment) in table
    )
