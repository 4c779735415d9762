"""Events of some days, each once, wherever they were delivered."""

from collections.abc import Iterable
from datetime import date

from pyspark.sql import DataFrame

from umg_assets import planning, tables
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import History
from umg_assets.resources.slices import Slice
from umg_assets.transforms.plays import latest_copies


def events_of(days: Iterable[date], history: History, lakehouse: Lakehouse, correction_days: int) -> DataFrame:
    """Columns of tables.RAW_APP_EVENTS: the events of the days; only deliveries that can hold some are read."""
    wanted = sorted(set(days))
    read_days = planning.with_repeats(history, wanted, "events")
    delivered = planning.delivery_days_of(history, read_days, "events")
    copies = lakehouse.read(tables.RAW_APP_EVENTS, Slice.days("delivery_date", delivered or wanted))
    copies = copies.where(Slice.days("event_date", read_days).predicate)
    if not delivered:
        return copies.limit(0)
    return latest_copies(copies, correction_days, "events").where(Slice.days("event_date", wanted).predicate)
