"""The readout of a file: what it shows, without a date, a pace or a plan that the file does not have."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from scipy.stats import t

from umg_assets.experiments.page import View, render_page
from umg_assets.experiments.report import bare_view
from umg_assets.experiments.report_tables import without
from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.estimates import effect_of
from umg_assets.statistics.moments import ALL, Evidence
from umg_assets.statistics.power import Plan, success_alpha
from umg_assets.statistics.readout import Readout, make_readout
from umg_assets.statistics.trust import Finding

_LAKE_ONLY = ("settled", "complete", "by_assignment", "cap_ms", "definition_hash", "progress", "restated", "segments")
"""Fields of a readout that a file has not."""


@dataclass(frozen=True)
class FileReadout:
    """What a file says.

    experiment: the definition it was read by; its dates are placeholders unless `labels` has them.
    readout: on the file's last day. notes: how it was read, a sentence each.
    labels: day = what the file calls it; empty without days.
    """

    experiment: Experiment
    readout: Readout
    notes: tuple[str, ...]
    labels: Mapping[date, str] = field(default_factory=dict)

    @property
    def detectable(self) -> float:
        """The relative effect on the first metric that these units find with the experiment's power; NaN if unknown.

        Of a fixed sample, looked at once, over the treatment with the largest.
        """
        alpha, power, shares = success_alpha(self.experiment) / 2, self.experiment.power, [math.nan]
        for effect in (row.effect for row in self.readout.rows if row.effect.metric == self.experiment.primary[0]):
            if effect.base > 0:
                quantiles = float(t.isf(alpha, effect.df) + t.ppf(power, effect.df))
                shares.append(quantiles * math.hypot(*effect.errors) / effect.base)
        return max((share for share in shares if math.isfinite(share)), default=math.nan)

    @property
    def sentences(self) -> tuple[str, ...]:
        """How the file was read and what it can find, a sentence each."""
        lowered = [
            name for name in self.experiment.metric_names if self.experiment.metric(name).direction == "decrease"
        ]
        more = [f"Lower is better: {', '.join(lowered)}."] if lowered else []
        if math.isfinite(self.detectable):
            more.append(f"Detectable with these units: {self.detectable:.1%}.")
        return (*self.notes, *more)

    def said(self, text: str) -> str:
        """A text with the file's own names of days."""
        for day, label in self.labels.items():
            text = text.replace(day.isoformat(), label)
        return text

    def to_json(self) -> str:
        """The readout as JSON, with `control`, `notes`, `detectable`; days are called as the file calls them."""
        plain: dict[str, Any] = json.loads(self.readout.to_json())
        for name in _LAKE_ONLY if self.labels else (*_LAKE_ONLY, "through", "exposed_by_day", "earlier"):
            del plain[name]
        for look in (*plain["looks"], *plain.get("earlier", ())):
            del look["definition_hash"]
            if not self.labels:
                del look["day"]
        plain |= {"control": self.experiment.control, "notes": self.sentences}
        plain["detectable"] = self.detectable if math.isfinite(self.detectable) else None
        return self.said(json.dumps(plain, indent=2))

    def to_html(self) -> str:
        """One page that loads nothing else."""
        return render_page(self.view())

    def view(self) -> View:
        """What the page shows: days are called as the file calls them, and without days there is none."""
        view = bare_view(self.experiment, self.readout, axis="days of the file, in order")
        tables, plots = dict(view["tables"]), view["plots"]
        if not self.labels:
            tables.pop("looks", None)
        if not self.readout.earlier and "effects" in tables:
            tables["effects"] = without(tables["effects"], "always valid")
        return _each_text(self.said, {**view, "tables": tables, "notes": list(self.sentences)}) | {"plots": plots}


def _each_text(change: Callable[[str], str], value: Any) -> Any:
    """A value of dictionaries and lists with each of its texts changed."""
    if isinstance(value, dict):
        return {key: _each_text(change, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_each_text(change, item) for item in value]
    return change(value) if isinstance(value, str) else value


def read_file(
    name: str,
    experiment: Experiment,
    series: Sequence[Evidence],
    *,
    also: Sequence[Finding] = (),
    notes: Sequence[str] = (),
    labels: Mapping[date, str] | None = None,
) -> FileReadout:
    """The readout of a file's evidence, in the order of its days; each day is looked at once.

    What the whole file knows is the information that looks are measured against: no plan is made up.
    """
    plan, looks = _whole(experiment, series[-1]), []
    readout = None
    for evidence in series:
        last = evidence is series[-1]
        readout = make_readout(experiment, evidence, looks, plan, name=name, full=last, also=also, pace=False)
        looks += readout.looks
    assert readout is not None
    return FileReadout(experiment, readout, tuple(notes), labels or {})


def _whole(experiment: Experiment, evidence: Evidence) -> Plan:
    """A plan that promises the information that there is."""
    table = {(row.metric, row.variant): row for row in evidence.moments if row.slice == ALL}
    information = {}
    for metric in experiment.metric_names:
        effects = [
            effect_of(metric, experiment.metric(metric), table[metric, experiment.control], table[metric, treatment])
            for treatment in experiment.treatments
            if {(metric, experiment.control), (metric, treatment)} <= set(table)
        ]
        # without a relative effect there is no information; such a metric is looked at once, whatever this number
        information[metric] = max((effect.information for effect in effects), default=0.0) or 1.0
    return Plan(experiment.weeks, information, (), None, None, ())
