"""`umg demo`, `umg generate` and `umg run`: made-up files, a run with its progress, and what came of it."""

import time
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from umg_assets.console import Format, err, out, show
from umg_assets.home import FILE_NAME
from umg_assets.settings import Settings, read_settings
from umg_assets.template import write_template

if TYPE_CHECKING:
    from umg_assets.generator import World
    from umg_assets.running import Report

SHOWN_MARKETS = ("AT", "DE")
SHOWN_GENRES = ("Pop", "Hip-Hop", "Schlager")
SHOWN_AGE_GROUPS = ("18-24", "35-44")


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=6),
        TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=7)),
        console=err,
        transient=False,
    )


def generate_files(
    home: Path, plays: int, days: int, last_day: date | None, seed: int, experiments: bool = False
) -> None:
    """Writes landing files and truth/ of a made-up world, unless landing/ holds files already.

    experiments: made-up ones, too, over the world's last 18 days: two weeks, two days to settle, and a day of rest.
    """
    from umg_assets.generator import World, generate

    landing = home / "landing"
    if landing.is_dir() and any(landing.iterdir()):
        out.print(f"{landing} holds files already: left as they are (another --home makes another world)")
        return
    world = World(plays=plays, days=days, seed=seed)
    world = replace(world, last_day=last_day) if last_day else world
    write_template(home, world.first_day, nothing_before=True)
    with _progress() as progress:
        task = progress.add_task(f"making up {plays:,} plays over {days} days", total=1.0)
        generate(world, landing, home / "truth", lambda done, _: progress.update(task, completed=done))
    if experiments:
        _generate_experiments(home, world)


def _generate_experiments(home: Path, world: "World") -> None:
    """Their files, and their definitions at the end of umg.toml."""
    from umg_assets.generator.experiments import generate_experiments

    first_day = world.last_day - timedelta(days=17)
    pre_days = max(1, min(14, (first_day - world.first_day).days - 1))
    text = generate_experiments(home / "landing", home / "truth", first_day, pre_days=pre_days, seed=world.seed)
    file = home / FILE_NAME
    told = file.read_text(encoding="utf-8")
    file.write_text(f"plays_from_events = true\n{told}{text}", encoding="utf-8")


def run_with_progress(settings: Settings, rebuild: tuple[date, date] | None = None) -> "Report":
    """`umg run`: everything up to date, each stage with its time, then what was done and what waits."""
    started = time.monotonic()
    with _progress() as progress:
        task = progress.add_task("looking at landing/", total=None)
        from umg_assets.running import Runner

        def say(stage: str) -> None:
            nonlocal task
            progress.update(task, total=1, completed=1)
            task = progress.add_task(stage, total=None)

        report = Runner(settings, say).bring_up_to_date(rebuild)
        progress.update(task, total=1, completed=1)
    for path, reason in report.scan.waiting.items():
        out.print(f"[yellow]waits[/]: {path}: {reason}")
    for file, reason in report.scan.held:
        out.print(f"[yellow]held[/]: {file.path}: {reason}", soft_wrap=True)
    if report.refused:
        out.print(f"[red]refused[/]: a blocking check failed on {', '.join(report.refused)}: nothing after it runs")
    if report.waiting_days:
        days = ", ".join(day.isoformat() for day in report.waiting_days)
        out.print(f"[yellow]waits[/]: plays of {days}: that local day has not begun")
    if report.scan.unclaimed:
        files = report.scan.unclaimed
        out.print(f"[yellow]no source takes[/] {len(files)} files, e.g. {files[0]}: add a source to umg.toml")
    if not report.runs:
        out.print("Nothing is new: every table is up to date with landing/.")
    else:
        out.print(f"Up to date with landing/ after {report.runs} runs, {time.monotonic() - started:.0f} s.")
    return report


def accept_file(settings: Settings, path: str) -> None:
    """`umg accept`: notes in the ledger that this content of a file may land. ValueError when it is not held."""
    from umg_assets.resources.landing import scan
    from umg_assets.resources.ledger import Ledger

    ledger = Ledger(settings.home)
    held = {file.path: (file, why) for file, why in scan(settings, ledger.read()).held}
    if path not in held:
        named = f"held are: {', '.join(sorted(held))}" if held else "no file is held"
        raise ValueError(f"{path} is not held, so there is nothing to accept; {named}")
    file, why = held[path]
    ledger.accept(file.entry)
    out.print(f"{path}: {why.partition(': `umg')[0]}. Accepted: the next run lands it.", soft_wrap=True)


def run_demo(home: Path, plays: int, days: int) -> bool:
    """Made-up files, every asset over them, what came out, as tables, and the verdict: whether a recount agrees."""
    from umg_assets.reconcile import reconcile

    generate_files(home, plays, days, None, 7)
    settings = read_settings(home)
    run_with_progress(settings)
    show_outcome(settings)
    out.print()
    return reconcile(settings, brief=True)


def _show_month(home: Path, market: str, month: date) -> None:
    """The top tracks of a market and month, with how they moved."""
    from umg_assets.reports import movements, top_tracks

    chart = top_tracks(home, market, month, "plays", 10)
    moved = {row["rank"]: row["moved"] for row in movements(home, market, month, "plays", 10)}
    rows = [{**row, "moved": moved.get(row["rank"], "")} for row in chart.rows]
    title = f"\nTop tracks, {market} {month:%Y-%m}, by plays (through {chart.data_through}; * new, + re-entry)"
    show(
        rows, ("moved", "rank", "title", "artist_name", "plays", "listening_minutes", "listeners"), Format.TABLE, title
    )


def _show_windows(home: Path) -> None:
    """The top artists of three genres and the favourites of two age groups."""
    from umg_assets.reports import NothingToShowError, favourites, last_complete_day, top_artists

    day = last_complete_day(home)
    artists, tracks = [], []
    for genre in SHOWN_GENRES:
        with suppress(NothingToShowError):
            artists += top_artists(home, genre, None, day, "plays", 3)
    for group in SHOWN_AGE_GROUPS:
        with suppress(NothingToShowError):
            tracks += favourites(home, group, day, 4)
    columns = ("genre", "rank", "artist_name", "plays", "streams", "listening_minutes")
    show(artists, columns, Format.TABLE, f"\nTop artists by plays over 30 days to {day}, all markets")
    columns = ("age_group", "rank", "title", "artist_name", "plays")
    show(tracks, columns, Format.TABLE, f"\nFavourites of two age groups over 14 days to {day}")


def _show_experiments(settings: Settings) -> None:
    """What was read of each experiment, a line each."""
    from umg_assets.resources.readouts import Readouts

    for name in settings.experiments:
        readout = Readouts(settings.home).written(name) or {"verdicts": ()}
        for verdict in readout["verdicts"]:
            said = f"{verdict['treatment']}: {verdict['decision']}. {verdict['reasons'][0]}"
            out.print(f"Experiment {name} through {readout['through']}, {said}", soft_wrap=True)


def show_outcome(settings: Settings) -> None:
    """The charts, the sums that show that no record was lost, and where things lie."""
    from umg_assets.partitions import local_today, month_of
    from umg_assets.reports import conservation, duplicates
    from umg_assets.resources.ledger import Ledger

    home = settings.home
    last_month = month_of(month_of(local_today(settings.time_zone)) - timedelta(days=1))
    for market in [market for market in SHOWN_MARKETS if market in settings.markets] or settings.markets[:2]:
        _show_month(home, market, last_month)
    _show_windows(home)
    history = Ledger(home).read()
    rows = conservation(history)
    columns = ("source", "files", "records_read", "landed", "quarantined", "filtered")
    show(
        rows,
        columns,
        Format.TABLE,
        "\nNo record vanishes: records read = landed + quarantined (+ filtered by a source)",
    )
    lost = sum(row["records_read"] - row["landed"] - row["quarantined"] - row["filtered"] for row in rows)
    out.print(f"Records lost: {lost}.", end=" " if not settings.event_plays else "\n")
    if not settings.event_plays:
        copies, plays = duplicates(home, history)
        out.print(f"Copies of plays: {copies:,}; plays: {plays:,}; duplicates: {copies - plays:,}.")
    _show_experiments(settings)
    out.print(
        f"\nEverything lies in {home}:\n"
        "  landing/ (files), tables/ (Delta), exports/current/ (CSV, Parquet, JSON), truth/\n"
        "Next:\n"
        "  make dev, and open http://127.0.0.1:3000\n"
        "  umg chart top-tracks --market CZ; umg chart favourites --age-group 25-34\n"
        "  umg quarantine; umg reconcile\n"
        "  drop a file into landing/plays/ and type: umg run",
        soft_wrap=True,
    )
