"""Templates to HTML."""

import functools
import re
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from umg_assets.calendar import countries
from umg_assets.dashboard.addresses import Links, ServerLinks, address
from umg_assets.dashboard.figures import Few, Writer, month_text
from umg_assets.dashboard.page import FORMATS, Page
from umg_assets.dashboard.served import Served
from umg_assets.dashboard.state import State
from umg_assets.experiments.page import shown
from umg_assets.settings.groups import Dashboard
from umg_assets.text import visible

USER_PLACE = b"<!--user-->"
"""Where a page says who is signed in: the server puts the name there as it answers."""
SECTIONS = (
    ("Overview", ()),
    ("Charts", ("charts",)),
    ("Artists", ("artists",)),
    ("Favourites", ("favourites",)),
    ("Plays", ("plays",)),
    ("Experiments", ("experiments",)),
    ("Health", ("health",)),
    ("About", ("about",)),
)
"""The header's links: words, and the parts of the path."""


class Renderer:
    """Renders pages as the settings say."""

    def __init__(self, settings: Dashboard) -> None:
        self._environment = _environment(settings.numbers)
        self._minimum = settings.minimum_listeners

    def page(self, served: Served, page: Page, here: str | None, links: Links, state: State) -> bytes:
        """The page as HTML. here: its address; None for a page that has none (not there). state: of the data."""

        def link(*parts: Any, **query: Any) -> str | None:
            return links.to(address(*parts, **query))

        def download(form: str, table: str | None = None) -> str | None:
            more = "&" if "?" in (here or "") else "?"
            of = f"&table={table}" if table else ""
            target = links.to(f"{here}{more}format={form}{of}") if here else None
            # a server may show another set by the time somebody takes the file
            return f"{target}&set={served.id}" if target and isinstance(links, ServerLinks) else target

        content: Mapping[str, Any] = {
            **page.content,
            "served": served,
            "state": state,
            "page": page,
            "sections": [(words, link(*parts), _is_in(here, parts)) for words, parts in SECTIONS],
            "link": link,
            "link_to": links.to,
            "download": download,
            "static": links.static,
            "minimum_listeners": self._minimum,
            "user_place": Markup(USER_PLACE.decode()),
        }
        return self._environment.get_template(page.template).render(content).encode()

    def alone(self, heading: str, text: str, links: Links, *choices: tuple[str, str]) -> bytes:
        """A page without a set. choices: words and address of where to go on."""
        template = self._environment.get_template("alone.html")
        targets = [(words, links.to(target)) for words, target in choices]
        return template.render(heading=heading, text=text, static=links.static, choices=targets).encode()


@functools.cache
def _environment(numbers: str) -> Environment:
    """The templates, compiled once a process. numbers: how figures are written."""
    environment = Environment(
        loader=PackageLoader("umg_assets.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    write = Writer(numbers)
    names = countries()
    environment.filters.update(
        number=write.number,
        hours=write.hours,
        month=month_text,
        words=_words,
        said=_said,
        name_of=lambda code: names.get(code, code),
    )
    environment.globals.update(
        change=write.change, address=address, is_few=lambda value: isinstance(value, Few), formats=tuple(FORMATS)
    )
    return environment


def _is_in(here: str | None, parts: tuple[str, ...]) -> bool:
    path = (here or "").split("?")[0]
    return path == "/" if not parts else path == f"/{parts[0]}" or path.startswith(f"/{parts[0]}/")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _said(sentence: str) -> Markup:
    """A sentence of ours: what stands in backticks is typed, and dates and percentages stay on one line."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(visible(sentence))))
    marked = re.sub(r"\b\d{4}-\d{2}-\d{2}( \d{2}:\d{2} UTC)?|\d %", r'<span class="whole">\g<0></span>', marked)
    return Markup(marked)
