"""Experiments: the verdict of each in a sentence, and the page of its readout as it is written. No look is taken."""

from collections.abc import Mapping
from typing import Any

from umg_assets.dashboard.addresses import Ask, address
from umg_assets.dashboard.page import Page, Sheet
from umg_assets.dashboard.state import Defined
from umg_assets.experiments.page import render_body

COLUMNS = ("experiment", "state", "verdict", "trust", "primary", "through")


def experiments(ask: Ask) -> Page:
    """Every experiment in umg.toml, and those that have left it a readout: verdict and why, trust, primary metrics."""
    rows = [_headline(ask, name) for name in _names(ask)]
    sheet = Sheet("experiments", COLUMNS, [{**row, "primary": "; ".join(row["primary"])} for row in rows])
    return Page("experiments.html", "Experiments", {"rows": rows}, [sheet])


def experiment(ask: Ask) -> Page:
    """The page of an experiment's readout; before the first, what is missing."""
    links = [(name, address("experiments", name)) for name in _names(ask)]
    name = ask.choice("name", {name: name for name in _names(ask)}, "", links)
    view = ask.served.pages.get(name)
    if not view:
        return Page("experiment.html", f"Experiment {name}", {"row": _headline(ask, name), "body": None})
    sheets = [_sheet(table, content) for table, content in view["tables"].items()]
    content = {"row": _headline(ask, name), "body": render_body(view)}
    return Page("experiment.html", f"Experiment {name}", content, sheets)


def _names(ask: Ask) -> list[str]:
    defined = [of.name for of in ask.state.experiments]
    return [*defined, *(name for name, view in ask.served.pages.items() if view and name not in defined)]


def _headline(ask: Ask, name: str) -> dict[str, Any]:
    """What the list says of an experiment. kind: of its verdict, for the style sheet. missing: before a readout."""
    defined = next((of for of in ask.state.experiments if of.name == name), None)
    view: Mapping[str, Any] = ask.served.pages.get(name) or {}
    head = view.get("headline") or {"kind": "", "verdict": "", "trust": "", "primary": []}
    return {
        "experiment": name,
        "hypothesis": view.get("hypothesis") or (defined.hypothesis if defined else ""),
        "owner": view.get("owner") or (defined.owner if defined else ""),
        "through": view.get("through", ""),
        "state": view.get("state", "no readout"),
        "is_defined": defined is not None,
        "missing": [] if view or not defined else _missing(defined),
        **head,
    }


def _missing(defined: Defined) -> list[str]:
    """Sentences: since when it runs, and what there is to do before it has a readout."""
    if not defined.has_begun:
        return [f"It begins on {defined.first_day}: there is nothing to read before its first day is over."]
    return [
        f"It was to begin on {defined.first_day}; since when it runs is not known: no readout has been written.",
        f"Missing is a day from {defined.first_day} on that is over and has data. Drop its events into landing/ and "
        "type `umg run`; `umg doctor` says whether a source takes them.",
    ]


def _sheet(name: str, table: Mapping[str, Any]) -> Sheet:
    """A table of the page, cells as shown."""
    columns = tuple(column["name"] for column in table["columns"])
    return Sheet(name, columns, [dict(zip(columns, row, strict=True)) for row in table["rows"]])
