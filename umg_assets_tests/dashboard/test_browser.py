"""The dashboard in a real Chromium: every section, at a desktop's and a phone's width, light and dark."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from umg_assets_tests.dashboard.crawling import sections
from umg_assets_tests.dashboard.serving import Server
from umg_assets_tests.dashboard.test_titles import hostile  # noqa: F401
from umg_assets_tests.dashboard.test_titles import server as hostile_server  # noqa: F401

pytestmark = pytest.mark.sail_enough

CHART = "/charts/AT/2026-10"
DEEPER = (
    CHART,
    f"{CHART}?by=listeners",
    f"{CHART}?with=SK",
    "/charts/LI/2026-10",
    "/search?q=song",
    "/charts/XX/2026-10",
)
"""Pages to which the header does not lead; each section's own is taken from the header."""
DESKTOP, PHONE = (1280, 900), (390, 844)
Scheme = Literal["light", "dark"]
VIEWS: list[tuple[tuple[int, int], Scheme]] = [(DESKTOP, "light"), (PHONE, "light"), (DESKTOP, "dark"), (PHONE, "dark")]


class Opened:
    """A page in a browser, and what it complained of and asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def evaluate(self, script: str) -> Any:
        """The value of a script in the page."""
        return self.page.evaluate(script)


@contextmanager
def opened(
    browser: Browser,
    server: Server,
    path: str,
    size: tuple[int, int] = DESKTOP,
    scheme: Scheme = "light",
    **options: Any,
) -> Iterator[Opened]:
    """A page of the dashboard, loaded, in a browser of its own."""
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
    found = Opened(context.new_page())
    found.page.goto(f"{server.address}{path}")
    yield found
    context.close()


def pages_of(server: Server) -> list[str]:
    """Each section that is built, and DEEPER pages."""
    built = [path for path in sections(server.ask("/")) if server.ask(path).status == 200]
    assert {"/", "/charts", "/about"} <= set(built)
    return list(dict.fromkeys((*built, *DEEPER)))


def violations(page: Page) -> list[str]:
    """What axe finds: the rule, and the element."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]} ({node['failureSummary'][:200]})" for one in found for node in one["nodes"]
    ]


def check(opened: Opened, server: Server, path: str) -> None:
    """Fails unless a page is accessible, no wider than its window, quiet, and asks only this server."""
    page = opened.page
    for point in page.locator("svg .pointer:visible, .picture:visible").all()[:4]:
        point.hover(force=True)
    wide, window = opened.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= window, f"{path} is {wide} px wide in {window} px"
    # what a page that is not there says of itself is no fault of a page
    complaints = [text for text in opened.complaints if "404 (Not Found)" not in text or "XX" not in path]
    assert not complaints, path
    assert not [url for url in opened.asked if not url.startswith((server.address, "data:"))], path
    assert not (found := violations(page)), f"{path}: {found}"


@pytest.mark.parametrize(("size", "scheme"), VIEWS[:2])
def test_the_front_page_and_a_chart_are_accessible_quiet_and_no_wider_than_the_window(
    browser: Browser, server: Server, size: tuple[int, int], scheme: Scheme
):
    for path in ("/", CHART):
        with opened(browser, server, path, size, scheme) as page:
            check(page, server, path)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("size", "scheme"), VIEWS)
def test_every_page_is_accessible_quiet_and_no_wider_than_the_window(
    browser: Browser, server: Server, size: tuple[int, int], scheme: Scheme
):
    for path in pages_of(server):
        with opened(browser, server, path, size, scheme) as page:
            check(page, server, path)


def test_a_planted_defect_is_found(browser: Browser, server: Server):
    """The control: without it, a check that finds nothing might look at nothing."""
    with opened(browser, server, "/about") as page:
        page.evaluate("document.querySelector('main').append(document.createElement('img'))")
        assert [one for one in violations(page.page) if one.startswith("image-alt")]
        page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<p id=wide>x</p>')")
        page.evaluate("document.getElementById('wide').style.width = '3000px'")
        page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<b style=\"color:red\">x</b>')")
        page.evaluate("fetch('http://evil.example/').catch(() => 0)")
        with pytest.raises(AssertionError, match="px wide"):
            check(page, server, "/about")
        page.evaluate("document.getElementById('wide').remove()")
        page.page.wait_for_timeout(100)
        assert len([text for text in page.complaints if "Content Security Policy" in text]) >= 2


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_hostile_titles_stay_in_their_places(browser: Browser, hostile_server: Server, size: tuple[int, int]):  # noqa: F811
    for path in (CHART, "/", "/search?q=long"):
        with opened(browser, hostile_server, path, size) as page:
            check(page, hostile_server, path)
            tallest = max(
                [0, *page.evaluate("[...document.querySelectorAll('tbody tr')].map(row => row.offsetHeight)")]
            )
            assert tallest < size[1] / 2, path


@pytest.mark.parametrize(("size", "least"), [(DESKTOP, 8), (PHONE, 5)])
def test_the_first_screen_of_a_chart_holds_its_top(browser: Browser, server: Server, size: tuple[int, int], least: int):
    with opened(browser, server, CHART, size) as page:
        ends = page.evaluate(
            "[...document.querySelectorAll('tbody tr')].map(row => row.getBoundingClientRect().bottom)"
        )
        assert sum(end <= size[1] for end in ends) >= least


def test_pages_say_the_same_without_javascript(browser: Browser, server: Server):
    with opened(browser, server, CHART, java_script_enabled=False) as off, opened(browser, server, CHART) as on:
        assert off.page.inner_text("main") == on.page.inner_text("main")
        off.page.click("text=listeners >> nth=0")
        assert off.page.url.endswith("by=listeners")
        off.page.fill("#q", "song 7")
        off.page.click("text=Search >> nth=0")
        assert "Song 7" in off.page.inner_text("main")


def test_the_keyboard_leads_from_the_front_page_to_a_chart_and_on_to_a_track(browser: Browser, server: Server):
    with opened(browser, server, "/") as page:
        keys = page.page.keyboard

        def walk_to(pattern: str) -> None:
            for _ in range(200):
                keys.press("Tab")
                here = page.evaluate("document.activeElement.getAttribute('href') || ''")
                outline = page.evaluate(
                    "(e => [getComputedStyle(e).outlineStyle, parseFloat(getComputedStyle(e).outlineWidth)])"
                    "(document.activeElement)"
                )
                assert outline[0] != "none", here
                assert outline[1] >= 2, here
                if re.fullmatch(pattern, here):
                    with page.page.expect_navigation():
                        keys.press("Enter")
                    return
            pytest.fail(f"no Tab leads to {pattern}")

        walk_to("#content")
        walk_to(CHART)
        assert page.page.url == f"{server.address}{CHART}"
        walk_to(r"/tracks/t\d+")
        assert re.search(r"/tracks/t\d+$", page.page.url)


@pytest.mark.parametrize("path", ["/", CHART])
def test_a_printed_page_is_black_on_white_and_without_what_cannot_be_clicked(
    browser: Browser, server: Server, path: str
):
    with opened(browser, server, path, scheme="dark") as page:
        page.page.emulate_media(media="print")
        shown = "s => [...document.querySelectorAll(s)].filter(e => e.offsetParent !== null).length"
        for gone in (".top nav", ".top form", ".take", ".pickers", ".skip"):
            assert page.page.evaluate(shown, gone) == 0, gone
        assert page.page.evaluate(shown, "h1") == 1
        colours = page.evaluate("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
        assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
        pale = "c => { const [r, g, b] = c.match(/\\d+/g).map(Number); return r + g + b > 480 }"
        cells = "[...document.querySelectorAll('main *')].map(e => getComputedStyle(e).color)"
        assert not page.evaluate(f"[...new Set({cells})].filter({pale})")
