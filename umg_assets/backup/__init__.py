"""Back-ups: a lakehouse copied while it is in use, and restored; keys are kept apart. And tables moved elsewhere."""
