"""A readout's plots as SVG: effects with intervals, the primary metric by day in its bounds, the sample ratio by day.

They are drawn narrow, with what would stand beside a mark above it, so that a phone shows letters that can be read.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from scipy.stats import norm

from umg_assets.drawing.plot import (
    LINE,
    Area,
    Entry,
    Mark,
    band,
    below,
    beside,
    ground,
    interval,
    legend,
    paragraph,
    rule,
    stroke,
    tone_of,
)  # fmt: skip
from umg_assets.drawing.svg import Scale, picture, ticks
from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.changes import percent
from umg_assets.statistics.looks import Look
from umg_assets.statistics.readout import Readout, Row

WIDTH = 440.0
"""Pixels of a plot, at which its letters have 13."""
_SIDE = 6.0
_INNER = WIDTH - 2 * _SIDE


@dataclass(frozen=True)
class Plot:
    """A picture. title: what it shows. svg: the whole of it, which looks right by itself, too."""

    title: str
    svg: str


def plots(experiment: Experiment, readout: Readout, axis: str = "day of the experiment") -> Mapping[str, Plot]:
    """The plots `effects`, `looks` and `sample_ratio`, with days called `axis`; those without data are left out.

    The same readout gives the same text.
    """
    drawn = {
        "effects": ("Effects and their intervals", _effects(readout)),
        "looks": ("The primary metric by day, inside its bounds", _by_day(experiment, readout, axis)),
        "sample_ratio": ("Sample ratio by day", _sample_ratio(experiment, readout, axis)),
    }
    return {
        name: Plot(title, picture(WIDTH, height, title, ground(WIDTH, height), *marks))
        for name, (title, (height, marks)) in drawn.items()
        if marks
    }


Drawing = tuple[float, Sequence[str]]
"""Height and marks; no mark if there is no data."""


def _effects(readout: Readout) -> Drawing:
    rows = [row for row in readout.rows if math.isfinite(row.effect.relative_lower)]
    if not rows:
        return 0, ()
    names = list(dict.fromkeys(row.effect.treatment_name for row in rows))
    spans = [_span(row) for row in rows]
    low, high = min(0.0, *(low for low, _, _ in spans)), max(0.0, *(high for _, high, _ in spans))
    margin = 0.04 * (high - low)
    x = Scale(low - margin, high + margin, _SIDE, WIDTH - _SIDE)
    marks, y = [], _SIDE
    for row, (low, high, mark) in zip(rows, spans, strict=True):
        effect, tone = row.effect, tone_of(1 + names.index(row.effect.treatment_name))
        name, y = paragraph(_SIDE, y, _INNER, effect.metric, bold=True)
        change = f"{percent(effect.relative)} ({percent(low)} to {percent(high)})"
        about, y = paragraph(_SIDE, y, _INNER, f"{row.role}, {effect.treatment_name}: {change}")
        marks += [name, about, interval(Area(x, Scale(0, 1, y, y)), low, effect.relative, high, y + 12, tone, mark)]
        y += 30
    area = Area(x, Scale(0, 1, y, _SIDE))
    zero = x(0)
    title = "change against control; thick: interval by the bound, thin: 95 %"
    axis, end = below(area, ticks(x.low, x.high, 5), _percent_tick, title)
    return end + _SIDE, [axis, rule(zero, _SIDE, zero, y), *marks]


def _percent_tick(share: float) -> str:
    return "0%" if abs(share) < 1e-9 else f"{100 * share:+,.4g}%"


def _span(row: Row) -> tuple[float, float, Mark]:
    """The relative interval that is drawn, and how."""
    if math.isfinite(row.lower) and math.isfinite(row.upper):
        return row.lower, row.upper, "thick"
    return row.effect.relative_lower, row.effect.relative_upper, "thin"


def _by_day(experiment: Experiment, readout: Readout, axis: str) -> Drawing:
    first = experiment.primary[0]
    series = [
        (tone_of(number), treatment, looks)
        for number, treatment in enumerate(experiment.treatments, 1)
        if len(looks := list(_looks(readout, first, treatment))) > 1
    ]
    if not series:
        return 0, ()
    looks = [look for *_, of_treatment in series for look in of_treatment]
    tallest = 1.15 * max([3.0, *(abs(look.z) for look in looks), *(look.bound for look in looks if look.bound < 5)])
    naive = float(norm.isf(experiment.alpha / 2))
    entries = [Entry("dots", tone, f"{first}, {treatment}") for tone, treatment, _ in series]
    entries += [Entry("dashed", tone, "bound" if len(series) == 1 else f"bound, {name}") for tone, name, _ in series]
    entries.append(Entry("dotted", 0, f"naive, ±{naive:.2f}"))
    head, top = _head(entries, "effect in standard errors")
    last_day = 7 * experiment.weeks
    area = Area(Scale(0.5, last_day + 0.5, 34, WIDTH - _SIDE), Scale(-tallest, tallest, top + 200, top))
    days = [[(look.day - experiment.first_day).days + 1 for look in looks] for *_, looks in series]
    marks = [stroke(area.points((0.5, last_day + 0.5), (side, side)), 0, "dotted") for side in (naive, -naive)]
    for xs, (tone, _, looks) in zip(days, series, strict=True):
        marks += [stroke(area.points(xs, [sign * look.bound for look in looks]), tone, "dashed") for sign in (1, -1)]
        marks.append(stroke(area.points(xs, [look.z for look in looks]), tone, "dots"))
    below_it, end = below(area, _whole(1, last_day), lambda day: f"{day:.0f}", axis)
    grid = beside(area, ticks(-tallest, tallest, 6), lambda value: f"{value:.4g}" if value else "0")
    zero = rule(area.x.start, area.y(0), area.x.end, area.y(0))
    return end + _SIDE, [head, below_it, grid, zero, area.clipped(*marks)]


def _looks(readout: Readout, metric: str, treatment: str) -> Iterator[Look]:
    """Every look at a metric of a treatment, in order."""
    for look in (*readout.earlier, *readout.looks):
        if (look.metric, look.treatment) == (metric, treatment):
            yield look


def _sample_ratio(experiment: Experiment, readout: Readout, axis: str) -> Drawing:
    days = sorted(readout.exposed_by_day)
    if not days:
        return 0, ()
    users = {
        name: list(accumulate(readout.exposed_by_day[day].get(name, 0) for day in days)) for name in experiment.variants
    }
    totals = [sum(counts) for counts in zip(*users.values(), strict=True)]
    xs = [(day - experiment.first_day).days + 1 for day in days]
    shares = {
        name: [count / total if total else None for count, total in zip(counts, totals, strict=True)]
        for name, counts in users.items()
    }
    half = {
        name: [float(norm.isf(0.0005)) * math.sqrt(share * (1 - share) / total) if total else 1.0 for total in totals]
        for name, share in experiment.shares.items()
    }
    seen = [value for line in shares.values() for value in line if value is not None]
    seen += [
        side for name, share in experiment.shares.items() for side in (share - half[name][-1], share + half[name][-1])
    ]
    low, high = max(min(seen) - 0.03, 0.0), min(max(seen) + 0.03, 1.0)
    entries = [Entry("dots", tone_of(at), name) for at, name in enumerate(experiment.shares)]
    entries.append(Entry("band", 0, "all but 1 in 1,000 fair splits"))
    head, top = _head(entries, "share of exposed users")
    area = Area(Scale(min(xs) - 0.5, max(xs) + 0.5, 46, WIDTH - _SIDE), Scale(low, high, top + 160, top))
    marks = []
    for at, (name, share) in enumerate(experiment.shares.items()):
        upper, lower = (
            [(area.x(x), area.y(share + sign * width)) for x, width in zip(xs, half[name], strict=True)]
            for sign in (1, -1)
        )
        marks.append(band(upper, lower, tone_of(at)) if len(xs) > 1 else "")
        marks.append(stroke(area.points(xs, shares[name]), tone_of(at), "dots"))
    below_it, end = below(area, _whole(min(xs), max(xs)), lambda day: f"{day:.0f}", axis)
    grid = beside(area, ticks(low, high, 4), lambda value: f"{100 * value:.4g}%")
    return end + _SIDE, [head, below_it, grid, area.clipped(*marks)]


def _head(entries: Sequence[Entry], title: str) -> tuple[str, float]:
    """The legend, the y axis's title below it, and the y where the area begins."""
    names, y = legend(entries, _SIDE, _INNER)
    said, y = paragraph(2, y + 4, _INNER, title, dim=True)
    return f'<g transform="translate({_SIDE:.0f} 0)">{names}</g>{said}', y + LINE / 2


def _whole(first: int, last: int) -> list[float]:
    """Some whole numbers from first to last."""
    return [value for value in ticks(first, last, 7) if value == int(value)]
