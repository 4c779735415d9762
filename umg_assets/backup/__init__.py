"""Back-ups: a lakehouse copied while it is in use, and restored to another place; the keys are kept apart. Tables moved."""
