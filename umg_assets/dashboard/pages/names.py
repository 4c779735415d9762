"""Words for markets that are none."""

UNKNOWN = "unknown"
"""Stands for the market of plays whose country is not known (NULL)."""
OVERALL = "overall"
"""Stands for all markets together, unknown countries included."""
