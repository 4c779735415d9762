"""A readout's plots: effects with intervals, the primary metric by day within its bounds, the sample ratio by day."""

import io
from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import norm

from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.readout import Readout

COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7b4f9d", "#8a6d1f")
GREY = "#6b7280"


def plots(
    experiment: Experiment, readout: Readout, form: str = "svg", axis: str = "day of the experiment"
) -> Mapping[str, bytes]:
    """Title = picture, in `form` (svg, png), with days called `axis`; plots without data are left out.

    The same readout gives the same bytes.
    """
    figures = {
        "Effects and their intervals": _effects(readout),
        "The primary metric by day, inside its bounds": _by_day(experiment, readout, axis),
        "Sample ratio by day": _sample_ratio(experiment, readout, axis),
    }
    return {title: _rendered(figure, form) for title, figure in figures.items() if figure is not None}


def _rendered(figure: Figure, form: str) -> bytes:
    target = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "readout", "svg.fonttype": "none"}):
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(target, format=form, dpi=150, metadata=metadata, bbox_inches="tight")
    return target.getvalue()


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.2, height))
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return figure, axes


def _effects(readout: Readout) -> Figure | None:
    rows = [row for row in readout.rows if np.isfinite(row.effect.relative_lower)]
    if not rows:
        return None
    figure, axes = _axes(0.9 + 0.42 * len(rows))
    names = list(dict.fromkeys(row.effect.treatment_name for row in rows))
    for y, row in enumerate(reversed(rows)):
        effect = row.effect
        by_bound = not np.isnan(row.lower)
        low, high = (row.lower, row.upper) if by_bound else (effect.relative_lower, effect.relative_upper)
        colour = COLOURS[names.index(effect.treatment_name) % len(COLOURS)]
        axes.plot([100 * low, 100 * high], [y, y], color=colour, linewidth=2.2 if by_bound else 1.2)
        axes.plot(100 * effect.relative, y, "o", color=colour, markersize=5)
    labels = [f"{row.effect.metric} ({row.role}), {row.effect.treatment_name}" for row in reversed(rows)]
    axes.set_yticks(range(len(rows)), labels)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_xlabel("change against control, %   (thick: interval by the bound; thin: 95 %)", fontsize=8)
    return figure


def _by_day(experiment: Experiment, readout: Readout, axis: str) -> Figure | None:
    first = experiment.primary[0]
    figure, axes = _axes(3.0)
    drawn, tallest = False, 3.0
    for position, treatment in enumerate(experiment.treatments):
        looks = [
            look for look in (*readout.earlier, *readout.looks) if (look.metric, look.treatment) == (first, treatment)
        ]
        if len(looks) < 2:
            continue
        days = [(look.day - experiment.first_day).days + 1 for look in looks]
        colour = COLOURS[position % len(COLOURS)]
        for sign in (1, -1):
            bounds = [sign * look.bound for look in looks]
            axes.plot(days, bounds, color=colour, linestyle="--", linewidth=1, label="bound" if sign == 1 else None)
        axes.plot(days, [look.z for look in looks], "o-", color=colour, markersize=4, label=f"{first}, {treatment}")
        tallest = max([tallest, *(abs(look.z) for look in looks), *(look.bound for look in looks if look.bound < 5)])
        drawn = True
    if not drawn:
        return None
    naive = float(norm.isf(experiment.alpha / 2))
    for sign in (1, -1):
        axes.axhline(sign * naive, color=GREY, linewidth=0.8, linestyle=":", label="naive" if sign == 1 else None)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_ylim(-1.15 * tallest, 1.15 * tallest)
    axes.set_xlim(0.5, 7 * experiment.weeks + 0.5)
    axes.set_xlabel(axis, fontsize=8)
    axes.set_ylabel("effect in standard errors", fontsize=8)
    axes.legend(fontsize=7, frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.14))
    return figure


def _sample_ratio(experiment: Experiment, readout: Readout, axis: str) -> Figure | None:
    days = sorted(readout.exposed_by_day)
    if not days:
        return None
    figure, axes = _axes(2.6)
    totals = np.zeros(len(days))
    users = {}
    for name in experiment.variants:
        users[name] = np.cumsum([readout.exposed_by_day[day].get(name, 0) for day in days])
        totals += users[name]
    numbers = [(day - experiment.first_day).days + 1 for day in days]
    for position, (name, share) in enumerate(experiment.shares.items()):
        colour = GREY if position == 0 else COLOURS[(position - 1) % len(COLOURS)]
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = norm.isf(0.0005) * np.sqrt(share * (1 - share) / totals)
            axes.plot(numbers, 100 * users[name] / totals, "o-", color=colour, markersize=3, label=name)
        axes.fill_between(numbers, 100 * (share - spread), 100 * (share + spread), color=colour, alpha=0.12)
    axes.set_xlabel(f"{axis}   (band: where all but 1 in 1,000 fair splits lie)", fontsize=8)
    axes.set_ylabel("share of exposed users, %", fontsize=8)
    axes.legend(fontsize=7, frameon=False, ncols=5, loc="upper center", bbox_to_anchor=(0.5, 1.16))
    return figure
