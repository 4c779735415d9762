"""Forgetting: a person's records taken out of files and tables, everything rebuilt, and the proof on the bytes."""
