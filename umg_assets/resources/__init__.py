"""What Dagster hands to assets: the engine, the lakehouse, the ledger, the IO manager, and what reads their tables."""
