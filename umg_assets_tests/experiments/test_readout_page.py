"""The page of a readout: what it shows, in which order, and that it can be read on a desk and on a phone.

Tests of the second half open pages in Chromium.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from umg_assets.experiments.page import STYLE, View, render_body, render_page
from umg_assets.text import visible
from umg_assets_tests.experiments.readouts import HOSTILE, LONG, hostile_view, views

pytestmark = pytest.mark.sail_enough
VIEWS = views() | {"hostile": hostile_view()}
KINDS = sorted(VIEWS)


def texts(value: Any) -> Iterator[str]:
    """Every text in a view, without those that name a class or repeat another for a list."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in ("kind", "headline", "svg", "control"):
                yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def fold(page: str, start: str) -> str:
    """A fold of a page by its first tag, whole, with the folds inside it."""
    begin, depth = page.index(start), 0
    for tag in re.finditer(r"<(/?)details", page[begin:]):
        depth += -1 if tag[1] else 1
        if not depth:
            return page[begin : begin + tag.end()]
    raise AssertionError("a fold without an end")


def shown(markup: str) -> str:
    """The words of some HTML."""
    return unescape(re.sub(r"<[^>]+>", "", re.sub(r"<svg.*?</svg>", "", markup, flags=re.DOTALL)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_shows_every_text_of_its_view(kind: str):
    page, view = shown(render_body(VIEWS[kind])), VIEWS[kind]
    assert [text for text in texts({**view, "plan": ["; ".join(view["plan"])]}) if visible(text) not in page] == []


def test_the_page_is_read_from_the_verdict_to_the_literal_test():
    page = render_body(VIEWS["ship"])
    order = ["<h1>", 'class="verdict', ">Trust<", ">Primary metric<", ">Guardrails<", ">Secondary metrics<",
             ">Effects and their intervals<", ">The primary metric by day", ">Progress and plan<", ">Decisions<",
             ">The brief&#39;s literal test<"]  # fmt: skip
    places = [page.index(part) for part in order]
    assert places == sorted(places)


def test_a_headline_says_verdict_and_why_trust_and_the_primary_metric_with_its_interval():
    view = VIEWS["ship"]
    headline, row = view["headline"], view["tables"]["primary"]["rows"][0]
    assert headline["kind"] == "ship"
    assert headline["verdict"] == f"b against control: ship. {view['verdicts'][0]['reasons'][0]}"
    assert headline["trust"] == "10 checks, all fine"
    assert headline["primary"] == [f"session_duration, b: {row[3]}, {row[4]}"]
    assert VIEWS["three variants"]["headline"]["kind"] == "several"
    held = VIEWS["on hold"]["headline"]
    assert (held["kind"], held["trust"]) == ("on-hold", "1 of 10 checks hold it (sample ratio)")
    assert not re.search(r"[+-]\d", " ".join(held["primary"])), "no effect is read"


def test_a_readout_on_hold_folds_its_numbers_away_and_nothing_else():
    view, page = VIEWS["on hold"], render_body(VIEWS["on hold"])
    folded = fold(page, '<details class="held">')
    for table in view["tables"].values():
        for row in table["rows"]:
            assert all(cell in shown(folded) for cell in row)
    assert page.count("<table") == folded.count("<table")
    assert page.count("<figure") == folded.count("<figure") == 2, "a held readout takes no look, so no days are drawn"
    outside = page.replace(folded, "")
    assert view["verdicts"][0]["reasons"][0] in shown(outside)
    assert view["decisions"][0]["why"] in shown(outside)
    assert '<details class="held">' not in render_body(VIEWS["ship"])


def test_without_exposure_the_page_says_who_was_analysed():
    assert "analysed as they were assigned" in shown(render_body(VIEWS["no exposure"]))
    assert set(VIEWS["no exposure"]["plots"]) == {"effects"}, "one look and no exposed user draw nothing"


def test_a_view_survives_json():
    for view in VIEWS.values():
        assert render_page(json.loads(json.dumps(view))) == render_page(view)


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_holds_no_style_no_script_and_no_address(kind: str):
    tags = re.findall(r"<[a-z][^>]*>", render_body(VIEWS[kind]))
    for tag in tags:
        assert not re.match(r"<(script|style|link|img|iframe|object|base|form|meta)\b", tag)
        assert not re.search(r"""\s(style|on\w+|src|href)=""", re.sub(r'"[^"]*"', '""', tag))


def test_every_rule_begins_at_the_readout_and_every_property_is_one_of_its_own():
    plain = re.sub(r"/\*.*?\*/|@media[^{]+\{", "", STYLE, flags=re.DOTALL)
    selectors = [part.strip() for rule in re.findall(r"([^{}]+)\{", plain) for part in rule.split(",")]
    assert len(selectors) > 40
    assert [selector for selector in selectors if not re.match(r"(\.readout\b|:root$)", selector)] == []
    given, used = set(re.findall(r"(--[\w-]+):", STYLE)), set(re.findall(r"var\((--[\w-]+)\)", STYLE))
    assert used <= given
    assert {name for name in given if not name.startswith("--readout-")} == set()


def test_whoever_shows_a_page_loads_nothing_that_makes_one():
    heavy = "{'pandas', 'numpy', 'scipy', 'matplotlib', 'dagster', 'pyspark', 'pyarrow', 'tea_tasting'}"
    script = (
        "import sys, umg_assets.experiments.page; "
        f"print({heavy} & {{name.split('.')[0] for name in sys.modules}}, 'jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set() True"


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_stands_alone_with_colours_of_its_own(kind: str):
    for plot in VIEWS[kind]["plots"].values():
        picture = ElementTree.fromstring(plot["svg"])
        words = [mark for mark in picture.iter() if mark.tag.endswith("}text")]
        assert words
        assert all(mark.get("fill") and not mark.get("style") for mark in words)
        assert [mark for mark in picture.iter() if mark.tag.endswith("}script")] == []


def test_a_picture_says_every_effect_and_draws_the_verdicts_interval_thick():
    view = VIEWS["ship"]
    words = " ".join(
        "".join(mark.itertext()) for mark in ElementTree.fromstring(view["plots"]["effects"]["svg"]).iter()
    )
    for table in ("primary", "guardrails", "secondary"):
        for row in view["tables"][table]["rows"]:
            assert f"{row[3]} ({row[4]})" in words
    drawn = re.findall(r'<path [^>]*stroke-width="([\d.]+)"', view["plots"]["effects"]["svg"])
    assert [float(width) > 2 for width in drawn] == [True, False, False, False], "of success, secondary, guardrail"


SCREENS = [
    (390, "light"),
    (1280, "dark"),
    *(
        pytest.param(screen, marks=pytest.mark.exhaustive)
        for screen in ((390, "dark"), (960, "light"), (1280, "light"))
    ),
]


@pytest.fixture(params=SCREENS, ids=lambda given: f"{given}")
def screen(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    """A page in a window of some width, light or dark. `seen` of it: its requests and messages of the console."""
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page.seen = []
    page.on("console", lambda message: page.seen.append(message.text))
    page.on("pageerror", lambda error: page.seen.append(str(error)))
    page.on("request", lambda request: page.seen.append(request.url))
    yield page
    page.close()


def opened(screen: Any, folder: Path, view: View) -> Any:
    """The page of a view, opened from a file, with everything unfolded."""
    file = folder / "readout.html"
    file.write_text(render_page(view), encoding="utf-8")
    screen.goto(file.as_uri())
    assert screen.seen == [file.as_uri()], "it loads nothing else and has nothing to complain of"
    return unfolded(screen)


def unfolded(screen: Any) -> Any:
    """The same page, without a fold."""
    screen.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    return screen


OVERFLOW = "document.documentElement.scrollWidth - innerWidth"
CUT = """() => [...document.querySelectorAll('.readout figure > svg')].flatMap(svg => {
    const {width, height} = svg.viewBox.baseVal
    return [...svg.querySelectorAll('text')].filter(words => {
        const box = words.getBBox()
        return box.x < 0 || box.y < 0 || box.x + box.width > width || box.y + box.height > height
    }).map(words => words.textContent)
})"""
OUTSIDE = """() => [...document.querySelectorAll('.readout :is(td, tbody th, h1, li)')].filter(cell => {
    const box = cell.getBoundingClientRect()
    return box.width === 0 || box.left < 0 || box.right > innerWidth || cell.scrollWidth > cell.clientWidth + 1
}).map(cell => cell.textContent)"""


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_cut_off_and_nothing_scrolls_sideways(screen: Any, tmp_path: Path, kind: str):
    page = opened(screen, tmp_path, VIEWS[kind])
    assert page.evaluate(OVERFLOW) <= 0
    assert page.evaluate(CUT) == []
    assert page.evaluate(OUTSIDE) == []


def test_these_checks_see_what_is_cut_off(screen: Any, tmp_path: Path):
    page = opened(screen, tmp_path, VIEWS["ship"])
    page.evaluate("document.querySelector('.readout figure text').setAttribute('x', '400')")
    page.evaluate("document.querySelector('.readout td').style.minWidth = '1400px'")
    assert page.evaluate(CUT) != []
    assert page.evaluate(OUTSIDE) != []
    assert page.evaluate(OVERFLOW) > 0


def test_letters_of_a_picture_are_large_enough_to_read(screen: Any, tmp_path: Path):
    page = opened(screen, tmp_path, VIEWS["ship"])
    sizes = page.evaluate("""[...document.querySelectorAll('.readout figure > svg')].map(svg =>
        13 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)""")
    assert len(sizes) == 3
    assert all(10 <= size <= 17 for size in sizes)


def test_the_colours_are_those_of_the_screen(screen: Any, tmp_path: Path):
    page = opened(screen, tmp_path, VIEWS["ship"])
    colours = page.evaluate("""['body', '.readout', '.readout .ground', '.readout .words', '.readout td'].map(name => {
        const style = getComputedStyle(document.querySelector(name))
        const colour = ['.readout .ground', '.readout .words'].includes(name) ? style.fill
            : name === '.readout td' ? style.color : style.backgroundColor
        return colour.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0)
    })""")
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    body, readout, ground, words, cell = colours
    assert body == readout == ground, "one paper"
    assert words == cell, "one ink"
    assert (body < 150 < 600 < words) if dark else (words < 150 < 600 < body)


def test_hostile_texts_are_shown_as_texts(screen: Any, tmp_path: Path):
    page = opened(screen, tmp_path, VIEWS["hostile"])
    assert page.title() == "picks"
    assert page.evaluate("document.querySelectorAll('.readout script, .readout img').length") == 0
    words = page.evaluate("document.querySelector('.readout').textContent")
    assert [text for text in HOSTILE if visible(text) not in words] == []
    verdict = page.evaluate("getComputedStyle(document.querySelector('.readout .verdict b')).direction")
    assert verdict == "ltr"


def test_a_page_around_the_body_may_forbid_styles_and_scripts_of_others(screen: Any):
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'self'"}
    link = '<!doctype html><html lang="en"><link rel="stylesheet" href="/readout.css"><title>x</title>'
    screen.route(
        "http://dashboard.test/**",
        lambda route: (
            route.fulfill(body=STYLE, content_type="text/css")
            if route.request.url.endswith(".css")
            else route.fulfill(
                body=f"{link}{render_body(VIEWS['hostile'])}", content_type="text/html; charset=utf-8", headers=policy
            )
        ),
    )
    screen.goto("http://dashboard.test/experiments/picks")
    assert screen.seen == ["http://dashboard.test/experiments/picks", "http://dashboard.test/readout.css"]
    unfolded(screen)
    assert screen.evaluate("getComputedStyle(document.querySelector('.readout')).maxWidth") == "1152px"
    assert screen.evaluate(CUT) == []


def test_the_first_look_at_a_page_reaches_from_the_verdict_to_trust(screen: Any, tmp_path: Path):
    page = opened(screen, tmp_path, VIEWS["ship"])
    tops = page.evaluate("""['.verdict', '.summary'].map(name =>
        document.querySelector(`.readout ${name}`).getBoundingClientRect().bottom)""")
    assert tops == sorted(tops)
    assert tops[-1] <= 844
    assert LONG in page.evaluate("document.body.textContent")
