"""Pure functions from DataFrames to DataFrames: no Dagster, no I/O, no engine's name."""
