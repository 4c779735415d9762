"""A readout for people: one self-contained HTML page, and Markdown for Dagster's asset page."""

import html
import math
from collections.abc import Sequence

from umg_assets.experiments.definition import Experiment
from umg_assets.experiments.plots import plots
from umg_assets.experiments.power import Plan
from umg_assets.experiments.readout import Readout, Row
from umg_assets.experiments.verdict import figure, shown

Cells = Sequence[Sequence[str]]

_COLOURS = {
    "ship": "#2f7d4f",
    "do not ship": "#b23b3b",
    "mixed": "#b3742a",
    "keep running": "#1b6ca8",
    "on hold": "#6b3fa0",
}
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1f2430;max-width:86rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .4rem}.dim{color:#6b7280}
td{white-space:nowrap}.text td{white-space:normal}
table{border-collapse:collapse;width:100%;font-size:.86rem}th,td{padding:.3rem .5rem;text-align:right}
th:first-child,td:first-child,.text td,.text th{text-align:left}tr{border-bottom:1px solid #e5e7eb}
.verdict{border-left:.4rem solid;padding:.4rem 1rem;margin:1rem 0;background:#f8f9fb}
.verdict b{font-size:1.15rem}.hold{color:#6b3fa0}.warning{color:#b3742a}
.scroll{overflow-x:auto}svg{max-width:100%;height:auto}summary{cursor:pointer}
.literal{border:1px dashed #b23b3b;padding:.6rem 1rem}
"""


def percent(share: float) -> str:
    """A relative effect as people read it; an en dash where there is none."""
    return f"{share:+.1%}" if math.isfinite(share) else "–"


def _p(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:.3f}" if value >= 0.001 else "under 0.001"


def _span(low: float, high: float) -> str:
    return f"{percent(low)} to {percent(high)}" if math.isfinite(low) and math.isfinite(high) else "–"


EFFECT_COLUMNS = (
    "metric", "role", "variant", "values", "change", "95 % interval", "by the bound", "always valid", "p", "Holm", "BH",
    "chance better", "CUPED saved",
)  # fmt: skip
PART_COLUMNS = ("metric", "variant", "numerator per user", "denominator per user", "users")


def effect_cells(experiment: Experiment, rows: Sequence[Row]) -> list[list[str]]:
    """Rows of the effects table, under EFFECT_COLUMNS; where there is no estimate, why."""
    cells = []
    for row in rows:
        effect = row.effect
        start = [effect.metric, row.role, effect.treatment_name]
        if effect.problem:
            cells.append([*start, effect.problem, *["–"] * 9])
            continue
        cells.append(
            [
                *start,
                shown(experiment, effect),
                percent(effect.relative),
                _span(effect.relative_lower, effect.relative_upper),
                _span(row.lower, row.upper),
                _span(row.always_lower, row.always_upper),
                _p(effect.p),
                _p(row.holm),
                _p(row.benjamini_hochberg),
                f"{row.chance:.1%}" if math.isfinite(row.chance) else "–",
                f"{effect.saved:.0%}" if effect.adjusted else "unadjusted",
            ]
        )
    return cells


def part_cells(rows: Sequence[Row]) -> list[list[str]]:
    """Rows of the numerators and denominators, under PART_COLUMNS."""
    return [
        [
            row.effect.metric,
            row.effect.treatment_name,
            " to ".join(figure(one) for one in row.effect.numerators),
            " to ".join(figure(one) for one in row.effect.denominators),
            " and ".join(f"{one:,}" for one in row.effect.users),
        ]
        for row in rows
    ]


def literal_cells(readout: Readout) -> list[list[str]]:
    """Rows of the literal test: variant, sessions, means, p of both tests."""
    return [
        [
            test.treatment,
            " and ".join(f"{one:,}" for one in test.sessions),
            f"{figure(test.control_mean)} to {figure(test.treatment_mean)}",
            _p(test.t_p),
            _p(test.rank_p),
        ]
        for test in readout.literal
    ]


LITERAL_COLUMNS = ("variant", "sessions", "mean", "p, t-test", "p, Mann-Whitney")


def to_markdown(experiment: Experiment, readout: Readout) -> dict[str, str]:
    """Title = Markdown: verdict, trust, effects. For Dagster's metadata."""
    verdicts = [f"**{one.treatment}: {one.decision}**\n\n" + "\n".join(f"- {r}" for r in one.reasons)
                for one in readout.verdicts]  # fmt: skip
    trust = [[one.check, one.level, one.text] for one in readout.findings]
    found = {"verdict": "\n\n".join(verdicts), "trust": _markdown(("check", "outcome", "what was seen"), trust)}
    if not readout.held:
        found["effects"] = _markdown(EFFECT_COLUMNS, effect_cells(experiment, readout.rows))
        found["numerators and denominators"] = _markdown(PART_COLUMNS, part_cells(readout.rows))
    if readout.literal:
        table = _markdown(LITERAL_COLUMNS, literal_cells(readout))
        found["literal test, not for decisions"] = f"{table}\n\n{readout.literal[0].reason}"
    return found


def _markdown(columns: Sequence[str], cells: Cells) -> str:
    lines = [columns, ["---"] * len(columns), *cells]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)


def _table(columns: Sequence[str], cells: Cells, *, text: bool = False) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>" for line in cells)
    return f'<div class="scroll"><table{" class=text" if text else ""}><tr>{head}</tr>{body}</table></div>'


def to_html(experiment: Experiment, readout: Readout, plan: Plan | None = None) -> str:
    """One page that needs nothing else: verdict, trust, effects, plots, and what is not for decisions."""
    parts = [*_heading(experiment, readout, plan), *_trust(readout)]
    numbers = _numbers(experiment, readout)
    if readout.held:
        parts.append("<h2>Numbers</h2><details><summary>Held back: not to be read as an effect</summary>")
        parts += [*numbers, "</details>"]
    else:
        parts += numbers
    title = html.escape(readout.name or "Experiment")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        + "\n".join(parts)
        + "</body></html>\n"
    )


def _heading(experiment: Experiment, readout: Readout, plan: Plan | None) -> list[str]:
    state = "settled" if readout.settled else "provisional: late events may still come"
    parts = [
        f"<h1>{html.escape(readout.name or 'Experiment')}</h1>",
        f"<p>{html.escape(experiment.hypothesis)}</p>",
        f'<p class="dim">{html.escape(experiment.owner)} · through {readout.through} ({state}) · definition '
        f"{readout.definition_hash}</p>",
    ]
    for one in readout.verdicts:
        reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in one.reasons)
        parts.append(
            f'<div class="verdict" style="border-color:{_COLOURS[one.decision]}">{html.escape(one.treatment)}: '
            f'<b style="color:{_COLOURS[one.decision]}">{one.decision}</b><ul>{reasons}</ul></div>'
        )
    if readout.by_assignment:
        parts.append("<p>No exposure is logged in both variants: all active users are analysed as they were assigned. "
                     "Users who never came near the section dilute the effect.</p>")  # fmt: skip
    if (done := readout.progress) is not None:
        of = f" of {done.of_sessions:,}" if done.of_sessions else ""
        needed = f"; at this pace the minimum effect needs {done.days_needed} more days" if done.days_needed else ""
        parts.append(
            f"<p>Day {done.days} of {done.of_days}; {done.sessions:,}{of} sessions in the smallest variant; "
            f"{done.fraction:.0%} of the planned information; detectable now: {done.detectable:.1%}{needed}.</p>"
        )
    if plan is not None:
        parts.append(f"<p>Plan: {html.escape('; '.join(plan.said))}.</p>")
    for one in readout.restated:
        parts.append(f"<p>Restated: {html.escape(one.metric)}, {html.escape(one.treatment)} on {one.day} was "
                     f"{one.z_before:.3f} standard errors, and is {one.z_now:.3f} now.</p>")  # fmt: skip
    return parts


def _trust(readout: Readout) -> list[str]:
    lines = []
    for one in readout.findings:
        causes = "".join(f"<li>{html.escape(cause)}</li>" for cause in one.causes)
        more = f"<div>Likely causes:<ul>{causes}</ul></div>" if causes else ""
        lines.append(f'<tr><td>{html.escape(one.check)}</td><td class="{one.level}">{one.level}</td>'
                     f"<td>{html.escape(one.text)}{more}</td></tr>")  # fmt: skip
    return [f"<h2>Trust</h2><table class=text>{''.join(lines)}</table>"]


def _numbers(experiment: Experiment, readout: Readout) -> list[str]:
    parts = [f"<h2>Effects</h2>{_table(EFFECT_COLUMNS, effect_cells(experiment, readout.rows))}",
             f"<details><summary>Numerators and denominators</summary>"
             f"{_table(PART_COLUMNS, part_cells(readout.rows))}</details>"]  # fmt: skip
    for title, picture in plots(experiment, readout).items():
        drawn = picture.decode()
        parts.append(f"<h2>{title}</h2>{drawn[drawn.index('<svg') :]}")
    parts += [f'<p class="dim">{html.escape(reason)}</p>' for reason in readout.skipped]
    users = [one for one in readout.ranks if one.unit == "user"]
    if users or readout.resampled:
        resampled = {(one.metric, one.treatment): one for one in readout.resampled}
        ranked = {(one.metric, one.treatment): one for one in users}
        cells = []
        for key in dict.fromkeys((*ranked, *resampled)):
            rank, drawn = ranked.get(key), resampled.get(key)
            cells.append(
                [
                    *key,
                    _p(rank.p) if rank else "–",
                    f"{rank.superiority:.1%}" if rank else "–",
                    _span(drawn.lower, drawn.upper) if drawn else "–",
                ]
            )
        columns = ("metric", "variant", "p, Mann-Whitney", "treated user above a control one", "bootstrap 95 %")
        parts.append(f"<h2>Without a normal distribution, at the user</h2>{_table(columns, cells)}")
    if readout.quantiles:
        cells = [
            [f"{one.quantile:.0%}", one.variant, f"{one.seconds:,.0f} s", f"{one.lower:,.0f} to {one.upper:,.0f} s",
             f"{one.difference:+,.0f} s" if math.isfinite(one.p) else "–", _p(one.p)]
            for one in readout.quantiles
        ]  # fmt: skip
        columns = ("quantile", "variant", "session length", "95 % interval", "against control", "p")
        parts.append(f"<h2>Session length</h2>{_table(columns, cells)}")
    if readout.segments:
        cells = [
            [f"{one.slice} {one.value}", one.metric, one.treatment_name, percent(one.relative),
             _span(one.relative_lower, one.relative_upper), f"{sum(one.users):,}"]
            for one in readout.segments
        ]  # fmt: skip
        columns = ("segment", "metric", "variant", "change", "95 % interval", "users")
        parts.append(f"<h2>Segments</h2><p>Exploratory: among many, some differ by chance. A segment is a question for "
                     f"the next experiment, not an answer of this one.</p>{_table(columns, cells)}")  # fmt: skip
    if readout.literal:
        table = _table(LITERAL_COLUMNS, literal_cells(readout))
        said = f"<b>Not for decisions.</b> {html.escape(readout.literal[0].reason)}"
        parts.append(f'<h2>The brief\'s literal test</h2><div class="literal">{said}{table}</div>')
    return parts
