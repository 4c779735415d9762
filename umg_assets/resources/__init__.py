"""Everything that touches files, tables or an engine."""
