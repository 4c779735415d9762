"""The lakehouse of a music-streaming company: Dagster assets over Delta tables, on Sail or Apache Spark."""
