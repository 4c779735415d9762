"""How a command ends: an error prints one clear line, and a traceback only with --debug."""

import sys
import traceback
from collections.abc import Callable

import typer
from rich.text import Text

from umg_assets.cli.console import err, said_of
from umg_assets.text import redacted


def exit_code(app: typer.Typer, debug: Callable[[], bool]) -> int:
    """Runs the command that was typed. debug: whether it was typed with --debug.

    Exit codes: 0 success; 1 an error, or a check that found a fault; 2 wrong usage; 3 more data was set aside than
    umg.toml allows, or the data needs a look; 130 ended by Ctrl-C.
    """
    try:
        return app(prog_name="umg", standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        _print_error("ended by Ctrl-C: what was written is whole; `umg run` goes on from there")
        return 130
    except Exception as error:
        usage_message = getattr(error, "format_message", None)
        if usage_message:
            _print_error(f"{usage_message().replace(chr(10), ' ')} See: {_command_of(error)} --help")
            return 2
        if debug():
            sys.stderr.write(redacted(traceback.format_exc()))
        else:
            _print_error(said_of(error))
        return 1


def _print_error(text: str) -> None:
    err.print(Text.assemble(("umg:", "bold red"), f" {text}"), soft_wrap=True)


def _command_of(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context else "umg"
