"""An asset of one's own over the lakehouse's tables: the streams of each market by day, as a Parquet file.

It takes `plays` as a DataFrame, as umg_assets' own assets do. What it returns goes through an IO manager of its own:
that of umg_assets writes the tables of its catalogue and no others.
"""

from pathlib import Path

import dagster as dg
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from umg_assets import definitions  # the module: Dagster takes one Definitions in a module, and `defs` below is it
from umg_assets.settings.home import home_of


class ParquetFiles(dg.ConfigurableIOManager):
    """A Parquet file an asset, `FOLDER/NAME.parquet`."""

    folder: str

    def handle_output(self, context: dg.OutputContext, obj: pd.DataFrame) -> None:
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        obj.to_parquet(self._file(context.asset_key))

    def load_input(self, context: dg.InputContext) -> pd.DataFrame:
        return pd.read_parquet(self._file(context.asset_key))

    def _file(self, key: dg.AssetKey) -> Path:
        return Path(self.folder) / f"{key.path[-1]}.parquet"


@dg.asset(group_name="own", io_manager_key="own_files")
def streams_by_market(plays: DataFrame) -> pd.DataFrame:
    """Plays of the stream threshold or longer: by local day and market, how many."""
    by_day = plays.where("is_stream").groupBy("play_date", "country").agg(F.count(F.lit(1)).alias("streams"))
    return by_day.orderBy("play_date", "country").toPandas()


defs = dg.Definitions.merge(
    definitions.defs,
    dg.Definitions(assets=[streams_by_market], resources={"own_files": ParquetFiles(folder=str(home_of() / "own"))}),
)
