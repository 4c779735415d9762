"""The dashboard: charts, plays, experiments and the state of the data as pages, from one published set of tables.

No engine, no Dagster, no pandas: the files that the set's table versions name are read by DuckDB.
"""
