"""A readout for people: the view that its page shows (see `page`), and Markdown for Dagster's asset page."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from umg_assets.experiments.page import DecisionView, FindingView, HeadlineView, TrustView, VerdictView, View
from umg_assets.experiments.plots import plots
from umg_assets.experiments.report_tables import (
    LITERAL,
    PARTS,
    READING,
    REST,
    interval_of,
    literal_cells,
    part_cells,
    reading_cells,
    rest_cells,
    tables_of,
)  # fmt: skip
from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.power import Plan, Progress
from umg_assets.statistics.readout import Readout
from umg_assets.statistics.trust import Finding
from umg_assets.statistics.verdict import Verdict
from umg_assets.text import markdown

BY_ASSIGNMENT = (
    "No exposure is logged in both variants: all active users are analysed as they were assigned. Users who never came "
    "near the section dilute the effect."
)


def to_view(
    experiment: Experiment, readout: Readout, plan: Plan | None = None, decisions: Iterable[Mapping[str, Any]] = ()
) -> View:
    """The view of a lakehouse's readout: all that its page shows, ready for JSON.

    plan: the kept one. decisions: rows of table decisions, in order.
    """
    return {
        **bare_view(experiment, readout),
        "hypothesis": experiment.hypothesis,
        "owner": experiment.owner,
        "through": readout.through.isoformat(),
        "settled": readout.settled,
        "state": "settled" if readout.settled else "provisional: late events may still come",
        "definition_hash": readout.definition_hash,
        "notes": [BY_ASSIGNMENT] if readout.by_assignment else [],
        "progress": _progress(readout.progress) if readout.progress is not None else "",
        "plan": list(plan.sentences) if plan is not None else [],
        "restated": [str(look) for look in readout.restated],
        "decisions": [_decision(row) for row in decisions],
    }


def bare_view(experiment: Experiment, readout: Readout, axis: str = "day of the experiment") -> View:
    """A view without what only a lakehouse knows, which is empty. axis: what days are called below a plot."""
    return {
        "name": readout.name or "Experiment",
        "hypothesis": "",
        "owner": "",
        "through": "",
        "settled": True,
        "state": "",
        "definition_hash": "",
        "control": experiment.control,
        "held": readout.held,
        "headline": _headline(experiment, readout),
        "verdicts": [_verdict(experiment, verdict) for verdict in readout.verdicts],
        "trust": _trust(readout.findings),
        "notes": [],
        "tables": tables_of(experiment, readout),
        "plots": {
            name: {"title": plot.title, "svg": plot.svg} for name, plot in plots(experiment, readout, axis).items()
        },
        "skipped": list(readout.skipped),
        "progress": "",
        "plan": [],
        "restated": [],
        "decisions": [],
    }


def _verdict(experiment: Experiment, verdict: Verdict) -> VerdictView:
    return {
        "treatment": verdict.treatment,
        "decision": verdict.decision,
        "kind": verdict.decision.replace(" ", "-"),
        "headline": f"{verdict.treatment} against {experiment.control}: {verdict.decision}. {verdict.reasons[0]}",
        "reasons": list(verdict.reasons),
    }


def _trust(findings: Sequence[Finding]) -> TrustView:
    by_level = {
        level: [finding.check for finding in findings if finding.level == level] for level in ("hold", "warning")
    }
    count = f"{len(findings)} check{'' if len(findings) == 1 else 's'}"
    said = [
        f"{words} ({', '.join(dict.fromkeys(checks))})"
        for words, checks in (
            (f"{len(by_level['hold'])} of {count} hold it", by_level["hold"]),
            (f"{len(by_level['warning'])} of {count} warn", by_level["warning"]),
        )
        if checks
    ]
    shown: list[FindingView] = [
        {"check": finding.check, "level": finding.level, "text": finding.text, "causes": list(finding.causes)}
        for finding in findings
    ]
    level = next((level for level, checks in by_level.items() if checks), "fine")
    return {"summary": "; ".join(said) or f"{count}, all fine", "level": level, "findings": shown}


def _headline(experiment: Experiment, readout: Readout) -> HeadlineView:
    verdicts = [_verdict(experiment, verdict) for verdict in readout.verdicts]
    kinds = {verdict["kind"] for verdict in verdicts}
    return {
        "kind": kinds.pop() if len(kinds) == 1 else "several",
        "verdict": " ".join(verdict["headline"] for verdict in verdicts),
        "trust": _trust(readout.findings)["summary"],
        "primary": _primary(experiment, readout),
    }


def _primary(experiment: Experiment, readout: Readout) -> list[str]:
    if readout.held:
        return ["held back: no effect is read"]
    said = []
    for row in readout.rows:
        effect = row.effect
        if row.role == "success" and effect.problem:
            said.append(f"{effect.metric}, {effect.treatment_name}: {effect.problem}")
        elif row.role == "success":
            change, interval, _ = interval_of(experiment, row)
            said.append(f"{effect.metric}, {effect.treatment_name}: {change}, {interval}")
    return said or ["no estimate yet"]


def _progress(progress: Progress) -> str:
    of = f" of {progress.of_sessions:,}" if progress.of_sessions else ""
    days = progress.days_needed
    detectable = f"{progress.detectable:.1%}" if math.isfinite(progress.detectable) else "not known"
    needed = f"; at this pace the minimum effect needs {days} more days" if days else ""
    return (
        f"Day {progress.days} of {progress.of_days}; {progress.sessions:,}{of} sessions in the smallest variant; "
        f"{progress.fraction:.0%} of the planned information; detectable now: {detectable}{needed}."
    )


def _decision(row: Mapping[str, Any]) -> DecisionView:
    return {
        "on": f"{row['decided_at']:%Y-%m-%d}",
        "verdict": row["verdict"],
        "by": row["decided_by"],
        "why": row["reason"],
        "through": str(row["through_date"]),
        "said": row["readout_verdict"],
    }


def to_markdown(experiment: Experiment, readout: Readout) -> dict[str, str]:
    """Title = Markdown: verdict, trust and, unless it is on hold, effects. For Dagster's metadata."""
    verdicts = [
        f"**{markdown(f'{verdict.treatment}: {verdict.decision}')}**\n\n"
        + "\n".join(f"- {markdown(reason)}" for reason in verdict.reasons)
        for verdict in readout.verdicts
    ]
    trust = [[finding.check, finding.level, finding.text] for finding in readout.findings]
    parts = {"verdict": "\n\n".join(verdicts), "trust": _markdown(("check", "outcome", "what was seen"), trust)}
    if not readout.held:
        parts["effects"] = _markdown(READING, reading_cells(experiment, readout.rows))
        parts["effects, the rest"] = _markdown(REST, rest_cells(experiment, readout.rows))
        parts["numerators and denominators"] = _markdown(PARTS, part_cells(readout.rows))
    if readout.literal:
        parts["literal test, not for decisions"] = (
            f"{_markdown(LITERAL, literal_cells(readout))}\n\n{markdown(readout.literal[0].reason)}"
        )
    return parts


def _markdown(columns: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *cells]
    return "\n".join("| " + " | ".join(map(markdown, line)) + " |" for line in lines)
