"""Python modules as processes of their own: no file of the current folder is imported in place of an installed one."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import umg_assets


def command(module: str) -> list[str]:
    """How `python -m` starts a module, without the current folder among the places that are searched for imports."""
    return [sys.executable, "-P", "-m", module]


def environment(given: Mapping[str, str] | None = None, first: str | Path | None = None) -> dict[str, str]:
    """The environment for it and for the processes that it starts in turn. given: default: this process's.

    first: a folder that is searched before all others. A checkout that is not installed is found where this process
    found it: in the current folder.
    """
    variables = dict(os.environ if given is None else given)
    checkout = Path(umg_assets.__file__).parents[1]
    places = [first, variables.get("PYTHONPATH"), checkout if checkout == Path.cwd() else None]
    searched = os.pathsep.join(str(place) for place in places if place)
    return {**variables, "PYTHONSAFEPATH": "1", **({"PYTHONPATH": searched} if searched else {})}
