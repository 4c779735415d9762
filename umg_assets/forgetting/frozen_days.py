"""Takes people out of days that cannot be built again, because raw rows of them have gone by age.

Their rows are taken out of what was built from raw plays and events; what follows from that is built again.
"""

from collections.abc import Collection

from pyspark.sql import functions as F

from umg_assets.calendar import local_today, utc_today
from umg_assets.catalogue import Catalogue
from umg_assets.forgetting.places import rows_of
from umg_assets.planning.entry import DIMENSION_CHANGE, Entry
from umg_assets.planning.required import frozen_keys
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.slices import Slice
from umg_assets.settings.model import Settings

_DAYS_AT_A_TIME = 30


def take_out(settings: Settings, lakehouse: Lakehouse, ledger: Ledger, user_keys: Collection[str]) -> None:
    """Takes people's rows out of frozen days of every table that has such days and a user_key.

    The ledger notes the days before and after, so that what follows is built again; to be repeated after a crash.
    """
    catalogue = Catalogue.of(settings)
    frozen = frozen_keys(ledger.read(), catalogue, local_today(settings.time_zone))
    for name, keys in frozen.items():
        table = catalogue[name].table
        if table is None or "user_key" not in table.names:
            continue
        (column,) = table.partitioned_by
        theirs = {row["day"] for row in rows_of(settings.home, table, f"distinct {column} as day", user_keys)}
        days = sorted(day for day in theirs if day.isoformat() in keys)
        for first in range(0, len(days), _DAYS_AT_A_TIME):
            of_chunk = days[first : first + _DAYS_AT_A_TIME]
            with ledger.change([Entry(DIMENSION_CHANGE, table.name, utc_today(), play_dates=of_chunk)]):
                replaced = Slice.days(column, of_chunk)
                others = lakehouse.read(table, replaced).where(~F.col("user_key").isin(*user_keys))
                lakehouse.write_slice(table, others, replaced)
