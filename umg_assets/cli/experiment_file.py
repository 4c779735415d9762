"""`umg experiment analyze`: the readout of a file of anybody's, of units or of published aggregates."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from umg_assets.cli.console import Format
from umg_assets.cli.experiment_readout import print_readout
from umg_assets.cli.options import FormatOption


def analyze(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet: a row a unit, or many; or --aggregates.")],
    variant: Annotated[str, typer.Option(help="Column of the variant.")],
    metric: Annotated[
        list[str],
        typer.Option(
            help="NAME=numerator or NAME=numerator/denominator, of columns; denominator 1: a row. The first decides. "
            "With --aggregates: NAME."
        ),
    ],
    unit: Annotated[str | None, typer.Option(help="Column of who was assigned, such as user_id.")] = None,
    covariate: Annotated[
        list[str] | None,
        typer.Option(
            help="The same of columns from before the experiment, for CUPED. What a unit's rows repeat counts once."
        ),
    ] = None,
    control: Annotated[str | None, typer.Option(help="The control's value; default: the one named so.")] = None,
    weight: Annotated[
        list[str] | None, typer.Option(help="VARIANT=WEIGHT of the planned split; default: equal parts.")
    ] = None,
    lower_is_better: Annotated[list[str] | None, typer.Option(help="A metric that should fall.")] = None,
    guardrail: Annotated[
        list[str] | None, typer.Option(help="NAME=MARGIN: a metric that may lose less than this share.")
    ] = None,
    may_worsen: Annotated[
        list[str] | None,
        typer.Option(help="A metric that a win may be traded for."),
    ] = None,
    cap: Annotated[list[str] | None, typer.Option(help="NAME=VALUE: what a row's numerator counts at most.")] = None,
    missing: Annotated[
        Literal["zero", "drop", "error"], typer.Option(help="Empty values of a metric: 0, left out, or refused.")
    ] = "error",
    days: Annotated[str | None, typer.Option(help="Column of the row's day.")] = None,
    aggregates: Annotated[
        bool,
        typer.Option("--aggregates", help="A row a variant (and day): users, and mean, variance or sum, sum_squares."),
    ] = False,
    each_day: Annotated[
        bool, typer.Option("--each-day", help="Of --aggregates: a row holds its day's new users alone, not all so far.")
    ] = False,
    minimum_effect: Annotated[float, typer.Option(help="Relative effect worth shipping.")] = 0.05,
    alpha: Annotated[float, typer.Option(help="Error of the verdict, below 0.5.")] = 0.05,
    one_sided: Annotated[bool, typer.Option("--one-sided", help="Only a gain counts, at all of alpha.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write the readout here, as one page.")] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """The readout of a file: trust, effects at the unit, verdict. The file is a finished sample, looked at once.

    With --aggregates and --days, it is a series of looks.
    """
    from umg_assets.experiments.analysis import Question

    seen = Question(
        file=file,
        variant=variant,
        metrics=metric,
        unit=unit,
        covariates=covariate or (),
        control=control,
        weights=weight or (),
        lower_is_better=lower_is_better or (),
        guardrails=guardrail or (),
        may_worsen=may_worsen or (),
        caps=cap or (),
        missing=missing,
        days=days,
        aggregates=aggregates,
        each_day=each_day,
        minimum_effect=minimum_effect,
        alpha=alpha,
        one_sided=one_sided,
    ).readout()
    if html is not None:
        try:
            html.write_text(seen.to_html(), encoding="utf-8")
        except OSError as error:
            expected = f"expected a file that can be written, got {html}: {error.strerror}"
            raise typer.BadParameter(expected, param_hint="--html") from None
    if form is Format.JSON:
        typer.echo(seen.to_json())
    else:
        print_readout(seen.experiment, seen.readout, form, seen.said, seen.sentences)
