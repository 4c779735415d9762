"""A readout on the terminal: verdicts with their reasons, what the checks saw, effects."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from umg_assets.cli.console import Format, out, show

if TYPE_CHECKING:
    from umg_assets.settings.experiment import Experiment
    from umg_assets.statistics.readout import Readout

COLUMNS = ("metric", "variant", "values", "change", "low", "high", "p", "cuped")


def print_readout(
    experiment: "Experiment",
    readout: "Readout",
    form: Format = Format.TABLE,
    said: Callable[[str], str] = lambda text: text,
    notes: Sequence[str] = (),
) -> None:
    """Prints a readout; CSV: the effects alone. said: renames days. notes: how the data was read, printed last."""
    rows = effect_rows(experiment, readout)
    if form is not Format.TABLE:
        show(rows, COLUMNS, form)
        return

    def line(text: str) -> None:
        out.print(said(text), soft_wrap=True)

    for verdict in readout.verdicts:
        out.print(said(f"{verdict.treatment} against {experiment.control}: {verdict.decision}"), style="bold",
                  soft_wrap=True)  # fmt: skip
        for reason in verdict.reasons:
            line(f"  {reason}")
    for finding in readout.findings:
        if finding.level != "fine" or finding.check == "sample ratio":
            line(f"{finding.level}: {finding.text}")
            for cause in finding.causes:
                line(f"  likely: {cause}")
    show(rows, COLUMNS, form, "\nChange against control: the verdict's interval, or 95 % of what decides nothing")
    for test in readout.literal:
        rank = f"{test.rank_p:.2g}" if math.isfinite(test.rank_p) else "none"
        mean = f"{test.t_p:.2g}" if math.isfinite(test.t_p) else "none"
        line(
            f"Not for decisions: over {sum(test.sessions):,} rows a t-test gives p = {mean}, Mann-Whitney {rank}. "
            f"{test.reason}"
        )
    for note in notes:
        line(note)
    if readout.progress is not None and math.isfinite(readout.progress.detectable):
        line(f"Detectable with these units: {readout.progress.detectable:.1%}.")


def effect_rows(experiment: "Experiment", readout: "Readout") -> list[Mapping[str, object]]:
    """The effects as COLUMNS: the interval is that of the verdict's sentence where there is a look, else 95 %."""
    from umg_assets.statistics.changes import change_of, control_to_treatment, p_of
    from umg_assets.statistics.estimates import Z95

    rows = []
    for row in readout.rows:
        effect = row.effect
        names = {"metric": effect.metric, "variant": effect.treatment_name}
        if effect.problem:
            blank = dict.fromkeys(("change", "low", "high", "p"), "–")
            rows.append({**names, "values": effect.problem, **blank, "cuped": False})
            continue
        looked = math.isfinite(row.bound)
        change = change_of(experiment, effect, row.bound if looked else Z95, both_sides=not looked)
        rows.append(
            {
                **names,
                "values": control_to_treatment(experiment, effect),
                "change": change.amount,
                "low": change.low or "–",
                "high": change.high or "–",
                "p": f"{p_of(experiment, effect):.2g}",
                "cuped": effect.adjusted,
            }
        )
    return rows
