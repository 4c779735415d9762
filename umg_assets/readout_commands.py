"""`umg experiment plan`, `readout` and `decide`: straight from the Delta tables. No engine, no Dagster."""

from typing import Annotated

import typer

from umg_assets.console import Format, out, show
from umg_assets.experiment_commands import experiment_app, experiment_named, print_readout
from umg_assets.home import home_of
from umg_assets.options import FormatOption

NameArgument = Annotated[str, typer.Argument(help="The experiment's name in umg.toml.")]


@experiment_app.command("plan")
def plan(
    name: NameArgument,
    keep: Annotated[bool, typer.Option("--keep", help="Hold the readout's looks to this plan.")] = False,
) -> None:
    """How long it takes: power replayed on the lakehouse's own past weeks."""
    from umg_assets.experiments.power import make_plan
    from umg_assets.resources.past_windows import past_windows
    from umg_assets.resources.readouts import Readouts
    from umg_assets.settings import read_settings

    settings, experiment = read_settings(home_of()), experiment_named(name)
    made = make_plan(experiment, past_windows(settings, experiment, 2 * experiment.weeks))
    rows = [
        {
            "weeks": one.weeks,
            "users": one.users,
            "sessions": one.sessions,
            "detectable": f"{one.detectable:.1%}",
            "naive": f"{one.naive:.1%}",
            "power": f"{one.power:.0%}",
        }
        for one in made.windows
    ]
    show(rows, tuple(rows[0]), Format.TABLE, f"{name}: {experiment.primary[0]}, a variant")
    for sentence in made.said:
        out.print(sentence)
    if keep:
        out.print(f"Kept: {Readouts(settings.home).keep_plan(name, made)}", soft_wrap=True)


@experiment_app.command("readout")
def readout(name: NameArgument, form: FormatOption = Format.TABLE) -> None:
    """What the data says, through the last day that is over, and what to do."""
    from umg_assets.partitions import local_today
    from umg_assets.resources.readouts import Readouts
    from umg_assets.settings import read_settings

    settings, experiment = read_settings(home_of()), experiment_named(name)
    taken = Readouts(settings.home).publish(name, experiment, local_today(settings.time_zone))
    if form is Format.JSON:
        typer.echo(taken.readout.to_json())
    else:
        print_readout(experiment, taken.readout, form)
    if form is not Format.TABLE:
        return
    for one in taken.readout.restated:
        out.print(f"restated: {one}", soft_wrap=True)
    for one in taken.decisions:
        said = f"{one['decided_at']:%Y-%m-%d}: {one['verdict']} ({one['decided_by']}): {one['reason']}"
        out.print(f"decided on {said}; the readout through {one['through_date']} said {one['readout_verdict']}")


@experiment_app.command("decide")
def decide(
    name: NameArgument,
    verdict: Annotated[str, typer.Option(help="What was decided, e.g. ship.")],
    by: Annotated[str, typer.Option(help="Who decided.")],
    why: Annotated[str, typer.Option(help="Why, in a sentence.")],
) -> None:
    """Note a decision beside the readout that it was taken on."""
    from umg_assets.partitions import local_today
    from umg_assets.resources.readouts import Readouts
    from umg_assets.settings import read_settings

    settings, experiment = read_settings(home_of()), experiment_named(name)
    readouts, today = Readouts(settings.home), local_today(settings.time_zone)
    readouts.decide(name, experiment, verdict, by, why, today)
    readouts.publish(name, experiment, today)
    out.print(f"Noted: {name}, {verdict}, by {by}.")
