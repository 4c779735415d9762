"""`umg demo` and `umg generate`: generated landing files, and the results of a run over them."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from umg_assets import tables
from umg_assets.cli.console import Format, out, say, show
from umg_assets.cli.ending import AGE_CHECKS, Ending
from umg_assets.cli.run import progress, run_with_progress, runner_of
from umg_assets.settings.home import FILE_NAME
from umg_assets.settings.model import Settings, read_settings
from umg_assets.settings.template import write_template

if TYPE_CHECKING:
    from dagster import MetadataValue

    from umg_assets.generator import World
    from umg_assets.generator.experiments import SyntheticExperiment

EXPERIMENT_DAYS = 18
"""The last days of a generated world that its experiments take: two weeks, two days to settle, and a day of rest."""
SHOWN_MARKETS = ("AT", "DE")
SHOWN_GENRES = ("Pop", "Hip-Hop", "Schlager")
SHOWN_AGE_GROUPS = ("18-24", "35-44")


def generate_files(
    home: Path,
    plays: int,
    days: int,
    last_day: date | None,
    seed: int,
    experiments: Sequence["SyntheticExperiment"] = (),
) -> None:
    """Writes the landing files and truth/ of a generated world, unless landing/ holds files already.

    experiments: are added over the world's last EXPERIMENT_DAYS days.
    """
    from umg_assets.generator import World, generate

    landing = home / "landing"
    if landing.is_dir() and any(landing.iterdir()):
        out.print(f"{landing} holds files already: left as they are (another --home makes another world)")
        return
    world = World(plays=plays, days=days, seed=seed)
    world = replace(world, last_day=last_day) if last_day else world
    write_template(home, world.first_day, generated=True)
    with progress() as bars:
        task = bars.add_task(f"making up {plays:,} plays over {days} days", total=1.0)
        generate(world, landing, home / "truth", lambda done, _: bars.update(task, completed=done))
    if experiments:
        _generate_experiments(home, world, experiments)


def _generate_experiments(home: Path, world: "World", experiments: Sequence["SyntheticExperiment"]) -> None:
    """Writes the events of the experiments, and appends their definitions to umg.toml."""
    from umg_assets.generator.experiments import generate_experiments

    first_day = world.last_day - timedelta(days=EXPERIMENT_DAYS - 1)
    pre_days = max(1, min(14, (first_day - world.first_day).days - 1))
    definitions = generate_experiments(
        home / "landing",
        home / "truth",
        first_day,
        experiments=experiments,
        pre_days=pre_days,
        seed=world.seed,
    )
    file = home / FILE_NAME
    settings = file.read_text(encoding="utf-8")
    file.write_text(f"plays_from_events = true\n{settings}{definitions}", encoding="utf-8")


def run_demo(home: Path, plays: int, days: int) -> Ending:
    """Generates files, runs every asset over them, then the checks of whole tables, and prints the results.

    Returns FAULT if a recount differs. A world that is long enough has an experiment, too.
    """
    from umg_assets.generator.experiments import DEMO

    generate_files(home, plays, days, None, 7, DEMO if days > EXPERIMENT_DAYS else ())
    settings = read_settings(home)
    ending = run_with_progress(settings)
    show_outcome(settings)
    out.print()
    return ending if _tables_agree(settings) else Ending.FAULT


def _tables_agree(settings: Settings) -> bool:
    """Runs the checks that read whole tables, as Dagster does each day, and prints what they say.

    Returns whether none of severity ERROR failed.
    """
    from dagster import AssetCheckSeverity

    checks = runner_of(settings).check_tables()
    recounts = {check.asset_key.path[-1]: check.metadata for check in checks if check.check_name == "counted_again"}
    files = recounts.pop("deliveries")
    sums = [sum(_number(of[name]) for of in recounts.values()) for name in ("rows", "differing")]
    out.print(
        f"Counted again by other code: {_number(files['records']):,} records of {_number(files['files']):,} files, "
        f"{_number(files['differing'])} counts differ; {sums[0]:,} rows of {len(recounts)} tables, {sums[1]} differ.",
        soft_wrap=True,
    )
    failed = [check for check in checks if not check.passed and check.check_name not in AGE_CHECKS]
    for check in failed:
        colour = "red" if check.severity is AssetCheckSeverity.ERROR else "yellow"
        say("check failed", colour, f": {check.asset_key.path[-1]}, {check.check_name}: {check.description}")
    return not any(check.severity is AssetCheckSeverity.ERROR for check in failed)


def _number(value: "MetadataValue") -> int:
    return int(str(value.value))


def _show_month(home: Path, market: str, month: date) -> None:
    """Prints the top tracks of a market and month, if it has any, and how they moved."""
    from umg_assets.cli.charts import movements, top_tracks
    from umg_assets.cli.nothing import NothingToShowError

    try:
        chart = top_tracks(home, market, month, "plays", 10)
    except NothingToShowError as nothing:
        out.print(f"\nTop tracks, {market} {month:%Y-%m}: {nothing}", soft_wrap=True)
        return
    moved = {row["rank"]: row["moved"] for row in movements(home, market, month, "plays", 10)}
    rows = [{**row, "moved": moved.get(row["rank"], "")} for row in chart.rows]
    title = f"\nTop tracks, {market} {month:%Y-%m}, by plays (through {chart.data_through}; * new, + re-entry)"
    show(
        rows, ("moved", "rank", "title", "artist_name", "plays", "listening_minutes", "listeners"), Format.TABLE, title
    )


def _show_windows(home: Path) -> None:
    """Prints the top artists of SHOWN_GENRES and the favourites of SHOWN_AGE_GROUPS."""
    from umg_assets.cli.charts import favourites, last_complete_day, top_artists
    from umg_assets.cli.nothing import NothingToShowError

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
    """Prints each treatment's decision, one line each."""
    from umg_assets.experiments.page import PAGE
    from umg_assets.experiments.readouts import Readouts

    for name in settings.experiments:
        readout = Readouts(settings.home).written(name) or {"verdicts": ()}
        for verdict in readout["verdicts"]:
            decision = f"{verdict['treatment']}: {verdict['decision']}. {verdict['reasons'][0]}"
            out.print(f"Experiment {name} through {readout['through']}, {decision}", soft_wrap=True)
        out.print(f"  its page: {Readouts(settings.home).folder(name) / PAGE}", soft_wrap=True)


def show_outcome(settings: Settings) -> None:
    """Prints the charts, the sums that show that no record was lost, and where the files are."""
    from umg_assets.calendar import local_today, month_of
    from umg_assets.cli.reports import duplicates
    from umg_assets.planning.health import conservation
    from umg_assets.resources.ledger import Ledger
    from umg_assets.resources.reading import partition_values

    home = settings.home
    last_month = month_of(month_of(local_today(settings.time_zone)) - timedelta(days=1))
    months = [date.fromisoformat(month) for month in partition_values(home, tables.TOP_TRACKS_BY_COUNTRY, "month")]
    shown = last_month if last_month in months else max(months, default=last_month)
    for market in [market for market in SHOWN_MARKETS if market in settings.markets] or settings.markets[:2]:
        _show_month(home, market, shown)
    _show_windows(home)
    history = Ledger(home).read()
    rows = conservation(history)
    parts = ("landed", "quarantined", "filtered", "suppressed")
    columns = ("source", "files", "records_read", *parts[: 4 if any(row["suppressed"] for row in rows) else 3])
    show(
        rows,
        columns,
        Format.TABLE,
        "\nNo record vanishes: records read = landed + quarantined (+ filtered by a source)",
    )
    lost = sum(row["records_read"] - sum(row[part] for part in parts) for row in rows)
    out.print(f"Records lost: {lost}.", end=" " if not settings.event_plays else "\n")
    if not settings.event_plays:
        copies, plays = duplicates(home, history)
        out.print(f"Copies of plays: {copies:,}; plays: {plays:,}; duplicates: {copies - plays:,}.")
    _show_experiments(settings)
    out.print(
        f"\nEverything lies in {home}:\n"
        "  landing/ (files), tables/ (Delta), exports/current/ (CSV, Parquet, JSON), truth/\n"
        "Next:\n"
        "  umg dashboard, and open http://127.0.0.1:3001: the charts as pages\n"
        "  umg dev, and open http://127.0.0.1:3000: Dagster, with the dashboard beside it\n"
        "  umg chart top-tracks --market CZ; umg chart favourites --age-group 25-34\n"
        + "".join(f"  umg experiment readout {name}\n" for name in settings.experiments)
        + "  umg quarantine; umg reconcile\n"
        "  drop a file into landing/plays/ and type: umg run",
        soft_wrap=True,
    )
