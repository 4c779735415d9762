"""`umg experiment`: assigns users, plans, and analyses any file. No engine, no Dagster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from umg_assets.console import Format, out, show
from umg_assets.home import home_of
from umg_assets.options import FormatOption

if TYPE_CHECKING:
    from umg_assets.experiments.definition import Experiment
    from umg_assets.experiments.readout import Readout

experiment_app = typer.Typer(no_args_is_help=True, help="Experiments: assign users, analyse a file.")


def experiment_named(name: str) -> "Experiment":
    """The experiment of umg.toml with this name. Raises BadParameter when there is none."""
    import difflib

    from umg_assets.settings import read_settings

    known = read_settings(home_of()).experiments
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(known) or "none: add [experiments.NAME] to umg.toml"
    raise typer.BadParameter(f"expected an experiment of umg.toml ({listed}), got {name!r}{hint}", param_hint="NAME")


@experiment_app.command()
def assign(
    name: Annotated[str, typer.Argument(help="The experiment's name in umg.toml.")],
    user_ids: Annotated[list[str], typer.Argument(help="One or more user ids.")],
    form: FormatOption = Format.TABLE,
) -> None:
    """The variant of users, and the buckets it comes from."""
    from umg_assets.experiments.assignment import assign as assigned
    from umg_assets.experiments.assignment import bucket, traffic_salt

    experiment = experiment_named(name)
    rows = [
        {
            "user_id": user_id,
            "variant": assigned(experiment, user_id) or "takes no part",
            "variant_bucket": bucket(experiment.salt, user_id),
            "traffic_bucket": bucket(traffic_salt(experiment), user_id),
        }
        for user_id in user_ids
    ]
    show(rows, ("user_id", "variant", "variant_bucket", "traffic_bucket"), form)


@experiment_app.command()
def analyze(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet: a row a unit, or many.")],
    unit: Annotated[str, typer.Option(help="Column of who was assigned, such as user_id.")],
    variant: Annotated[str, typer.Option(help="Column of the variant.")],
    metric: Annotated[
        list[str],
        typer.Option(help="NAME=numerator[/denominator] of columns; denominator 1: a row. The first decides."),
    ],
    covariate: Annotated[
        list[str] | None, typer.Option(help="The same of columns from before the experiment, for CUPED.")
    ] = None,
    control: Annotated[str | None, typer.Option(help="The control's value; default: by its name.")] = None,
    weight: Annotated[
        list[str] | None, typer.Option(help="VARIANT=WEIGHT of the planned split; default: equal parts.")
    ] = None,
    minimum_effect: Annotated[float, typer.Option(help="Relative effect worth shipping.")] = 0.05,
    alpha: Annotated[float, typer.Option(help="Two-sided error of the verdict.")] = 0.05,
    html: Annotated[Path | None, typer.Option(help="Write the readout here, as one page.")] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """The readout of a file: trust, effects at the unit, verdict. The file is a finished sample, looked at once."""
    from umg_assets.experiment_files import ExperimentFile, MetricOption, experiment_of
    from umg_assets.experiments.readout import make_readout

    metrics = [MetricOption.parse(text) for text in metric]
    covariates = {one.name: one for one in map(MetricOption.parse, covariate or ())}
    if unknown := set(covariates) - {one.name for one in metrics}:
        raise typer.BadParameter(f"expected names of --metric, got {', '.join(unknown)}", param_hint="--covariate")
    opened = ExperimentFile(file, unit, variant)
    split = _split(opened.variants(), control, weight or [])
    experiment = experiment_of(metrics, split, minimum_effect, alpha)
    readout = make_readout(experiment, opened.evidence(experiment, covariates), name=file.name)
    if html is not None:
        from umg_assets.experiments.report import to_html

        html.write_text(to_html(experiment, readout), encoding="utf-8")
    if form is Format.JSON:
        typer.echo(readout.to_json())
    else:
        print_readout(experiment, readout, form)


def _split(variants: tuple[str, ...], control: str | None, weights: list[str]) -> dict[str, int]:
    """Variant = weight, the control first."""
    if control is not None and control not in variants:
        raise typer.BadParameter(f"expected one of {', '.join(variants)}, got {control!r}", param_hint="--control")
    split = dict.fromkeys([control, *variants] if control else variants, 1)
    for text in weights:
        name, _, number = text.rpartition("=")
        if name not in split or not number.isdigit() or not int(number):
            expected = f"VARIANT=WHOLE NUMBER with one of {', '.join(variants)}"
            raise typer.BadParameter(f"expected {expected}, got {text!r}", param_hint="--weight")
        split[name] = int(number)
    return split


def print_readout(experiment: "Experiment", readout: "Readout", form: Format = Format.TABLE) -> None:
    """A readout on the terminal: the verdict with its reasons, what the checks saw, the effects."""
    from umg_assets.experiments.report import percent
    from umg_assets.experiments.verdict import shown

    rows = [
        {
            "metric": row.effect.metric,
            "variant": row.effect.treatment_name,
            "values": row.effect.problem or shown(experiment, row.effect),
            "change": percent(row.effect.relative),
            "low": percent(row.effect.relative_lower),
            "high": percent(row.effect.relative_upper),
            "p": f"{row.effect.p:.2g}",
            "cuped": row.effect.adjusted,
        }
        for row in readout.rows
    ]
    columns = ("metric", "variant", "values", "change", "low", "high", "p", "cuped")
    if form is not Format.TABLE:
        show(rows, columns, form)
        return
    for verdict in readout.verdicts:
        out.print(f"[bold]{verdict.treatment} against {experiment.control}: {verdict.decision}[/]", soft_wrap=True)
        for reason in verdict.reasons:
            out.print(f"  {reason}", soft_wrap=True, markup=False)
    for finding in readout.findings:
        if finding.level != "fine" or finding.check == "sample ratio":
            out.print(f"{finding.level}: {finding.text}", soft_wrap=True, markup=False)
            for cause in finding.causes:
                out.print(f"  likely: {cause}", soft_wrap=True, markup=False)
    show(rows, columns, form, "\nChange against control with its 95 % interval")
    for test in readout.literal:
        out.print(
            f"Not for decisions: over {sum(test.sessions):,} rows a t-test gives p = {test.t_p:.2g}, Mann-Whitney "
            f"{test.rank_p:.2g}. {test.reason}",
            soft_wrap=True,
            markup=False,
        )
    if readout.progress is not None:
        out.print(f"Detectable with these units: {readout.progress.detectable:.1%}.", soft_wrap=True)
