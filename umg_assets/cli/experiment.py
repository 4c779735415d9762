"""`umg experiment`: assign users, plan, read and decide. No engine, no Dagster.

Commands import what they need: `umg` must start without scipy.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from umg_assets.cli.console import Format, out, show
from umg_assets.cli.experiment_file import analyze
from umg_assets.cli.once import OnceGroup
from umg_assets.cli.options import FormatOption
from umg_assets.settings.home import home_of

if TYPE_CHECKING:
    from umg_assets.settings.experiment import Experiment

experiment_app = typer.Typer(cls=OnceGroup, no_args_is_help=True, help="Experiments: assign users, analyse a file.")
experiment_app.command()(analyze)


def experiment_named(name: str) -> "Experiment":
    """The experiment of umg.toml with this name. Raises BadParameter if there is none."""
    import difflib

    from umg_assets.settings.model import read_settings

    experiments = read_settings(home_of()).experiments
    if name in experiments:
        return experiments[name]
    near = difflib.get_close_matches(name, experiments, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    names = ", ".join(experiments) or "none: add [experiments.NAME] to umg.toml"
    raise typer.BadParameter(f"expected an experiment of umg.toml ({names}), got {name!r}{hint}", param_hint="NAME")


@experiment_app.command()
def assign(
    name: Annotated[str, typer.Argument(help="The experiment's name in umg.toml.")],
    user_ids: Annotated[list[str], typer.Argument(help="One or more user ids.")],
    form: FormatOption = Format.TABLE,
) -> None:
    """The variant of users, and the buckets it comes from."""
    from umg_assets.statistics import assignment

    experiment = experiment_named(name)
    rows = [
        {
            "user_id": user_id,
            "variant": assignment.assign(experiment, user_id) or "takes no part",
            "variant_bucket": assignment.bucket(experiment.salt, user_id),
            "traffic_bucket": assignment.bucket(assignment.traffic_salt(experiment), user_id),
        }
        for user_id in user_ids
    ]
    show(rows, ("user_id", "variant", "variant_bucket", "traffic_bucket"), form)


NameArgument = Annotated[str, typer.Argument(help="The experiment's name in umg.toml.")]


@experiment_app.command("plan")
def plan_command(
    name: Annotated[str | None, typer.Argument(help="The experiment's name in umg.toml; none with --mean.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Hold the readout's looks to this plan.")] = False,
    mean: Annotated[float | None, typer.Option(help="Without a lakehouse: the metric's mean a user.")] = None,
    sd: Annotated[float | None, typer.Option(help="Its standard deviation over users.")] = None,
    effect: Annotated[float | None, typer.Option(help="Relative effect to find, such as 0.05.")] = None,
    users: Annotated[int | None, typer.Option(help="Users a variant: the power, or the effect they find.")] = None,
    alpha: Annotated[float, typer.Option(help="Error of the test, below 0.5; with --mean.")] = 0.05,
    power: Annotated[float, typer.Option(help="Chance to find the effect; with --mean.")] = 0.8,
    one_sided: Annotated[bool, typer.Option("--one-sided", help="Only a gain counts; with --mean.")] = False,
) -> None:
    """How long it takes: power replayed on the lakehouse's own past weeks; or by a mean and its spread, without one."""
    if mean is not None:
        if name is not None or keep:
            raise typer.BadParameter("expected --mean without NAME and --keep: it plans without a lakehouse")
        _plan_two_samples(mean, sd, effect, users, alpha, power, one_sided)
        return
    if name is None or (sd, effect, users) != (None, None, None):
        raise typer.BadParameter("expected NAME, or --mean with --sd and --effect or --users")
    from umg_assets.experiments.past_windows import past_windows
    from umg_assets.experiments.readouts import Readouts
    from umg_assets.settings.model import read_settings
    from umg_assets.statistics.power import make_plan

    settings, experiment = read_settings(home_of()), experiment_named(name)
    plan = make_plan(experiment, past_windows(settings, experiment, 2 * experiment.weeks))
    rows = [
        {
            "weeks": window.weeks,
            "users": window.users,
            "sessions": window.sessions,
            "detectable": f"{window.detectable:.1%}",
            "naive": f"{window.naive:.1%}",
            "power": f"{window.power:.0%}",
        }
        for window in plan.windows
    ]
    show(rows, tuple(rows[0]), Format.TABLE, f"{name}: {experiment.primary[0]}, a variant")
    for sentence in plan.sentences:
        out.print(sentence)
    if keep:
        out.print(f"Kept: {Readouts(settings.home).keep_plan(name, plan)}", soft_wrap=True)


def _plan_two_samples(
    mean: float,
    sd: float | None,
    effect: float | None,
    users: int | None,
    alpha: float,
    power: float,
    one_sided: bool,
) -> None:
    """Prints the users that an effect needs, or what a number of users finds: one line."""
    from umg_assets.statistics.two_samples import TwoSamples

    if sd is None:
        raise typer.BadParameter("expected the standard deviation over users, got none", param_hint="--sd")
    try:
        samples = TwoSamples(mean, sd, alpha, one_sided=one_sided)
        test = f"a {'one' if one_sided else 'two'}-sided t-test at {alpha:g}, looked at once"
        if effect is not None and users is None:
            needed = samples.users_needed(effect, power)
            at_power = f"an effect of {effect:+.2%} ({effect * mean:+.4g}) is found with power {power:.0%}"
            line = f"{needed:,} users a variant, {2 * needed:,} in two: {at_power} by {test}."
        elif effect is not None and users is not None:
            share = samples.power(effect, users)
            line = f"{share:.1%} power with {users:,} users a variant, for {effect:+.2%}, by {test}."
        elif users is not None:
            smallest = samples.detectable(users, power)
            line = f"{smallest:.2%} is found with power {power:.0%} by {users:,} users a variant, by {test}."
        else:
            raise ValueError("expected --effect, --users or both, got neither")
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    out.print(line, soft_wrap=True)


@experiment_app.command("readout")
def readout_command(name: NameArgument, form: FormatOption = Format.TABLE) -> None:
    """What the data says, through the last day that is over, and what to do."""
    from umg_assets.calendar import local_today
    from umg_assets.cli.experiment_readout import print_readout
    from umg_assets.experiments.readouts import Readouts
    from umg_assets.settings.model import read_settings

    settings, experiment = read_settings(home_of()), experiment_named(name)
    taken = Readouts(settings.home).publish(name, experiment, local_today(settings.time_zone))
    if form is Format.JSON:
        typer.echo(taken.readout.to_json())
    else:
        print_readout(experiment, taken.readout, form)
    if form is not Format.TABLE:
        return
    for look in taken.readout.restated:
        out.print(f"restated: {look}", soft_wrap=True)
    for row in taken.decisions:
        decision = f"{row['decided_at']:%Y-%m-%d}: {row['verdict']} ({row['decided_by']}): {row['reason']}"
        said = f"the readout through {row['through_date']} said {row['readout_verdict']}"
        out.print(f"decided on {decision}; {said}")


@experiment_app.command()
def decide(
    name: NameArgument,
    verdict: Annotated[str, typer.Option(help="What was decided, e.g. ship.")],
    by: Annotated[str, typer.Option(help="Who decided.")],
    why: Annotated[str, typer.Option(help="Why, in a sentence.")],
) -> None:
    """Note a decision beside the readout that it was taken on."""
    from umg_assets.calendar import local_today
    from umg_assets.experiments.readouts import Readouts
    from umg_assets.settings.model import read_settings

    settings, experiment = read_settings(home_of()), experiment_named(name)
    readouts, today = Readouts(settings.home), local_today(settings.time_zone)
    readouts.decide(name, experiment, verdict, by, why, today)
    readouts.publish(name, experiment, today)
    out.print(f"Noted: {name}, {verdict}, by {by}.")
