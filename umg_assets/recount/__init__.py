"""Independent recounts: of records in files, of rows in tables, and of plays against published lists.

Shares no code with the transforms, and imports neither Dagster nor an engine.
"""
