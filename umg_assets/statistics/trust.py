"""Trust, before any number: what puts a readout on hold, what only warns, and the likely causes."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import chisquare, norm

from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.estimates import covariate_as_metric, effect_of, holm, normal_p
from umg_assets.statistics.moments import ALL, Evidence, UserMoments

ALARM = 0.001
"""A check holds if its p is below this."""
MISMATCHED_SHARE = 0.001
"""A larger share of users whose logged variant is not the recomputed one holds the readout."""
TOP_SHARE = 0.25
"""A warning if the top 1 % of users have more than this of the first primary metric's numerator."""
TREND_ALARM = 0.01
"""A warning if the p of the effect's trend over a fixed cohort's days is below this."""
IN_EVERY_ARM = ("play_start", "play_end")
"""Events that every variant logs, whatever the experiment."""

Level = Literal["fine", "warning", "hold"]


@dataclass(frozen=True)
class Finding:
    """One check's outcome.

    check: its name. level: fine, warning, or hold, which keeps effects from being read.
    text: what was seen, in a sentence or two.
    p: the p-value behind it; NaN if there is none.
    causes: likely ones, the likeliest first, if it holds.
    """

    check: str
    level: Level
    text: str
    p: float = math.nan
    causes: tuple[str, ...] = ()


Check = Callable[[Experiment, Evidence], Finding]


def sample_ratio_p(observed: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """p of the users by variant against the planned shares; NaN without users.

    Pearson's chi-square without continuity correction: Fabijan et al. (2019), Diagnosing Sample Ratio Mismatch
    in Online Controlled Experiments.
    """
    counts = np.array([observed.get(name, 0) for name in shares], dtype=float)
    if not counts.sum():
        return math.nan
    return float(chisquare(counts, counts.sum() * np.array(list(shares.values()))).pvalue)


def examine(experiment: Experiment, evidence: Evidence, *, brief: bool = False) -> tuple[Finding, ...]:
    """The outcome of every check on an experiment's evidence; `brief` leaves out those that only warn."""
    before = _before_in_brief if brief else _before
    checks: Sequence[Check] = (_definition, _sample_ratio, _two_arms, _recomputed, before)
    warnings = (_by_day, _by_segment, _events, _top_users, _novelty)
    return tuple(check(experiment, evidence) for check in (checks if brief else (*checks, *warnings)))


def _definition(experiment: Experiment, evidence: Evidence) -> Finding:
    changes = experiment.changes_since(evidence.frozen) if evidence.frozen is not None else ()
    if not changes:
        return Finding("definition", "fine", "The definition is the one frozen at the first exposure.")
    return Finding(
        "definition",
        "hold",
        f"The definition was changed after the first exposure: {'; '.join(changes)}.",
        causes=("umg.toml was edited while it ran: put it back, or start a new experiment with a new salt",),
    )


def _sample_ratio(experiment: Experiment, evidence: Evidence) -> Finding:
    exposed, shares = evidence.trust.exposed, experiment.shares
    p = sample_ratio_p(exposed, shares)
    counts = ", ".join(f"{name} {exposed.get(name, 0):,}" for name in shares)
    planned = ":".join(str(weight) for weight in experiment.variants.values())
    lost = _unassigned(evidence)
    if math.isnan(p) or p >= ALARM:
        compared = "no users yet" if math.isnan(p) else f"p = {p:.3g}"
        text = f"Exposed users: {counts}, planned {planned} ({compared}).{lost}"
        return Finding("sample ratio", "warning" if lost else "fine", text, p)
    return Finding(
        "sample ratio",
        "hold",
        f"Exposed users: {counts}, but {planned} was planned (p = {p:.2g}, below {ALARM}): users are missing from a "
        f"variant, and those who are missing are not like those who stay.{lost}",
        p,
        _causes_of_mismatch(experiment, evidence),
    )


def _unassigned(evidence: Evidence) -> str:
    """What is left out because nobody knows whose it is, as a sentence; empty if nothing is."""
    trust = evidence.trust
    if not trust.without_variant and not trust.without_unit:
        return ""
    return (
        f" Of {trust.rows:,} rows, {trust.without_variant:,} name no variant and {trust.without_unit:,} no unit: they "
        "are in neither count, and if one variant loses more of them than another, the split is not fair."
    )


def _causes_of_mismatch(experiment: Experiment, evidence: Evidence) -> tuple[str, ...]:
    off_days = _off(experiment, {str(day): counts for day, counts in evidence.trust.exposed_by_day.items()})
    segments = {f"{name} {value}": counts for (name, value), counts in evidence.trust.exposed_by_segment.items()}
    off_segments = _off(experiment, segments)
    causes = []
    if off_days and len(off_days) < len(evidence.trust.exposed_by_day):
        causes.append(f"it is off on {', '.join(list(off_days)[:5])}: what was released or broke on those days?")
    if off_segments and len(off_segments) < len(segments):
        causes.append(f"it is off for {', '.join(list(off_segments)[:5])}: what differs in the app for them?")
    return (
        *causes,
        "a variant that crashes, loads slowly or redirects before it logs its exposure",
        "an exposure that is logged at another place, or under another condition, in one variant",
        "bots or test accounts that are filtered in one variant only",
        "a variant served from a cache, or remembered from an earlier experiment",
    )


def _off(experiment: Experiment, groups: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    pvalues = {name: sample_ratio_p(counts, experiment.shares) for name, counts in groups.items()}
    return {name: p for name, p in holm(pvalues, ALARM).items() if p < ALARM}


def _two_arms(experiment: Experiment, evidence: Evidence) -> Finding:
    twice, once = evidence.trust.two_arms, sum(evidence.trust.exposed.values())
    if not twice:
        return Finding("users in two variants", "fine", "No user was seen in two variants.")
    return Finding(
        "users in two variants",
        "hold",
        f"{twice:,} users ({twice / (twice + once):.2%}) were seen in two variants.",
        causes=(
            "the app assigns by device or session instead of user_id, or before the login",
            "weights or salt were changed while it ran",
        ),
    )


def _recomputed(experiment: Experiment, evidence: Evidence) -> Finding:
    checked, off = evidence.trust.checked, evidence.trust.mismatched
    if not checked:
        return Finding("logged variant", "fine", "Not compared: there is nothing to compute it again from.")
    share = off / checked
    text = f"{off:,} of {checked:,} users ({share:.2%}) have a logged variant that the hash does not give."
    if share <= MISMATCHED_SHARE:
        return Finding("logged variant", "fine", text)
    return Finding(
        "logged variant",
        "hold",
        f"{text} At most {MISMATCHED_SHARE:.1%} is tolerated.",
        causes=(
            "the app hashes another salt, another text, or takes other digits: compare with the published vectors",
            "the app kept a variant that was assigned before a change",
        ),
    )


Pair = tuple[UserMoments, UserMoments]


def _pairs_before(experiment: Experiment, evidence: Evidence) -> dict[tuple[str, str], Pair]:
    """(metric, treatment) -> the pre-period's moments of control and treatment, if there are any."""
    table = {(row.metric, row.variant): row for row in evidence.moments if row.slice == ALL}
    pairs = {}
    for name in experiment.metric_names:
        control = table.get((name, experiment.control))
        for treatment in experiment.treatments:
            treated = table.get((name, treatment))
            if control is not None and treated is not None and (control.cn or treated.cn):
                pairs[name, treatment] = covariate_as_metric(control), covariate_as_metric(treated)
    return pairs


def _before_in_brief(experiment: Experiment, evidence: Evidence) -> Finding:
    """`_before`, but only if the normal approximation, whose p is never larger, alarms for any metric; else fine."""
    pairs = _pairs_before(experiment, evidence)
    if any(normal_p(*pair) < ALARM for pair in pairs.values()):
        return _before(experiment, evidence)
    return Finding("before the experiment", "fine", "The variants were alike in the pre-period.")


def _before(experiment: Experiment, evidence: Evidence) -> Finding:
    """Compares the same metrics over the pre-period, which no variant can have changed."""
    pvalues = {
        (name, treatment): effect_of(name, experiment.metric(name), *pair, brief=True).p
        for (name, treatment), pair in _pairs_before(experiment, evidence).items()
    }
    adjusted = holm(pvalues, ALARM)
    if not adjusted:
        return Finding("before the experiment", "fine", "No pre-period to compare: its users are new.")
    (name, treatment), p = min(adjusted.items(), key=lambda item: item[1])
    if p >= ALARM:
        text = f"The variants were alike in the pre-period ({len(adjusted)} comparisons, lowest Holm p = {p:.3g})."
        return Finding("before the experiment", "fine", text, p)
    return Finding(
        "before the experiment",
        "hold",
        f"{name} differed between {treatment} and {experiment.control} before the experiment began (Holm p = {p:.2g}, "
        f"below {ALARM}): the variants were not alike to begin with.",
        p,
        (
            "who is exposed depends on the variant: the condition must be decided before branching, in both",
            "an earlier experiment under the same salt whose effect is still there",
            "users of one variant were chosen, not hashed",
        ),
    )


def _by_day(experiment: Experiment, evidence: Evidence) -> Finding:
    return _parts(experiment, "sample ratio by day", {str(k): v for k, v in evidence.trust.exposed_by_day.items()})


def _by_segment(experiment: Experiment, evidence: Evidence) -> Finding:
    groups = {f"{name} {value}": counts for (name, value), counts in evidence.trust.exposed_by_segment.items()}
    return _parts(experiment, "sample ratio by segment", groups)


def _parts(experiment: Experiment, check: str, groups: Mapping[str, Mapping[str, int]]) -> Finding:
    off = _off(experiment, groups)
    if not groups:
        return Finding(check, "fine", "Not counted.")
    if not off:
        return Finding(check, "fine", f"The split is as planned in each of {len(groups)} parts.")
    parts = ", ".join(f"{name} (Holm p = {p:.2g})" for name, p in list(off.items())[:5])
    return Finding(check, "warning", f"The split is not as planned in {parts}.", min(off.values()))


def _events(experiment: Experiment, evidence: Evidence) -> Finding:
    shared = {*IN_EVERY_ARM, experiment.exposure_event}
    missing = []
    for event, users in evidence.trust.events.items():
        for name in experiment.variants:
            expected = event in shared or bool(users.get(experiment.control))
            if expected and not users.get(name) and any(users.values()):
                missing.append(f"{event} in {name}")
    if not evidence.trust.events:
        return Finding("events", "fine", "Not counted.")
    if not missing:
        return Finding("events", "fine", "Every event that both should log is there in every variant.")
    return Finding("events", "warning", f"Events that other variants log are missing: {', '.join(missing)}.")


def _top_users(experiment: Experiment, evidence: Evidence) -> Finding:
    check, primary = "top users", experiment.primary[0]
    sums = {row.variant: row.n for row in evidence.moments if row.slice == ALL and row.metric == primary}
    shares = {
        name: top / sums[name] for name, (_, top) in evidence.trust.top_users.items() if sums.get(name)
    }  # fmt: skip
    by_variant = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    if not shares or max(shares.values()) <= TOP_SHARE:
        return Finding(
            check, "fine", f"The top 1 % of users hold of {primary}'s numerator: {by_variant or 'not counted'}."
        )
    return Finding(
        check, "warning", f"The top 1 % of users hold much of {primary}'s numerator: {by_variant}. Few decide."
    )


def _novelty(experiment: Experiment, evidence: Evidence) -> Finding:
    """Whether the effect wears off or grows: its slope over a fixed cohort's days after exposure, without day 0.

    Days are weighted by their inverse variance and taken as independent. Days of the same users are not, which only
    makes the slope's error too wide.
    """
    check, primary = "novelty", experiment.primary[0]
    rows = [row for row in evidence.moments if row.slice == "day_since" and row.metric == primary and row.value != "0"]
    by_day: dict[int, dict[str, UserMoments]] = {}
    for row in rows:
        by_day.setdefault(int(row.value), {})[row.variant] = row
    for treatment in experiment.treatments:
        points = []
        for day, sides in sorted(by_day.items()):
            if experiment.control in sides and treatment in sides:
                pair = sides[experiment.control], sides[treatment]
                effect = effect_of(primary, experiment.metric(primary), *pair, brief=True)
                if effect.standard_error > 0:
                    points.append((day, math.log1p(effect.relative), effect.standard_error))
        if len(points) < 3:
            continue
        days, logs, errors = (np.array(column) for column in zip(*points, strict=True))
        (slope, _), covariance = np.polyfit(days, logs, 1, w=1 / errors, cov="unscaled")
        p = float(2 * norm.sf(abs(slope) / math.sqrt(covariance[0, 0])))
        if p < TREND_ALARM:
            way = "falls" if slope < 0 else "grows"
            text = (
                f"{treatment}'s effect on {primary} {way} by {abs(slope):.1%} a day over the fixed cohort (p = {p:.2g})"
            )
            return Finding(check, "warning", f"{text}: the average over the experiment is not what stays.", p)
    text = "shows no trend over the days after exposure" if by_day else "was not followed"
    return Finding(check, "fine", f"The effect on the fixed cohort {text}.")
