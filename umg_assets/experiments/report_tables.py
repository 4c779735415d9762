"""The tables of a readout: what a page and Dagster's Markdown show of it, as cells of text."""

import math
from collections.abc import Iterable, Iterator, Sequence

from scipy.stats import norm

from umg_assets.experiments.page import TableView
from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.changes import change_of, control_to_treatment, figure, p_of, p_text, percent
from umg_assets.statistics.estimates import Z95, Effect
from umg_assets.statistics.readout import Readout, Row

WORDS = frozenset({"metric", "role", "variant", "control to treatment", "segment", "day"})
"""Columns of words, not of figures."""
NONE = "–"
INTERVAL_NOTE = (
    "The interval is the one of the verdict's sentence, as wide as the last look's bound; where no test decides, it "
    "holds 95 %."
)
RANKS = ("metric", "variant", "p, Mann-Whitney", "treated user above a control one", "bootstrap 95 %")
SEGMENTS_NOTE = (
    "Exploratory: among many, some differ by chance. A segment is a question for the next experiment, not an answer of "
    "this one."
)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> TableView:
    """A table of a view."""
    named = [{"name": column, "text": column in WORDS} for column in columns]
    return {"title": title, "note": note, "columns": named, "rows": [list(row) for row in rows]}  # type: ignore


def without(shown: TableView, column: str) -> TableView:
    """A table without a column."""
    kept = [at for at, head in enumerate(shown["columns"]) if head["name"] != column]
    rows = [[row[at] for at in kept] for row in shown["rows"]]
    return {**shown, "columns": [shown["columns"][at] for at in kept], "rows": rows}


def span(low: float, high: float) -> str:
    """A relative interval; an en dash if there is none."""
    return f"{percent(low)} to {percent(high)}" if math.isfinite(low) and math.isfinite(high) else NONE


def interval_of(experiment: Experiment, row: Row) -> tuple[str, str, str]:
    """(change, interval, level) of a metric that has an estimate, as the verdict's sentence says them.

    The interval is as wide as the last look's bound, and holds 95 % where no test decides.
    """
    decides = math.isfinite(row.bound)
    bound = row.bound if decides else Z95
    said = change_of(experiment, row.effect, bound, both_sides=not decides)
    open_side = not said.low or not said.high
    level = 1 - (1 if open_side else 2) * float(norm.sf(bound))
    return said.amount + (f" ({said.reason})" if said.reason else ""), said.cell, f"{100 * level:.4g} %"


READING = ("metric", "variant", "control to treatment", "change", "interval", "level", "p")


def reading_cells(experiment: Experiment, rows: Iterable[Row]) -> Iterator[list[str]]:
    """What a reader needs of each metric, as READING; without an estimate, its problem and dashes."""
    for row in rows:
        effect = row.effect
        names = [effect.metric, effect.treatment_name]
        if effect.problem:
            yield [*names, effect.problem, *[NONE] * 4]
        else:
            numbers = interval_of(experiment, row)
            yield [*names, control_to_treatment(experiment, effect), *numbers, p_text(p_of(experiment, effect))]


REST = ("metric", "role", "variant", "95 % interval", "always valid", "Holm", "BH", "chance better", "CUPED saved")


def rest_cells(experiment: Experiment, rows: Iterable[Row]) -> Iterator[list[str]]:
    """What READING leaves out of each metric, as REST; without an estimate, dashes."""
    for row in rows:
        effect = row.effect
        names = [effect.metric, row.role, effect.treatment_name]
        if effect.problem:
            yield [*names, *[NONE] * 6]
            continue
        yield [
            *names,
            change_of(experiment, effect, Z95, both_sides=True).cell,
            span(row.always_lower, row.always_upper),
            p_text(row.holm),
            p_text(row.benjamini_hochberg),
            f"{row.chance:.1%}" if math.isfinite(row.chance) else NONE,
            f"{effect.saved:.0%}" if effect.adjusted else "unadjusted",
        ]


PARTS = ("metric", "variant", "numerator per user", "denominator per user", "users")


def part_cells(rows: Iterable[Row]) -> Iterator[list[str]]:
    """What each metric is divided from, as PARTS."""
    for row in rows:
        yield [
            row.effect.metric,
            row.effect.treatment_name,
            " to ".join(figure(value) for value in row.effect.numerators),
            " to ".join(figure(value) for value in row.effect.denominators),
            " and ".join(f"{count:,}" for count in row.effect.users),
        ]


LITERAL = ("variant", "sessions", "mean", "p, t-test", "p, Mann-Whitney")


def literal_cells(readout: Readout) -> Iterator[list[str]]:
    """The brief's literal test, as LITERAL."""
    for test in readout.literal:
        yield [
            test.treatment,
            " and ".join(f"{count:,}" for count in test.sessions),
            f"{figure(test.control_mean)} to {figure(test.treatment_mean)}",
            p_text(test.t_p),
            p_text(test.rank_p),
        ]


LOOKS = ("metric", "variant", "day", "of the planned information", "effect in standard errors", "bound", "alpha spent")


def look_cells(readout: Readout) -> Iterator[list[str]]:
    """Every look of this readout and of those before it, as LOOKS; a day is ISO 8601."""
    for look in (*readout.earlier, *readout.looks):
        z = f"{look.z:+.2f}" + (", beyond its bound" if look.crossed else "")
        yield [
            look.metric,
            look.treatment,
            look.day.isoformat(),
            f"{look.fraction:.0%}",
            z,
            f"{look.bound:.2f}",
            f"{look.alpha_spent:.4f}",
        ]


def rank_cells(readout: Readout) -> Iterator[list[str]]:
    """Tests of users that assume no normal distribution, as RANKS; an en dash where one was not made."""
    ranks = {(test.metric, test.treatment): test for test in readout.ranks if test.unit == "user"}
    bootstraps = {(result.metric, result.treatment): result for result in readout.resampled}
    for key in dict.fromkeys((*ranks, *bootstraps)):
        rank, interval = ranks.get(key), bootstraps.get(key)
        yield [
            *key,
            p_text(rank.p) if rank else NONE,
            f"{rank.superiority:.1%}" if rank else NONE,
            span(interval.lower, interval.upper) if interval else NONE,
        ]


QUANTILES = ("quantile", "variant", "session length", "95 % interval", "against control", "p")


def quantile_cells(readout: Readout) -> Iterator[list[str]]:
    """Quantiles of the session length, as QUANTILES; those of a variant without sessions are left out."""
    for row in readout.quantiles:
        if math.isfinite(row.seconds):
            yield [
                f"{row.quantile:.0%}",
                row.variant,
                f"{row.seconds:,.0f} s",
                f"{row.lower:,.0f} to {row.upper:,.0f} s",
                f"{row.difference:+,.0f} s" if math.isfinite(row.p) else NONE,
                p_text(row.p),
            ]


SEGMENTS = ("segment", "metric", "variant", "change", "95 % interval", "users")


def segment_cells(effects: Iterable[Effect]) -> Iterator[list[str]]:
    """The success metrics by segment, as SEGMENTS."""
    for effect in effects:
        yield [
            f"{effect.slice} {effect.value}",
            effect.metric,
            effect.treatment_name,
            percent(effect.relative),
            span(effect.relative_lower, effect.relative_upper),
            f"{sum(effect.users):,}",
        ]


def tables_of(experiment: Experiment, readout: Readout) -> dict[str, TableView]:
    """Name = table, of all that have rows; the names are those of a View, in the order of its page."""
    by_role = {
        role: [row for row in readout.rows if row.role == role] for role in ("success", "guardrail", "secondary")
    }
    primary = "Primary metric" if len(experiment.primary) == 1 else "Primary metrics"
    rest = "The rest: 95 %, valid at any time, several tests, CUPED"
    unit = "Without a normal distribution, at the user"
    tables = {
        "primary": table(primary, READING, reading_cells(experiment, by_role["success"]), INTERVAL_NOTE),
        "guardrails": table("Guardrails", READING, reading_cells(experiment, by_role["guardrail"])),
        "secondary": table("Secondary metrics", READING, reading_cells(experiment, by_role["secondary"])),
        "effects": table(rest, REST, rest_cells(experiment, readout.rows)),
        "parts": table("Numerators and denominators", PARTS, part_cells(readout.rows)),
        "looks": table("Every look", LOOKS, look_cells(readout)),
        "ranks": table(unit, RANKS, rank_cells(readout)),
        "quantiles": table("Session length", QUANTILES, quantile_cells(readout)),
        "segments": table("Segments", SEGMENTS, segment_cells(readout.segments), SEGMENTS_NOTE),
    }
    if readout.literal:
        tables["literal"] = table(
            "The brief's literal test", LITERAL, literal_cells(readout), readout.literal[0].reason
        )
    return {name: made for name, made in tables.items() if made["rows"]}
