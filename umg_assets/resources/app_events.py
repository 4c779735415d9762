"""The events of some days, each once, whichever deliveries brought them."""

from collections.abc import Iterable
from datetime import date

from pyspark.sql import DataFrame

from umg_assets import tables
from umg_assets.planning.history import History, delivery_days_of, with_repeats
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.slices import Slice
from umg_assets.transforms.plays import latest_copies
from umg_assets.transforms.pseudonyms import pseudonymous


def events_of(days: Iterable[date], history: History, lakehouse: Lakehouse, correction_days: int) -> DataFrame:
    """The events of some local days, of each its latest copy (columns of tables.RAW_APP_EVENTS), with pseudonyms.

    Reads only deliveries that can hold one, or a copy of one on another day.
    """
    event_days = sorted(set(days))
    days_of_copies = with_repeats(history, event_days, "events")
    delivered = delivery_days_of(history, days_of_copies, "events")
    copies = lakehouse.read_now(tables.RAW_APP_EVENTS, Slice.days("delivery_date", delivered or event_days))
    copies = copies.where(Slice.days("event_date", days_of_copies).predicate)
    if not delivered:
        return copies.limit(0)
    latest = latest_copies(copies, correction_days, "events").where(Slice.days("event_date", event_days).predicate)
    return pseudonymous(latest, "events")
