"""`umg keys`: the keys under which user ids and quarantined text are sealed."""

import typer

from umg_assets.cli.console import out
from umg_assets.cli.once import OnceGroup
from umg_assets.settings.home import home_of

keys_app = typer.Typer(cls=OnceGroup, no_args_is_help=True, help="The keys that seal user ids and quarantined text.")


@keys_app.callback()
def group() -> None:
    """The keys that seal user ids and quarantined text."""


@keys_app.command()
def rotate() -> None:
    """Seal user ids and quarantined text under a new key and delete what the old one opens; user_key stays the same."""
    from umg_assets.cli.run import check_no_run, lakehouse_of
    from umg_assets.landing.sealing import rotate_key, sealing_alone
    from umg_assets.privacy.seals import Seals
    from umg_assets.resources.instance import open_instance
    from umg_assets.resources.locations import root_of
    from umg_assets.resources.reading import TableMissingError
    from umg_assets.settings.model import read_settings

    settings = read_settings(home_of())
    if not (settings.home / "tables").is_dir():
        raise TableMissingError(f"{root_of(settings.home)} is not there yet: `umg run` makes the first key")
    if (settings.home / "dagster").is_dir():
        with open_instance(settings.home) as instance:
            check_no_run(instance)
    with sealing_alone(settings.home):
        rotate_key(lakehouse_of(settings), settings.chunk_plays, lambda text: out.print(text, soft_wrap=True))
    seals = Seals(settings.home)
    out.print(f"Everything is sealed under key {seals.newest}: back up {seals.path} now.", soft_wrap=True)
