"""Assets of one's own in a code location of their own, over the tables of the lakehouse: each writes a Parquet file.

A code location knows the assets of others by their keys alone. Rows come from `open_lake`, which needs no engine; or
through the IO manager of umg_assets, as a PySpark DataFrame.
"""

from pathlib import Path

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets import definitions, open_lake
from umg_assets.settings.home import home_of

STREAMS = """
    select play_date, country, sum(streams)::bigint as streams
    from daily_track_plays group by all order by all
"""


def own_file(name: str) -> Path:
    """A file of ours, beside the lakehouse's own folders."""
    (home_of() / "own").mkdir(exist_ok=True)
    return home_of() / "own" / f"{name}.parquet"


@dg.asset(deps=[dg.AssetKey("daily_track_plays")], group_name="own")
def streams_by_market() -> dg.MaterializeResult:
    """Plays of the stream threshold or longer: by local day and market, how many."""
    file = own_file("streams_by_market")
    with open_lake() as lake:
        lake.sql(STREAMS).write_parquet(str(file))
    return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(file)})


@dg.asset(group_name="own")
def plays_by_section(plays: DataFrame) -> dg.MaterializeResult:
    """Plays by the section of the app that started them."""
    file = own_file("plays_by_section")
    plays.groupBy("section").count().orderBy("section").toPandas().to_parquet(file)
    return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(file)})


defs = dg.Definitions(
    assets=[streams_by_market, plays_by_section, dg.AssetSpec("plays")],  # plays: only named here, built elsewhere
    resources=definitions.defs.resources,  # the IO manager, and what it reads with
)
