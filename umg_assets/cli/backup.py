"""`umg backup`, `umg restore` and `umg move-tables`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from umg_assets.cli.console import err, out
from umg_assets.settings.home import home_of
from umg_assets.text import counted

if TYPE_CHECKING:
    from umg_assets.backup.restoring import Restored


def backup(
    target: Annotated[Path, typer.Argument(metavar="DIR", help="A new directory for the back-up.")],
    landing: Annotated[bool, typer.Option("--landing", help="With the files of landing/.")] = False,
    keys: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A new directory for the keys, to be kept elsewhere.")
    ] = None,
) -> None:
    """Copy the lakehouse, also while runs are under way: tables, what Dagster knows, exports, settings; no keys."""
    from umg_assets.backup.taking import back_up
    from umg_assets.resources.postgres import DUMP, is_in_postgres
    from umg_assets.settings.model import read_settings

    home = read_settings(home_of()).home
    manifest = back_up(home, target, landing, keys, lambda step: err.print(step, soft_wrap=True))
    size = sum(size for size, _ in manifest.files.values())
    _say(
        f"{target}: {len(manifest.versions)} tables as of {manifest.taken_at}, {len(manifest.files):,} files, {size:,} "
        "bytes."
    )
    if is_in_postgres(home):
        _say(
            f"Dagster's runs and events are not in it: they lie in PostgreSQL. They must be dumped before it is taken, "
            f"never after: if they were not, type `{DUMP}`, and take it again."
        )
    elif not manifest.has_dagster and manifest.versions:
        _say("Dagster's runs and events are not in it: there are none.")
    if not landing:
        _say("landing/ is not in it: `--landing` takes its files, too.")
    if keys:
        _say(f"The keys are in {keys}: keep them apart from it, and as long as it.")
    elif manifest.user_key:
        _say(f"The keys are not in it: copy {home / 'keys'} to a safer place, or take it again with `--keys`.")


def restore(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="What `umg backup` has written.")],
    keys: Annotated[Path | None, typer.Option(metavar="DIR", help="The keys of its time.")] = None,
    forgotten: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The newest forgotten/tombstones: who must not come back.")
    ] = None,
) -> None:
    """Copy a back-up to UMG_HOME, which must be new or empty; says what is missing, and what to type next."""
    from umg_assets.backup.restoring import restore as copy_back
    from umg_assets.resources.postgres import LOAD, is_in_postgres

    home = home_of()
    restored = copy_back(source, home, keys, forgotten)
    manifest = restored.manifest
    _say(f"{home}: restored, {len(manifest.versions)} tables as of {manifest.taken_at}.")
    if restored.ended:
        _say(f"{counted(restored.ended, 'run')} under way then: failed, and `umg run` builds what is missing.")
    if is_in_postgres(home):
        _say(
            "Dagster's runs and events were not in the back-up: load their dump of that time into PostgreSQL before "
            f"anything starts, `{LOAD}`. Without it every table is built anew; with what is newer, too little is."
        )
    if not manifest.landing:
        _say(f"landing/ was not in the back-up: put what has not landed yet into {home / 'landing'}.")
    _say_keys(home, restored)
    if restored.back:
        _say(
            f"{restored.back} people who were forgotten after it was taken are back: type `umg forget --replay` first; "
            "nothing else writes before."
        )
    else:
        _say(
            f"It knows of {restored.forgotten} people who had been forgotten. If anybody was since, put the newest "
            f"list in place of {home / 'forgotten' / 'tombstones'}, and type `umg forget --replay`."
        )


def move_tables() -> None:
    """Move the tables to where umg.toml says (places.tables): into a bucket, or out of it. Stop `umg dev` before."""
    from umg_assets.backup.moving import move_tables as move
    from umg_assets.cli.run import check_no_run
    from umg_assets.resources.instance import open_instance
    from umg_assets.resources.locations import names_of, root_of
    from umg_assets.settings.model import read_settings

    settings = read_settings(home_of())
    if not names_of(settings.home):
        _say(f"{settings.home} has no tables yet: the first `umg run` makes them where umg.toml says.")
        return
    before = root_of(settings.home)
    with open_instance(settings.home) as instance:
        check_no_run(instance)
        moved = move(settings.home, settings.places.tables, lambda step: err.print(step, soft_wrap=True))
    after = root_of(settings.home)
    if before == after and not moved.tables:
        _say(f"The tables lie in {after}, as umg.toml says.")
    else:
        files = counted(moved.files, "file")
        _say(f"{counted(moved.tables, 'table')}, {files}, {moved.bytes:,} bytes: they lie in {after} now.")


def _say_keys(home: Path, restored: "Restored") -> None:
    from umg_assets.privacy.keys import KEYS

    if not restored.keys and restored.manifest.user_key:
        files = " and ".join(str(home / "keys" / name) for name in KEYS)
        _say(f"The keys must be brought back, {files}: until then nothing lands, and no id can be opened.")


def _say(text: str) -> None:
    out.print(text, soft_wrap=True)
