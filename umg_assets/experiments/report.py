"""A readout for people: a self-contained HTML page, and Markdown for Dagster's asset page."""

import html
import math
from collections.abc import Sequence

from umg_assets.experiments.plots import plots
from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.changes import change_of, control_to_treatment, figure, p_of, p_text, percent
from umg_assets.statistics.estimates import Z95
from umg_assets.statistics.power import Plan
from umg_assets.statistics.readout import Readout, Row

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


def span(low: float, high: float) -> str:
    """A relative interval; an en dash if there is none."""
    return f"{percent(low)} to {percent(high)}" if math.isfinite(low) and math.isfinite(high) else "–"


EFFECT_COLUMNS = (
    "metric", "role", "variant", "values", "change", "95 % interval", "by the bound", "always valid", "p", "Holm", "BH",
    "chance better", "CUPED saved",
)  # fmt: skip
PART_COLUMNS = ("metric", "variant", "numerator per user", "denominator per user", "users")


def effect_cells(experiment: Experiment, rows: Sequence[Row]) -> list[list[str]]:
    """Rows of the effects table, as EFFECT_COLUMNS; without an estimate, its problem and dashes."""
    cells = []
    for row in rows:
        effect = row.effect
        names = [effect.metric, row.role, effect.treatment_name]
        if effect.problem:
            cells.append([*names, effect.problem, *["–"] * 9])
            continue
        plain = change_of(experiment, effect, Z95, both_sides=True)
        cells.append(
            [
                *names,
                control_to_treatment(experiment, effect),
                plain.amount + (f" ({plain.reason})" if plain.reason else ""),
                plain.cell,
                change_of(experiment, effect, row.bound).cell if math.isfinite(row.bound) else "–",
                span(row.always_lower, row.always_upper),
                p_text(p_of(experiment, effect)),
                p_text(row.holm),
                p_text(row.benjamini_hochberg),
                f"{row.chance:.1%}" if math.isfinite(row.chance) else "–",
                f"{effect.saved:.0%}" if effect.adjusted else "unadjusted",
            ]
        )
    return cells


def part_cells(rows: Sequence[Row]) -> list[list[str]]:
    """Rows of the table of numerators and denominators, as PART_COLUMNS."""
    return [
        [
            row.effect.metric,
            row.effect.treatment_name,
            " to ".join(figure(value) for value in row.effect.numerators),
            " to ".join(figure(value) for value in row.effect.denominators),
            " and ".join(f"{count:,}" for count in row.effect.users),
        ]
        for row in rows
    ]


def literal_cells(readout: Readout) -> list[list[str]]:
    """Rows of the literal test, as LITERAL_COLUMNS."""
    return [
        [
            test.treatment,
            " and ".join(f"{count:,}" for count in test.sessions),
            f"{figure(test.control_mean)} to {figure(test.treatment_mean)}",
            p_text(test.t_p),
            p_text(test.rank_p),
        ]
        for test in readout.literal
    ]


LITERAL_COLUMNS = ("variant", "sessions", "mean", "p, t-test", "p, Mann-Whitney")


def to_markdown(experiment: Experiment, readout: Readout) -> dict[str, str]:
    """Title = Markdown: verdict, trust and, unless it is on hold, effects. For Dagster's metadata."""
    verdicts = [
        f"**{verdict.treatment}: {verdict.decision}**\n\n" + "\n".join(f"- {reason}" for reason in verdict.reasons)
        for verdict in readout.verdicts
    ]
    trust = [[finding.check, finding.level, finding.text] for finding in readout.findings]
    parts = {"verdict": "\n\n".join(verdicts), "trust": _markdown(("check", "outcome", "what was seen"), trust)}
    if not readout.held:
        parts["effects"] = _markdown(EFFECT_COLUMNS, effect_cells(experiment, readout.rows))
        parts["numerators and denominators"] = _markdown(PART_COLUMNS, part_cells(readout.rows))
    if readout.literal:
        table = _markdown(LITERAL_COLUMNS, literal_cells(readout))
        parts["literal test, not for decisions"] = f"{table}\n\n{readout.literal[0].reason}"
    return parts


def _markdown(columns: Sequence[str], cells: Cells) -> str:
    lines = [columns, ["---"] * len(columns), *cells]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)


def html_table(columns: Sequence[str], cells: Cells, *, text: bool = False) -> str:
    """A table."""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>" for line in cells)
    return f'<div class="scroll"><table{" class=text" if text else ""}><tr>{head}</tr>{body}</table></div>'


def to_html(experiment: Experiment, readout: Readout, plan: Plan | None = None) -> str:
    """One page that loads nothing else: verdict, trust, effects, plots, and the literal test, not for decisions."""
    effects = html_table(EFFECT_COLUMNS, effect_cells(experiment, readout.rows))
    numbers = [f"<h2>Effects</h2>{effects}", *numbers_part(experiment, readout)]
    return page(readout, [*_heading(experiment, readout, plan), *trust_part(readout)], numbers)


def page(readout: Readout, parts: Sequence[str], numbers: Sequence[str]) -> str:
    """A page of parts, and of numbers, which are folded away if the readout is on hold."""
    shown = [*parts]
    if readout.held:
        shown.append("<h2>Numbers</h2><details><summary>Held back: not to be read as an effect</summary>")
        shown += [*numbers, "</details>"]
    else:
        shown += numbers
    title = html.escape(readout.name or "Experiment")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        + "\n".join(shown)
        + "</body></html>\n"
    )


def verdict_part(readout: Readout) -> list[str]:
    """A box for each verdict, with its reasons."""
    parts = []
    for verdict in readout.verdicts:
        reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in verdict.reasons)
        colour = _COLOURS[verdict.decision]
        parts.append(
            f'<div class="verdict" style="border-color:{colour}">{html.escape(verdict.treatment)}: '
            f'<b style="color:{colour}">{verdict.decision}</b><ul>{reasons}</ul></div>'
        )
    return parts


def _heading(experiment: Experiment, readout: Readout, plan: Plan | None) -> list[str]:
    state = "settled" if readout.settled else "provisional: late events may still come"
    parts = [
        f"<h1>{html.escape(readout.name or 'Experiment')}</h1>",
        f"<p>{html.escape(experiment.hypothesis)}</p>",
        f'<p class="dim">{html.escape(experiment.owner)} · through {readout.through} ({state}) · definition '
        f"{readout.definition_hash}</p>",
    ]
    parts += verdict_part(readout)
    if readout.by_assignment:
        parts.append("<p>No exposure is logged in both variants: all active users are analysed as they were assigned. "
                     "Users who never came near the section dilute the effect.</p>")  # fmt: skip
    if (progress := readout.progress) is not None:
        of = f" of {progress.of_sessions:,}" if progress.of_sessions else ""
        days = progress.days_needed
        detectable = f"{progress.detectable:.1%}" if math.isfinite(progress.detectable) else "not known"
        needed = f"; at this pace the minimum effect needs {days} more days" if days else ""
        parts.append(
            f"<p>Day {progress.days} of {progress.of_days}; {progress.sessions:,}{of} sessions in the smallest "
            f"variant; {progress.fraction:.0%} of the planned information; detectable now: "
            f"{detectable}{needed}.</p>"
        )
    if plan is not None:
        parts.append(f"<p>Plan: {html.escape('; '.join(plan.sentences))}.</p>")
    for look in readout.restated:
        parts.append(f"<p>Restated: {html.escape(str(look))}.</p>")
    return parts


def trust_part(readout: Readout) -> list[str]:
    """The findings of every check."""
    lines = []
    for finding in readout.findings:
        causes = "".join(f"<li>{html.escape(cause)}</li>" for cause in finding.causes)
        more = f"<div>Likely causes:<ul>{causes}</ul></div>" if causes else ""
        lines.append(f'<tr><td>{html.escape(finding.check)}</td><td class="{finding.level}">{finding.level}</td>'
                     f"<td>{html.escape(finding.text)}{more}</td></tr>")  # fmt: skip
    return [f"<h2>Trust</h2><table class=text>{''.join(lines)}</table>"]


def numbers_part(experiment: Experiment, readout: Readout, axis: str = "day of the experiment") -> list[str]:
    """What stands below the effects: their parts, plots with days as `axis`, and the tests that decide nothing."""
    parts = [
        "<details><summary>Numerators and denominators</summary>"
        f"{html_table(PART_COLUMNS, part_cells(readout.rows))}</details>"
    ]
    for title, picture in plots(experiment, readout, axis=axis).items():
        svg = picture.decode()
        parts.append(f"<h2>{title}</h2>{svg[svg.index('<svg') :]}")
    parts += [f'<p class="dim">{html.escape(reason)}</p>' for reason in readout.skipped]
    rank_tests = {(test.metric, test.treatment): test for test in readout.ranks if test.unit == "user"}
    if rank_tests or readout.resampled:
        bootstraps = {(result.metric, result.treatment): result for result in readout.resampled}
        cells = []
        for key in dict.fromkeys((*rank_tests, *bootstraps)):
            rank, interval = rank_tests.get(key), bootstraps.get(key)
            cells.append(
                [
                    *key,
                    p_text(rank.p) if rank else "–",
                    f"{rank.superiority:.1%}" if rank else "–",
                    span(interval.lower, interval.upper) if interval else "–",
                ]
            )
        columns = ("metric", "variant", "p, Mann-Whitney", "treated user above a control one", "bootstrap 95 %")
        parts.append(f"<h2>Without a normal distribution, at the user</h2>{html_table(columns, cells)}")
    if readout.quantiles:
        cells = [
            [f"{row.quantile:.0%}", row.variant, f"{row.seconds:,.0f} s", f"{row.lower:,.0f} to {row.upper:,.0f} s",
             f"{row.difference:+,.0f} s" if math.isfinite(row.p) else "–", p_text(row.p)]
            for row in readout.quantiles
            if math.isfinite(row.seconds)
        ]  # fmt: skip
        columns = ("quantile", "variant", "session length", "95 % interval", "against control", "p")
        parts.append(f"<h2>Session length</h2>{html_table(columns, cells)}")
    if readout.segments:
        cells = [
            [f"{effect.slice} {effect.value}", effect.metric, effect.treatment_name, percent(effect.relative),
             span(effect.relative_lower, effect.relative_upper), f"{sum(effect.users):,}"]
            for effect in readout.segments
        ]  # fmt: skip
        columns = ("segment", "metric", "variant", "change", "95 % interval", "users")
        parts.append(f"<h2>Segments</h2><p>Exploratory: among many, some differ by chance. A segment is a question for "
                     f"the next experiment, not an answer of this one.</p>{html_table(columns, cells)}")  # fmt: skip
    if readout.literal:
        table = html_table(LITERAL_COLUMNS, literal_cells(readout))
        warning = f"<b>Not for decisions.</b> {html.escape(readout.literal[0].reason)}"
        parts.append(f'<h2>The brief\'s literal test</h2><div class="literal">{warning}{table}</div>')
    return parts
