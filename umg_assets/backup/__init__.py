"""Back-ups: a lakehouse copied while it is in use, and restored to another place. The keys are kept apart."""
