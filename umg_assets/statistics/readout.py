"""The readout: definition + evidence + earlier looks -> findings, effects, bounds, verdict. One pure function."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from scipy.stats import norm

from umg_assets.settings.experiment import Experiment
from umg_assets.statistics import looks as bounds
from umg_assets.statistics.estimates import Effect, benjamini_hochberg, effect_of, holm
from umg_assets.statistics.literal import LiteralTest, literal_tests
from umg_assets.statistics.look_session import LookSession, Restated, Table, guardrail_of, success_of
from umg_assets.statistics.looks import Look
from umg_assets.statistics.moments import ALL, Evidence, UserMoments
from umg_assets.statistics.nonparametric import RankTest, Resampled, SessionQuantile, bootstrap, mann_whitney
from umg_assets.statistics.nonparametric import session_quantiles as quantiles_of
from umg_assets.statistics.power import Plan, Progress, planned_information, progress, success_alpha
from umg_assets.statistics.trust import Finding, examine
from umg_assets.statistics.verdict import Verdict, Worsening, decide

Effects = Mapping[tuple[str, str], Effect]
Family = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Row:
    """One metric of one treatment, as a line of the tables. What cannot be estimated is NaN.

    role: success, guardrail or secondary.
    effect: its estimate.
    holm, benjamini_hochberg: p adjusted over secondary metrics and treatments; NaN for other roles.
    bound: of the last look; NaN before the first.
    lower, upper: the relative effect's interval, as wide as `bound`; NaN too without a relative interval.
    always_lower, always_upper, always_p: the relative effect's interval and p, valid at any time
    (`looks.always_valid`, with a mixture as wide as the minimum effect).
    chance: the probability that the treatment is better, if the effect's prior is normal around 0 with the minimum
    effect as its standard deviation.
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
    """Everything that a readout says.

    name: the experiment's.
    through, settled, complete, by_assignment, cap_ms, exposed, exposed_by_day: as in Evidence and Trust.
    definition_hash: of the definition that was read.
    verdicts: one for each treatment.
    findings: of every trust check.
    rows: one for each metric and treatment with moments on both sides.
    segments: effects on the success metrics by segment; exploratory.
    looks: those it took, to be logged if `settled`.
    earlier: those that were taken on days before.
    skipped: why looks were not taken, a sentence each.
    restated: looks at this day that were taken before and have other figures now.
    progress: how far the experiment has come; None without an effect on the first primary metric.
    ranks, resampled, quantiles: tests that assume no normal distribution.
    literal: the brief's test over sessions, not for decisions.
    """

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
        """Whether a finding holds the readout: then no effect may be read."""
        return any(finding.level == "hold" for finding in self.findings)

    def to_json(self) -> str:
        """The fields as JSON; NaN is null, a day is ISO 8601."""
        plain = asdict(self) | {"held": self.held}
        plain["exposed_by_day"] = {day.isoformat(): dict(counts) for day, counts in self.exposed_by_day.items()}
        return json.dumps(_plain(plain), indent=2)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
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
    also: Sequence[Finding] = (),
    pace: bool = True,
) -> Readout:
    """The readout of an experiment's evidence.

    looks: of earlier settled readouts, ordered by day, one for each metric, treatment and day.
    plan: the information that looks are measured against; without one, what the minimum effect needs.
    full: False leaves out what decides nothing (segments, warnings, ranks, resampling) and keeps trust and metrics.
    pace: False is for evidence without a plan in days: it leaves out how far the experiment has come, and spends alpha
    by information alone.
    also: findings that whoever read the data has made; they hold the readout as all others do.
    """
    findings = (*examine(experiment, evidence, brief=not full), *also)
    held = any(finding.level == "hold" for finding in findings)
    table: Table = {(row.metric, row.variant): row for row in evidence.moments if row.slice == ALL}
    effects = {
        (metric, treatment): effect
        for metric in experiment.metric_names
        for treatment in experiment.treatments
        if (effect := _effect(experiment, table, metric, treatment, brief=not full)) is not None
    }
    families = _families(experiment, effects)
    look_session = LookSession(experiment, evidence, plan, looks, take=evidence.settled and not held, in_days=pace)
    verdicts = tuple(
        _verdict(experiment, evidence, table, effects, families[0], look_session, findings, treatment)
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
        rows=_rows(experiment, effects, families, look_session),
        segments=_segments(experiment, evidence) if full else (),
        looks=tuple(look_session.taken),
        earlier=tuple(look_session.earlier),
        skipped=tuple(look_session.skipped),
        restated=tuple(look_session.restated),
        progress=_progress(experiment, evidence, effects, plan) if full and pace else None,
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
    effects: Effects,
    by_holm: Mapping[tuple[str, str], float],
    look_session: LookSession,
    findings: Sequence[Finding],
    treatment: str,
) -> Verdict:
    successes = [
        success_of(experiment, table, effects[metric, treatment], look_session)
        for metric in experiment.primary
        if (metric, treatment) in effects
    ]
    guardrails = [
        guardrail_of(experiment, effects[metric, treatment], margin, look_session)
        for metric, margin in experiment.guardrails.items()
        if (metric, treatment) in effects
    ]
    worsenings = [
        Worsening(effect, holm_p, metric in experiment.may_worsen)
        for (metric, name), holm_p in by_holm.items()
        if name == treatment and holm_p < experiment.alpha
        if _worse(experiment, effect := effects[metric, name])
    ]
    decisive = any(look.decisive for name in experiment.primary for look in look_session.of(name, treatment))
    left = max((experiment.last_day - evidence.through).days, 0)
    return decide(
        experiment, treatment, findings, successes, guardrails, worsenings,
        complete=decisive or (evidence.complete and evidence.settled), days_left=left,
    )  # fmt: skip


def _worse(experiment: Experiment, effect: Effect) -> bool:
    return effect.effect < 0 if experiment.metric(effect.metric).direction == "increase" else effect.effect > 0


def _families(experiment: Experiment, effects: Effects) -> tuple[Family, Family]:
    """p adjusted over secondary metrics and treatments, by Holm and by Benjamini and Hochberg."""
    secondary = {key: effect.p for key, effect in effects.items() if key[0] in experiment.secondary}
    return holm(secondary, experiment.alpha), benjamini_hochberg(secondary, experiment.alpha)


def _rows(
    experiment: Experiment, effects: Effects, families: tuple[Family, Family], look_session: LookSession
) -> tuple[Row, ...]:
    by_holm, by_rate = families
    rows = []
    for key, effect in effects.items():
        role = "success" if key[0] in experiment.primary else "secondary"
        role = "guardrail" if role == "secondary" and key[0] in experiment.guardrails else role
        looks, extra = look_session.of(*key), {}
        if effect.standard_error > 0:
            scale = math.log1p(experiment.minimum_effect)
            alpha = success_alpha(experiment)
            p, low, high = bounds.always_valid(effect.relative, effect.standard_error, alpha, scale)
            extra = {"always_p": p, "always_lower": low, "always_upper": high, "chance": _chance(experiment, effect)}
        if looks and not effect.problem:
            low, high = effect.relative_interval(looks[-1].bound)
            extra |= {"bound": looks[-1].bound, "lower": low, "upper": high}
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
    return tuple(
        effect
        for part in parts.values()
        for metric in experiment.primary
        for treatment in experiment.treatments
        if (effect := _effect(experiment, part, metric, treatment, brief=True)) is not None
    )


def _progress(experiment: Experiment, evidence: Evidence, effects: Effects, plan: Plan | None) -> Progress | None:
    first = experiment.primary[0]
    of_first = [effect for (metric, _), effect in effects.items() if metric == first]
    if not of_first:
        return None
    slowest = min(of_first, key=lambda effect: effect.information)
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
