"""umg: the command line. What only reads imports neither Dagster nor an engine."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from umg_assets.chart_commands import chart_app
from umg_assets.console import Format, err, out, show
from umg_assets.experiment_commands import experiment_app
from umg_assets.home import home_of
from umg_assets.options import FormatOption, RangeOption, day_of, parsed
from umg_assets.partitions import parse_range

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The lakehouse that a music-streaming company's product analysts run.",
)
app.add_typer(chart_app, name="chart")
app.add_typer(experiment_app, name="experiment")

_state = {"debug": False}


@app.callback()
def common(
    home: Annotated[Path | None, typer.Option(envvar="UMG_HOME", help="Where everything lies.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Options before the command."""
    _state["debug"] = debug
    os.environ["UMG_HOME"] = str(home_of(home))


@app.command()
def init(first_day: Annotated[str | None, typer.Option(help="First local day, YYYY-MM-DD.")] = None) -> None:
    """Make UMG_HOME, landing/ and a commented umg.toml."""
    from umg_assets.template import write_template

    file, made = write_template(home_of(), day_of(first_day))
    out.print(f"{file} {'written' if made else 'is there already: left as it is'}")
    out.print(f"Drop files into {home_of() / 'landing'}, then type: umg run")


@app.command()
def generate(
    plays: Annotated[int, typer.Option(help="Clean plays.")] = 300_000,
    days: Annotated[int, typer.Option(help="Delivery days.")] = 120,
    last_day: Annotated[str | None, typer.Option(help="The last of them; default: yesterday (UTC).")] = None,
    seed: Annotated[int, typer.Option(help="The same seed and knobs give the same files.")] = 7,
) -> None:
    """Write made-up landing files with planted faults, and truth/ beside landing/."""
    from umg_assets.demo import generate_files

    generate_files(home_of(), plays, days, day_of(last_day), seed)


@app.command()
def demo(
    plays: Annotated[int, typer.Option(help="Clean plays to make up.")] = 300_000,
    days: Annotated[int, typer.Option(help="Days to make up.")] = 120,
) -> None:
    """Make up landing files, run every asset over them, show what came out, and count it again by another way."""
    from umg_assets.demo import run_demo

    raise typer.Exit(0 if run_demo(home_of(), plays, days) else 1)


@app.command()
def run(
    days: Annotated[
        str | None, typer.Option("--range", metavar="A:B", help="Rebuild these local days and what hangs on them.")
    ] = None,
) -> None:
    """Bring everything up to date with landing/: only the days and months that new or changed files touch."""
    from umg_assets.demo import run_with_progress
    from umg_assets.settings import read_settings

    run_with_progress(read_settings(home_of()), parsed(parse_range, days) if days else None)


@app.command()
def quarantine(
    source: Annotated[str | None, typer.Option(help="plays, users or tracks.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    days: RangeOption = None,
    limit: Annotated[int, typer.Option(help="Records to print.")] = 20,
    form: FormatOption = Format.TABLE,
) -> None:
    """Records that could not land: counts by reason, and the records with their text."""
    from umg_assets.reports import quarantine as read_quarantine

    counts, rows = read_quarantine(home_of(), source, reason, parsed(parse_range, days) if days else None)
    columns = ("delivery_date", "source", "source_file", "record", "reason", "text")
    if form is not Format.TABLE:
        show(rows, columns, form)
        return
    show(counts, ("source", "reason", "records"), form, f"{len(rows):,} records in quarantine")
    if rows:
        show(rows[:limit], columns, form, f"The first {min(limit, len(rows))} of them")


@app.command()
def reconcile(
    against: Annotated[Path | None, typer.Option(help="A published list: a CSV or TSV with counts a track.")] = None,
    track: Annotated[str, typer.Option(help="Its column with the track id.")] = "track_id",
    plays: Annotated[str, typer.Option(help="Its column with the count.")] = "plays",
) -> None:
    """Count again by another way: the files' records and every row of every table; or plays a track against a list."""
    from umg_assets.reconcile import against_list
    from umg_assets.reconcile import reconcile as count_again
    from umg_assets.settings import read_settings

    right = against_list(home_of(), against, track, plays) if against else count_again(read_settings(home_of()))
    raise typer.Exit(0 if right else 1)


@app.command()
def doctor() -> None:
    """Check what is needed: Python, Java, jars, write access, time zone, settings, every source expression."""
    from umg_assets.doctor import examine

    raise typer.Exit(0 if examine(home_of()) else 1)


@app.command()
def dev(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000) -> None:
    """Dagster's webserver and daemon over UMG_HOME, until Ctrl-C."""
    from umg_assets.serving import serve
    from umg_assets.settings import read_settings

    read_settings(home_of())
    raise typer.Exit(serve(home_of(), port))


def _complain(text: str) -> None:
    from rich.markup import escape

    err.print(f"[bold red]umg:[/] {escape(text)}", soft_wrap=True)


def main() -> None:
    """The `umg` command: an error is one clear line, a traceback only with --debug.

    Exit codes: 0 well; 1 an error, or a check that found something; 2 wrongly called; 130 ended by Ctrl-C.
    """
    try:
        code = app(prog_name="umg", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        _complain("ended by Ctrl-C: what was written is whole; `umg run` goes on from there")
        code = 130
    except Exception as error:
        called_wrongly = getattr(error, "format_message", None)
        if called_wrongly:
            _complain(f"{called_wrongly().replace(chr(10), ' ')} See: {_command_of(error)} --help")
            code = 2
        elif _state["debug"]:
            raise
        else:
            _complain(str(error) or type(error).__name__)
            code = 1
    sys.exit(code or 0)


def _command_of(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context else "umg"
