"""`umg forget`: requests collected, done at once, done again after a restore, or proved on the bytes."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from umg_assets.cli.console import err, out, tell
from umg_assets.cli.person import read_ids
from umg_assets.cli.run import lakehouse_of, runner_of
from umg_assets.settings.model import Settings, read_settings
from umg_assets.text import counted

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from umg_assets.forgetting.forget import Forgetting
    from umg_assets.forgetting.receipt import Receipt


def collect(home: Path, file: Path) -> None:
    """Collects a request of the ids in a file (`-`: standard input). Prints when it is done at the latest."""
    from umg_assets.forgetting.receipt import people
    from umg_assets.privacy.requests import Requests

    request = Requests(home).add(_ids_in(file))
    out.print(
        f"{people(len(request.user_ids))} will be forgotten with the next weekly run, by {request.due:%Y-%m-%d} at "
        "the latest. `umg forget --now` does it at once.",
        soft_wrap=True,
    )


def _ids_in(file: Path) -> list[str]:
    """The ids in a file. Says how many have a blank at an end, as pasted ones may."""
    user_ids = read_ids(file)
    if with_blanks := sum(user_id != user_id.strip() for user_id in user_ids):
        err.print(
            f"{counted(with_blanks, 'id')} of {len(user_ids):,} with a blank at an end: taken exactly as typed, blank "
            "and all.",
            soft_wrap=True,
        )
    return user_ids


def forget(home: Path, replay: bool = False) -> int:
    """Forgets whom the requests name, or everybody who is back after a restore. Prints the receipt. Returns the exit
    code: 1 when somebody was found after all, a file could not be read, or one that may hold them has stayed."""
    from umg_assets.forgetting.forget import Forgetting
    from umg_assets.resources.instance import open_instance

    settings = read_settings(home)
    with open_instance(home) as instance:
        work: Forgetting = forgetting_of(settings, instance, lambda step: err.print(step, soft_wrap=True))
        receipt: Receipt | None = work.replay() if replay else work.forget()
    if receipt is None:
        out.print("Nobody who was forgotten is back." if replay else "Nobody has asked to be forgotten.")
        return 0
    out.print(receipt.text, soft_wrap=True)
    return 0 if receipt.good else 1


def forgetting_of(settings: Settings, instance: "DagsterInstance", say: Callable[[str], None]) -> "Forgetting":
    """What forgets people, with runs in this process."""
    from umg_assets.forgetting.forget import Forgetting, Steps
    from umg_assets.resources.instance import under_way
    from umg_assets.resources.ledger import Ledger

    runner = runner_of(settings, instance=instance)
    steps = Steps(lambda: under_way(instance), runner.bring_up_to_date, say)
    return Forgetting(settings, lakehouse_of(settings), Ledger(settings.home), steps)


def show_pending(home: Path) -> None:
    """Prints whether forgetting was broken off, and how many requests wait."""
    from umg_assets.forgetting.work import Work
    from umg_assets.privacy.requests import DUE, Requests

    oldest = Requests(home).oldest()
    if Work(home).exists:
        out.print("Forgetting was broken off: `umg forget --now` finishes it.")
    elif oldest:
        out.print(f"Requests since {oldest:%Y-%m-%d} wait, due by {oldest + DUE:%Y-%m-%d}: `umg forget --now`.")
    else:
        out.print("Nobody has asked to be forgotten.")


def prove(home: Path, file: Path) -> int:
    """Searches every byte under the home for the ids in a file. Prints what it finds. Returns the exit code."""
    from umg_assets.forgetting.forget import people_of
    from umg_assets.forgetting.forget import prove as search
    from umg_assets.forgetting.receipt import people
    from umg_assets.privacy.names import is_distinct

    user_ids, settings = _ids_in(file), read_settings(home)
    searched = search(people_of(home, user_ids), settings)
    for finding in searched.findings:
        tell(f"found: {finding.path} ({finding.how}), person {finding.person + 1}")
    for place in searched.unreadable:
        tell(f"unreadable: {place}")
    out.print(
        f"{people(len(user_ids))}: {counted(searched.bytes, 'byte')} in {counted(searched.files, 'file')} searched, "
        f"named in {counted(len(searched.findings), 'place')}, {counted(len(searched.unreadable), 'file')} unreadable.",
        soft_wrap=True,
    )
    if common := sum(not is_distinct(user_id) for user_id in user_ids):
        out.print(
            f"{common:,} of the ids may well be other values: searched for as keys and sealed values alone.",
            soft_wrap=True,
        )
    return 0 if not searched.findings and not searched.unreadable else 1


def file_of(given: Path | None, argument: str | None) -> Path | None:
    """The file of ids: of --from, or `-` as the argument. BadParameter for an argument that may be an id."""
    if argument not in (None, "-"):
        raise typer.BadParameter(
            "expected `-` (ids on standard input) or --from FILE: ids are no arguments, because other users of the "
            "machine see these"
        )
    return given or (Path("-") if argument else None)
