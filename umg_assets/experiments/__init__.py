"""Experiments, from the definition to the verdict: pure statistics over aggregates, no engine, no Dagster, no files."""
