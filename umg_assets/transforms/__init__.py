"""Pure functions from DataFrames to DataFrames: they know no Dagster, do no I/O and name no engine."""
