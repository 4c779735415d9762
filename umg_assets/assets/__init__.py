"""Assets, one file a family; each body is a call of a pure transform."""
