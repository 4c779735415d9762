"""Titles and names as pages show them, in SQL and in words."""

UNKNOWN = "unknown"
"""Stands for the market of plays whose country is not known (NULL)."""
OVERALL = "overall"
"""Stands for all markets together, unknown countries included."""


def named(column: str) -> str:
    """SQL: a text without the spaces around it; NULL where it has no visible letter."""
    return f"case when regexp_matches({column}, '[^\\s\\p{{Z}}\\p{{C}}]') then trim({column}) end"


def titled(of: str) -> str:
    """SQL: the title of a row of `of`, which has title and track_id; its id where it has none to be seen."""
    return f"coalesce({named(f'{of}.title')}, {of}.track_id)"
