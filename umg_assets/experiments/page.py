"""The page of a readout, from its view: one template for its file, `umg experiment analyze` and the dashboard.

Neither pandas, scipy, matplotlib, Dagster nor an engine is imported here: who shows a page need not be able to make
one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from umg_assets.text import visible

PAGE = "readout.html"
"""The name of a readout's page in its experiment's folder."""
VIEW = "page.json"
"""The name of the view that the page shows, beside it."""
_TEMPLATES = Path(__file__).parent / "templates"
STYLE = (_TEMPLATES / "readout.css").read_text(encoding="utf-8")
"""The style sheet of a body: every rule begins at `.readout`, every property is called `--readout-...`."""


class VerdictView(TypedDict):
    """A verdict on a treatment. decision: as in Verdict; kind: the same with hyphens, a class of the style sheet.
    headline: verdict and why, in a sentence each. reasons: all of them, the first is the headline's."""

    treatment: str
    decision: str
    kind: str
    headline: str
    reasons: list[str]


class FindingView(TypedDict):
    """A trust check's outcome, as in Finding; level: fine, warning or hold."""

    check: str
    level: str
    text: str
    causes: list[str]


class TrustView(TypedDict):
    """summary: in a few words. level: the worst of the findings'."""

    summary: str
    level: str
    findings: list[FindingView]


class ColumnView(TypedDict):
    """A column. text: whether its cells are words, which stand left and may break, not figures."""

    name: str
    text: bool


class TableView(TypedDict):
    """A table. note: what to know when reading it, or empty. rows: a cell for each column, as it is shown."""

    title: str
    note: str
    columns: list[ColumnView]
    rows: list[list[str]]


class PlotView(TypedDict):
    """A picture. svg: markup, to be shown as it is."""

    title: str
    svg: str


class HeadlineView(TypedDict):
    """An experiment in a list. kind: of its verdicts, `several` if they differ. verdict: verdict and why, of every
    treatment. trust: in a few words. primary: each success metric of each treatment with its interval; on hold,
    that it is held back."""

    kind: str
    verdict: str
    trust: str
    primary: list[str]


class View(TypedDict):
    """A readout as its page shows it: nothing but texts, truths, lists and dictionaries.

    hypothesis, owner, through, state, definition_hash: empty where a file has none. state: settled, or why not.
    notes: what to know about how the data were read. tables: those there are of primary, guardrails, secondary,
    effects (what the three leave out), parts, looks, ranks, quantiles, segments, literal. plots: those there are of
    effects, looks, sample_ratio. skipped: looks that were not taken. progress: a sentence, or empty. plan, restated,
    decisions: a sentence each.
    """

    name: str
    hypothesis: str
    owner: str
    through: str
    settled: bool
    state: str
    definition_hash: str
    control: str
    held: bool
    headline: HeadlineView
    verdicts: list[VerdictView]
    trust: TrustView
    notes: list[str]
    tables: dict[str, TableView]
    plots: dict[str, PlotView]
    skipped: list[str]
    progress: str
    plan: list[str]
    restated: list[str]
    decisions: list["DecisionView"]


class DecisionView(TypedDict):
    """A decision that people took. on, through: days. said: the readout's verdicts of then."""

    on: str
    verdict: str
    by: str
    why: str
    through: str
    said: str


def render_body(view: View | Mapping[str, Any]) -> str:
    """The `<article class="readout">` of a view: to be put into a page that has STYLE. It holds no style attribute and
    no script, and loads nothing."""
    return _BODY.render(view=view)


def render_page(view: View | Mapping[str, Any]) -> str:
    """A whole page of a view, with its style; it loads nothing else."""
    return _PAGE.render(view=view, body=render_body(view), style=STYLE)


def shown(value: Any) -> Any:
    """What a template shows of a value: of a text, what a browser would obey is an escape. Markup stays as it is."""
    return visible(value, keep="\n\t") if type(value) is str else value


def _breakable(words: str) -> Markup:
    """Words that may go on in the next line after an underscore: a metric's name has no blank."""
    return Markup("_<wbr>").join(visible(words).split("_"))


_environment = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=shown,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["breakable"] = _breakable
# read once, as this module is: a server that runs on while its package is replaced mixes no new template with old code
_BODY, _PAGE = (_environment.get_template(name) for name in ("readout.html", "page.html"))
