"""What is stale, and in which runs it is made. Pure: no engine, no Dagster, no I/O."""
