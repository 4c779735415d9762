"""`umg run` and `umg accept`: a run with its progress, what it did and what waits; a shrunk file let in."""

import gc
import time
from collections.abc import Callable, Iterable
from datetime import date
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from umg_assets.cli.console import err, out, say, tell
from umg_assets.cli.ending import Ending, ending_of, print_faults, print_sources
from umg_assets.resources.forgetting_lock import refuse_while_forgetting
from umg_assets.resources.locations import refuse_elsewhere
from umg_assets.settings.model import Settings
from umg_assets.text import counted, visible

if TYPE_CHECKING:
    from dagster import DagsterInstance, Definitions

    from umg_assets.planning.runs import Run
    from umg_assets.resources.lakehouse import Lakehouse
    from umg_assets.runner import Runner


def progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=6),
        TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=7)),
        console=err,
        transient=False,
    )


def runner_of(
    settings: Settings, say: Callable[[str], None] = lambda _: None, instance: "DagsterInstance | None" = None
) -> "Runner":
    """The runner of a lakehouse; instance: of Dagster, the one under UMG_HOME unless given."""
    from umg_assets.catalogue import Catalogue
    from umg_assets.runner import Runner

    catalogue = Catalogue.of(settings)

    def definitions() -> "Definitions":
        from umg_assets.build import build_definitions  # every asset, and the engines' client: only for news

        return build_definitions(settings, catalogue)

    return Runner(settings, catalogue, definitions, say, instance)


def lakehouse_of(settings: Settings) -> "Lakehouse":
    """The tables of a lakehouse, with the engine that the settings name."""
    from umg_assets.resources.engine import Engine
    from umg_assets.resources.lakehouse import Lakehouse

    engine = Engine.of(settings)
    return Lakehouse(settings.home, lambda: engine.spark_session, settings.places.tables)


class RunUnderWayError(RuntimeError):
    """A run or backfill is queued or running; the message says which, and what to do."""


def check_no_run(instance: "DagsterInstance") -> None:
    """Raises RunUnderWayError while a run or a backfill is queued or running."""
    from umg_assets.resources.instance import under_way

    if runs := under_way(instance):
        raise RunUnderWayError(
            f"{runs[0]} is under way, and may read what this removes: expected none; wait until it has ended, or end "
            "it in Dagster"
        )


def run_with_progress(settings: Settings, rebuild: tuple[date, date] | None = None) -> Ending:
    """`umg run`: everything up to date, each stage with its time, then what was done, set aside and held, and waits."""
    from umg_assets.landing.outcome import outcomes
    from umg_assets.landing.signs import signs
    from umg_assets.planning.frozen import spans
    from umg_assets.report import nothing_new

    refuse_while_forgetting(settings.home)
    refuse_elsewhere(settings.home, settings.places.tables)
    started = time.monotonic()
    with progress() as shown:
        task = shown.add_task("looking at landing/", total=None)

        def begin(stage: str) -> None:
            nonlocal task
            shown.update(task, total=1, completed=1)
            task = shown.add_task(stage, total=None)

        report = None if rebuild else nothing_new(settings)
        if report is None:
            runner = runner_of(settings, begin)
            if not gc.get_freeze_count():
                gc.freeze()  # what Dagster has loaded stays: no collection need look through it, nor the last one
            report = runner.bring_up_to_date(rebuild)
        shown.update(task, total=1, completed=1)
    for path, reason in report.scan.waiting.items():
        say("waits", "yellow", f": {path}: {reason.removeprefix(f'{path}: ')}")
    for file, reason in report.scan.held:
        say("held", "yellow", f": {file.path}: {reason}")
    if report.blocked:
        stay, on = ", ".join(report.blocked), ", ".join(report.refused)
        say("blocked", "red", f": {stay} cannot be brought up to date: a blocking check failed on {on}")
    if report.waiting_days:
        days = ", ".join(day.isoformat() for day in report.waiting_days)
        say("waits", "yellow", f": plays of {days}: that local day has not begun")
    if report.untouched_days:
        say(
            "kept",
            "yellow",
            f": plays of {spans(report.untouched_days)}, and charts of them, stay as they are: older "
            "raw rows of these days have gone by age (keep_raw_days), and what is new of them is in raw tables only",
        )
    for sign in signs(settings, report.scan, report.history):
        say("look", "yellow", f": {sign}")
    sources = outcomes(settings, report.scan, report.history, report.since)
    ending = ending_of(report, sources)
    print_sources(sources)
    print_faults(report, sources)
    landed = any(source.landed for source in sources)
    state = "every table is up to date with landing/" if ending is Ending.GOOD else "see what is red above"
    if not landed and not report.blocked:
        state = "no record has landed"
    runs = counted(report.runs, "run")
    if report.blocked:
        out.print(f"Blocked after {runs}: {counted(len(report.blocked), 'table')} left unchanged; {state}.")
    elif not report.runs:
        out.print(f"Nothing is new: {state}.")
    elif ending is Ending.GOOD and landed:
        out.print(f"Up to date with landing/ after {runs}, {time.monotonic() - started:.0f} s.")
    else:
        out.print(f"Done after {runs}, {time.monotonic() - started:.0f} s: {state}.")
    return ending


def explain(settings: Settings, rebuild: tuple[date, date] | None = None) -> None:
    """`umg run --explain`: which partitions a run would build now, and why; runs nothing."""
    refuse_elsewhere(settings.home, settings.places.tables)
    explanation = runner_of(settings).explain(rebuild)
    _print_runs(explanation.landing)
    if explanation.landing:
        out.print("What these files affect is known once they have landed; what the ledger asks for by itself:")
    for number, runs in enumerate(explanation.rounds, 1):
        say(f"Round {number}", "bold", ", once the one before is done" if number > 1 else "")
        _print_runs(runs)
    if explanation.waiting_days:
        days = ", ".join(day.isoformat() for day in explanation.waiting_days)
        say("waits", "yellow", f": plays of {days}: that local day has not begun")
    if not explanation.landing and not explanation.rounds:
        out.print("Nothing is new: every table is up to date with landing/.")
    out.print("Nothing was run.")


def _print_runs(runs: "Iterable[Run]") -> None:
    for run in runs:
        span = (
            ""
            if run.bounds is None
            else f" {run.bounds[0]}" + (f" to {run.bounds[1]}" if run.bounds[1] != run.bounds[0] else "")
        )
        out.print(f"  {run.job}: {', '.join(run.assets)}{span}", soft_wrap=True)
        tell(f"    {run.why}")


def accept_file(settings: Settings, path: str) -> None:
    """`umg accept`: notes that a content of a file or folder may land, or is to be read again after an internal error.

    ValueError when it is neither held nor refused by an internal error.
    """
    from umg_assets.landing.scan import scan
    from umg_assets.resources.ledger import Ledger

    refuse_elsewhere(settings.home, settings.places.tables)
    ledger = Ledger(settings.home)
    path = visible(path)
    history = ledger.read()
    tried = {(entry.source, entry.path) for entry in history.with_any("tried").entries if entry.tried_by}
    for entry in history.about(tried).latest().values():
        if visible(entry.path) == path and entry.tried_by:
            ledger.accept(entry)
            out.print(f"{path}: an internal error refused it. The next run reads it again.", soft_wrap=True)
            return
    held = {visible(file.path): (file, why) for file, why in scan(settings, history).held}
    if path not in held:
        named = f"held are: {', '.join(sorted(held))}" if held else "no file is held"
        raise ValueError(f"{path} is not held, so there is nothing to accept; {named}")
    file, why = held[path]
    ledger.accept(file.entry)
    tell(f"{path}: {why.partition(': `umg')[0]}. Accepted: the next run lands it.")
