"""`umg experiment`: assigns users. No engine, no Dagster."""

from typing import TYPE_CHECKING, Annotated

import typer

from umg_assets.console import Format, show
from umg_assets.home import home_of
from umg_assets.options import FormatOption

if TYPE_CHECKING:
    from umg_assets.experiments.definition import Experiment

experiment_app = typer.Typer(no_args_is_help=True, help="Plan, read and decide on experiments.")


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


@experiment_app.command("assign")
def assign(
    name: Annotated[str, typer.Argument(help="The experiment's name in umg.toml.")],
    user_ids: Annotated[list[str], typer.Argument(help="user_ids as the app knows them.")],
    form: FormatOption = Format.TABLE,
) -> None:
    """Which variant users get: the same as the app's hash, to compare with."""
    from umg_assets.experiments.assignment import assign as variant_of
    from umg_assets.experiments.assignment import bucket

    experiment = experiment_named(name)
    rows = [
        {"user_id": user_id, "bucket": bucket(experiment.salt, user_id), "variant": variant_of(experiment, user_id)}
        for user_id in user_ids
    ]
    show(rows, ("user_id", "bucket", "variant"), form)
