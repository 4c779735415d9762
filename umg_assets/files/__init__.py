"""Reads any landing file once, into staged Parquet and rejects. Imports no lake, no engine and no settings."""
