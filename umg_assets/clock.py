"""The clock: the one place that asks what time it is. A test that needs another day replaces `now`."""

from datetime import UTC, datetime


def now() -> datetime:
    """The instant, UTC."""
    return datetime.now(UTC)
