"""The `umg` command: its subcommands, their options, and exit codes.

Each command imports what it needs when it is called: commands that only read load neither Dagster nor an engine.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from umg_assets.calendar import parse_range
from umg_assets.cli.backup import backup, move_tables, restore
from umg_assets.cli.catalog import catalog
from umg_assets.cli.chart import chart_app
from umg_assets.cli.console import Format, err, show
from umg_assets.cli.exit_code import exit_code
from umg_assets.cli.experiment import experiment_app
from umg_assets.cli.keys import keys_app
from umg_assets.cli.once import OnceGroup
from umg_assets.cli.options import FormatOption, RangeOption, day_of, parsed
from umg_assets.settings.home import home_of, keep_private, refuse_half_restored
from umg_assets.text import counted, visible

app = typer.Typer(
    cls=OnceGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The lakehouse that a music-streaming company's product analysts run.",
)
app.add_typer(chart_app, name="chart")
app.add_typer(experiment_app, name="experiment")
app.add_typer(keys_app, name="keys")

_state = {"debug": False}


def _print_version(context: typer.Context, asked: bool) -> None:
    from umg_assets.cli.version import versions

    if asked and not context.resilient_parsing:  # else: a shell completes the line
        print(versions())
        raise typer.Exit


@app.callback()
def common(
    home: Annotated[Path | None, typer.Option(envvar="UMG_HOME", help="Where everything lies.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_print_version, help="Print versions.")] = False,
) -> None:
    """Read the options that come before the command."""
    _state["debug"] = debug
    os.environ["UMG_HOME"] = str(home_of(home))
    refuse_half_restored(home_of())
    if tightened := keep_private(home_of()):
        err.print(tightened, soft_wrap=True)


@app.command()
def init(
    first_day: Annotated[str | None, typer.Option(help="First local day, YYYY-MM-DD.")] = None,
    samples: Annotated[
        list[Path] | None, typer.Option("--from", metavar="FILE...", help="Guess the sources from sample files.")
    ] = None,
    more: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="More files of --from.")] = None,
) -> None:
    """Create UMG_HOME, landing/ and a commented umg.toml; with --from, guess the sources of your own files."""
    from umg_assets.cli.init import initialise, initialise_from

    if more and not samples:
        raise typer.BadParameter(f"expected --from before the files, got {more[0]}")
    if samples:
        initialise_from(home_of(), day_of(first_day), [*samples, *(more or [])])
    else:
        initialise(home_of(), day_of(first_day))


@app.command()
def generate(
    plays: Annotated[int, typer.Option(help="Clean plays.")] = 300_000,
    days: Annotated[int, typer.Option(help="Delivery days.")] = 120,
    last_day: Annotated[str | None, typer.Option(help="The last of them; default: yesterday (UTC).")] = None,
    seed: Annotated[int, typer.Option(help="The same seed and knobs give the same files.")] = 7,
    experiments: Annotated[
        bool, typer.Option("--experiments", help="Four experiments, too, of users of their own.")
    ] = False,
) -> None:
    """Write made-up landing files with planted faults, and truth/ beside landing/."""
    from umg_assets.cli.demo import generate_files
    from umg_assets.generator.experiments import EXPERIMENTS

    generate_files(home_of(), plays, days, day_of(last_day), seed, EXPERIMENTS if experiments else ())


@app.command()
def demo(
    plays: Annotated[int, typer.Option(help="Clean plays to make up.")] = 300_000,
    days: Annotated[int, typer.Option(help="Days to make up.")] = 120,
) -> None:
    """Generate landing files, run every asset over them, show the results, and count them again by independent code."""
    from umg_assets.cli.demo import run_demo

    raise typer.Exit(run_demo(home_of(), plays, days))


@app.command()
def run(
    days: Annotated[
        str | None, typer.Option("--range", metavar="A:B", help="Rebuild these local days and what hangs on them.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Print what would run, and why; run nothing.")] = False,
) -> None:
    """Bring everything up to date with landing/: only the days and months that new or changed files affect."""
    from umg_assets.cli import run as commands
    from umg_assets.settings.model import read_settings

    settings, rebuild = read_settings(home_of()), parsed(parse_range, days) if days else None
    if explain:
        commands.explain(settings, rebuild)
    else:
        raise typer.Exit(commands.run_with_progress(settings, rebuild))


@app.command()
def accept(path: Annotated[str, typer.Argument(help="As `umg run` names it: relative to landing/.")]) -> None:
    """Let a file or folder land although it has shrunk since it last landed: what it no longer holds is removed."""
    from umg_assets.cli.run import accept_file
    from umg_assets.settings.model import read_settings

    accept_file(read_settings(home_of()), path)


@app.command()
def quarantine(
    source: Annotated[str | None, typer.Option(help="plays, users, tracks or events.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    days: RangeOption = None,
    limit: Annotated[int, typer.Option(help="Records to print.")] = 20,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show the records that could not land: counts by reason, and the records with their text."""
    from umg_assets.cli.reports import quarantine as read_quarantine

    between, at_most = parsed(parse_range, days) if days else None, limit if form is Format.TABLE else None
    found = read_quarantine(home_of(), source, reason, between, at_most)
    if found.sealed:
        err.print(found.sealed, soft_wrap=True)
    columns = ("delivery_date", "source", "source_file", "record", "reason", "text")
    if form is not Format.TABLE:
        show(found.rows, columns, form)
        return
    show(found.counts, ("source", "reason", "records"), form, f"{counted(found.records, 'record')} in quarantine")
    if found.rows:
        show(found.rows, columns, form, f"The first {len(found.rows)} of them")


@app.command("export-user")
def export_user(
    file: Annotated[
        Path, typer.Option("--from", metavar="FILE", help="User ids, one a line; default: standard input.")
    ] = Path("-"),
) -> None:
    """Print everything held of users, as JSON lines: an id is never an argument, which other users of a machine see."""
    from umg_assets.cli.console import show_lines
    from umg_assets.cli.person import held_of, read_ids

    for user_id in read_ids(file):
        rows = list(held_of(home_of(), user_id))
        show_lines({"user_id": user_id, **row} for row in rows)
        if not rows:
            err.print(visible(f"nothing is held of {user_id}"), soft_wrap=True)


@app.command()
def reconcile(
    against: Annotated[Path | None, typer.Option(help="A published list: a CSV or TSV with counts a track.")] = None,
    track: Annotated[str, typer.Option(help="Its column with the track id.")] = "track_id",
    plays: Annotated[str, typer.Option(help="Its column with the count.")] = "plays",
) -> None:
    """Recount the files' records and every table's rows by independent code; or compare plays per track with a list."""
    from umg_assets.cli.reconcile import against_list
    from umg_assets.cli.reconcile import reconcile as count_again
    from umg_assets.settings.model import read_settings

    agrees = against_list(home_of(), against, track, plays) if against else count_again(read_settings(home_of()))
    raise typer.Exit(0 if agrees else 1)


@app.command()
def forget(
    file: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Of user ids, one a line; -: stdin.")
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="At once; also what was collected or broken off.")] = False,
    replay: Annotated[bool, typer.Option("--replay", help="After a restore: who was forgotten, once more.")] = False,
    prove: Annotated[bool, typer.Option("--prove", help="Search every byte for the ids; change nothing.")] = False,
    stdin: Annotated[str | None, typer.Argument(metavar="[-]", help="Ids on standard input.")] = None,
) -> None:
    """Forget people: their records go, what follows is built again, and a search of all bytes proves it."""
    from umg_assets.cli import forget as commands

    ids = commands.file_of(file, stdin)
    if prove:
        raise typer.Exit(commands.prove(home_of(), ids or Path("-")))
    if ids:
        commands.collect(home_of(), ids)
    if now or replay:
        raise typer.Exit(commands.forget(home_of(), replay))
    if not ids:
        commands.show_pending(home_of())


@app.command()
def expire() -> None:
    """Remove what is older than `[privacy]` of umg.toml keeps it: landed files, quarantined records, raw rows."""
    from umg_assets.cli.expire import expire as remove
    from umg_assets.settings.model import read_settings

    remove(read_settings(home_of()))


app.command()(backup)
app.command()(restore)
app.command("move-tables")(move_tables)
app.command()(catalog)


@app.command()
def doctor() -> None:
    """Check the set-up: Python, Java, jars, write access, time zone, settings, every source expression."""
    from umg_assets.cli.doctor import examine

    raise typer.Exit(0 if examine(home_of()) else 1)


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For monitors.")] = False) -> None:
    """Show on one screen how the data is; change nothing. Exit code 3 where somebody needs to look."""
    from umg_assets.cli.status import show_status

    raise typer.Exit(show_status(home_of(), as_json))


@app.command()
def dev(
    port: Annotated[int, typer.Option(help="Port of the webserver.")] = 3000,
    dashboard_port: Annotated[int, typer.Option(help="Port of the dashboard.")] = 3001,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than 127.0.0.1 need --behind-proxy, or TLS and passwords.")
    ] = "127.0.0.1",
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A reverse proxy in front checks who comes in.")
    ] = False,
    name: Annotated[list[str] | None, typer.Option(help="Host name that is answered to, too.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="TLS certificate (chain), PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="Who may enter: lines NAME:PASSWORD.")] = None,
) -> None:
    """Serve Dagster's webserver and daemon, and the dashboard, over UMG_HOME, until Ctrl-C."""
    from umg_assets.cli.access import Access
    from umg_assets.cli.serving import serve
    from umg_assets.settings.model import read_settings

    read_settings(home_of())
    access = Access(host, tls_cert, tls_key, password_file, tuple(name or ()), behind_proxy)
    raise typer.Exit(serve(home_of(), port, access, dashboard_port))


@app.command()
def dashboard(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 3001,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than 127.0.0.1 need --behind-proxy, or TLS and passwords.")
    ] = "127.0.0.1",
    prefix: Annotated[str, typer.Option(help="What a proxy puts before every path, such as /umg.")] = "",
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A reverse proxy in front checks who comes in.")
    ] = False,
    name: Annotated[list[str] | None, typer.Option(help="Host name that is answered to, too.")] = None,
    snapshot: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Serve nothing: write the site as files into DIR, or DIR.zip as one file."),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="TLS certificate (chain), PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="Who may enter: lines NAME:PASSWORD.")] = None,
) -> None:
    """Serve the charts, plays, experiments and the state of the data as pages, until Ctrl-C; or write them as files."""
    from umg_assets.cli.access import Access
    from umg_assets.cli.dashboard import serve, write

    if snapshot:
        write(home_of(), snapshot)
        return
    access = Access(host, tls_cert, tls_key, password_file, tuple(name or ()), behind_proxy)
    raise typer.Exit(serve(home_of(), access, port, prefix.rstrip("/")))


def main() -> None:
    """The entry point of `umg`."""
    sys.exit(exit_code(app, debug=lambda: _state["debug"]))
