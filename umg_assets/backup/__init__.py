"""Back-ups: a lakehouse copied while it is in use, and restored; the keys are kept apart. And tables moved elsewhere."""
