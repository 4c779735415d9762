"""`umg keys`: the keys under which user ids and quarantined text are sealed."""

from pathlib import Path

import typer

from umg_assets.cli.console import out
from umg_assets.settings.home import home_of

keys_app = typer.Typer(no_args_is_help=True, help="The keys that seal user ids and quarantined text.")


class RunUnderWayError(RuntimeError):
    """A run is queued or running; the message says which, and what to do."""


@keys_app.callback()
def group() -> None:
    """The keys that seal user ids and quarantined text."""


@keys_app.command()
def rotate() -> None:
    """Seal user ids and quarantined text under a new key and delete what the old one opens; user_key stays the same."""
    from umg_assets.landing.sealing import rotate_key, sealing_alone
    from umg_assets.privacy.seals import Seals
    from umg_assets.resources.engine import Engine
    from umg_assets.resources.lakehouse import Lakehouse
    from umg_assets.resources.reading import TableMissingError
    from umg_assets.settings.model import read_settings

    settings = read_settings(home_of())
    if not (settings.home / "tables").is_dir():
        raise TableMissingError(f"{settings.home / 'tables'} is not there yet: `umg run` makes the first key")
    _check_no_run(settings.home)
    engine = Engine.of(settings)
    lakehouse = Lakehouse(settings.home, lambda: engine.spark_session)
    with sealing_alone(settings.home):
        rotate_key(lakehouse, settings.chunk_plays, lambda text: out.print(text, markup=False, soft_wrap=True))
    seals = Seals(settings.home)
    out.print(f"Everything is sealed under key {seals.newest}: back up {seals.path} now.", soft_wrap=True)


def _check_no_run(home: Path) -> None:
    """Raises RunUnderWayError while a run is queued or running."""
    from umg_assets.resources.instance import end_dead_runs, open_instance, unfinished_jobs

    if not (home / "dagster").is_dir():
        return
    with open_instance(home) as instance:
        end_dead_runs(instance)
        if jobs := unfinished_jobs(instance):
            raise RunUnderWayError(
                f"a run of {', '.join(jobs)} is under way, and may read what this deletes: expected none; wait until "
                "it has ended, or end it in Dagster"
            )
