"""The readout of a file: what it shows, without a date, a pace or a plan that the file does not have."""

import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from scipy.stats import norm, t

from umg_assets.experiments.report import html_table, numbers_part, page, span, trust_part, verdict_part
from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.changes import change_of, control_to_treatment, p_of, p_text
from umg_assets.statistics.estimates import Z95, effect_of
from umg_assets.statistics.moments import ALL, Evidence
from umg_assets.statistics.power import Plan, success_alpha
from umg_assets.statistics.readout import Readout, Row, make_readout
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
        """The readout as one page that loads nothing else."""
        readout = self.readout
        sentences = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in self.sentences)
        heading = [f"<h1>{html.escape(readout.name)}</h1>", f'<ul class="dim">{sentences}</ul>', *verdict_part(readout)]
        series = bool(readout.earlier)
        columns = tuple(name for name in FILE_COLUMNS if series or name != "always valid")
        cells = [[row[name] for name in columns] for row in self.rows()]
        numbers = [f"<h2>Effects</h2>{html_table(columns, cells)}"]
        numbers += numbers_part(self.experiment, readout, axis="days of the file, in order")
        return self.said(page(readout, [*heading, *trust_part(readout)], numbers))

    def rows(self) -> list[dict[str, str]]:
        """The effects as FILE_COLUMNS: one interval each, the one of the verdict's sentences where a test decides."""
        return [
            {
                "metric": row.effect.metric,
                "role": row.role,
                "variant": row.effect.treatment_name,
                **_numbers(self.experiment, row),
                "always valid": span(row.always_lower, row.always_upper),
                "p": p_text(p_of(self.experiment, row.effect)),
                "Holm": p_text(row.holm),
                "BH": p_text(row.benjamini_hochberg),
                "chance better": f"{row.chance:.1%}" if math.isfinite(row.chance) else "–",
                "CUPED saved": f"{row.effect.saved:.0%}" if row.effect.adjusted else "unadjusted",
            }
            for row in self.readout.rows
        ]


FILE_COLUMNS = (
    "metric", "role", "variant", "values", "change", "interval", "level", "always valid", "p", "Holm", "BH",
    "chance better", "CUPED saved",
)  # fmt: skip


def _numbers(experiment: Experiment, row: Row) -> dict[str, str]:
    effect = row.effect
    if effect.problem:
        return {"values": effect.problem, "change": "–", "interval": "–", "level": "–"}
    decides = math.isfinite(row.bound)
    bound = row.bound if decides else Z95
    said = change_of(experiment, effect, bound, both_sides=not decides)
    open_side = not said.low or not said.high
    level = 1 - (1 if open_side else 2) * float(norm.sf(bound))
    return {
        "values": control_to_treatment(experiment, effect),
        "change": said.amount + (f" ({said.reason})" if said.reason else ""),
        "interval": said.cell,
        "level": f"{100 * level:.4g} %",
    }


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
