"""What each figure means, as the set's own settings define it."""

from umg_assets.dashboard.addresses import Ask
from umg_assets.dashboard.page import Page


def about(ask: Ask) -> Page:
    """The definitions behind the figures."""
    return Page("about.html", "What the figures mean", {"defined": ask.served.definitions})
