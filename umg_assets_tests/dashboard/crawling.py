"""Walks a dashboard from its front page over every link of it."""

import re
from collections.abc import Callable
from html import unescape

from umg_assets_tests.dashboard.serving import Answer

_LINK = re.compile(r'(?:href|action|src)="(/[^"#]*)')


def crawled(ask: Callable[[str], Answer], most: int = 2_000, start: str = "/") -> dict[str, Answer]:
    """By address, the answers of every page, file and download that links lead to, at most so many."""
    found: dict[str, Answer] = {}
    waiting = [start]
    while waiting and len(found) < most:
        target = waiting.pop(0)
        if target in found:
            continue
        found[target] = ask(target)
        if found[target].headers.get("content-type", "").startswith("text/html"):
            waiting += dict.fromkeys(unescape(link) for link in _LINK.findall(found[target].text))
    return found


def sections(front: Answer) -> list[str]:
    """The links of a page's header, in order."""
    (nav,) = re.findall(r'<nav aria-label="Sections">(.*?)</nav>', front.text, re.DOTALL)
    return [unescape(link) for link in _LINK.findall(nav)]
