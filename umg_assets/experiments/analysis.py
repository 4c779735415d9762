"""`umg experiment analyze` as a function: from what is asked of a file to its readout."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from umg_assets.experiments.aggregates import AggregateFile
from umg_assets.experiments.file_options import (
    Control,
    FileError,
    MetricOption,
    check_names,
    control_of,
    experiment_of,
    parse_numbers,
)
from umg_assets.experiments.file_readout import FileReadout, read_file
from umg_assets.experiments.unit_rows import Missing
from umg_assets.experiments.user_file import ExperimentFile
from umg_assets.settings.experiment import Experiment


@dataclass(frozen=True)
class Question:
    """What is asked of a file.

    file: CSV or Parquet. variant, unit, days: names of columns; unit is None for aggregates.
    metrics, covariates: as MetricOption parses them; names alone for aggregates. The first metric that is no guardrail
    decides.
    control: a variant; None: by its name. weights: VARIANT=WEIGHT of the planned split; equal without.
    lower_is_better, may_worsen: names of metrics. guardrails: NAME=MARGIN. caps: NAME=VALUE of a row's numerator.
    missing: what an empty value means. each_day: a row of aggregates holds its day's new users alone.
    minimum_effect: relative. alpha: the verdict's error, on one side if `one_sided`.
    """

    file: Path
    variant: str
    metrics: Sequence[str]
    unit: str | None = None
    covariates: Sequence[str] = ()
    control: str | None = None
    weights: Sequence[str] = ()
    lower_is_better: Sequence[str] = ()
    guardrails: Sequence[str] = ()
    may_worsen: Sequence[str] = ()
    caps: Sequence[str] = ()
    missing: Missing = "error"
    days: str | None = None
    aggregates: bool = False
    each_day: bool = False
    minimum_effect: float = 0.05
    alpha: float = 0.05
    one_sided: bool = False

    def readout(self) -> FileReadout:
        """The file's readout. Raises FileError if it cannot be read as asked."""
        return self._of_aggregates() if self.aggregates else self._of_units()

    def _of_units(self) -> FileReadout:
        if self.unit is None:
            raise FileError("--unit: expected the column of who was assigned, such as user_id, got none")
        if self.each_day:
            raise FileError("--each-day: expected --aggregates beside it")
        options = [MetricOption.parse(text) for text in self.metrics]
        names = [option.name for option in options]
        covariates = [MetricOption.parse(text) for text in self.covariates]
        check_names("--covariate", (option.name for option in covariates), names)
        caps = parse_numbers("--cap", self.caps, names)
        file = ExperimentFile(
            self.file, self.unit, self.variant, days=self.days, missing=self.missing, caps=caps
        )  # fmt: skip
        span = file.days()
        for option in options:  # what the columns lack is said before what only an option lacks
            file.rows.check(option)
        control, experiment = self._definition(options, file.variants(), span)
        read = file.read(experiment, {option.name: option for option in covariates})
        days = sorted({read.evidence.through, *read.evidence.trust.exposed_by_day}) if span else []
        notes = (control.why, *read.notes)
        if span:
            notes = (*notes, f"Units began from {span[0]} to {span[1]}; the file is a finished sample, looked at once.")
        return read_file(
            self.file.name,
            experiment,
            [read.evidence],
            also=read.findings,
            notes=notes,
            labels={day: day.isoformat() for day in days},
        )

    def _of_aggregates(self) -> FileReadout:
        if (given := self.unit or self.covariates or self.caps) or self.missing != "error":
            what = "--unit, --covariate, --cap and --missing"
            raise FileError(
                f"--aggregates: expected none of {what}, which are of rows of units, got {given or self.missing}"
            )
        if formulas := [text for text in self.metrics if "=" in text]:
            raise FileError(f"--metric: expected a NAME alone with --aggregates, got {formulas[0]!r}")
        if self.each_day and self.days is None:
            raise FileError("--each-day: expected --days COLUMN beside it, which says the day of a row")
        options = [MetricOption(text, "mean", None) for text in self.metrics]
        file = AggregateFile(
            self.file, self.variant, self.metrics, day=self.days, each_day=self.each_day
        )  # fmt: skip
        days = file.series.days
        control, experiment = self._definition(options, file.variants(), (days[0], days[-1]))
        notes = [control.why]
        if len(days) > 1:
            kind = "the new users of each day, added up" if self.each_day else "all users up to its day"
            first, last = (file.series.labels[day] for day in (days[0], days[-1]))
            notes.append(f"Rows hold {kind}: {len(days)} looks, from {first} to {last}, under {experiment.spending}. "
                         "Progress is measured in what the whole file knows.")  # fmt: skip
        return read_file(
            self.file.name, experiment, file.evidence(experiment), notes=notes, labels=file.series.labels
        )  # fmt: skip

    def _definition(
        self, options: Sequence[MetricOption], variants: Sequence[str], span: tuple[date, date] | None
    ) -> tuple[Control, Experiment]:
        split = _weights(self.weights, variants)
        control = control_of(variants, self.control)
        experiment = experiment_of(
            options,
            {control.name: split[control.name], **split},
            self.minimum_effect,
            self.alpha,
            lower_is_better=self.lower_is_better,
            guardrails=parse_numbers("--guardrail", self.guardrails, [option.name for option in options]),
            may_worsen=self.may_worsen,
            one_sided=self.one_sided,
            days=span,
        )
        return control, experiment


def _weights(texts: Sequence[str], variants: Sequence[str]) -> Mapping[str, int]:
    """Variant = weight of the planned split."""
    split = dict.fromkeys(variants, 1)
    for text in texts:
        name, _, number = text.rpartition("=")
        if name not in split or not re.fullmatch(r"0*[1-9][0-9]*", number):
            expected = f"VARIANT=WHOLE NUMBER with one of {', '.join(variants)}"
            raise FileError(f"--weight: expected {expected}, got {text!r}")
        split[name] = int(number)
    return split
