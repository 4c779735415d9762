"""The pages of the dashboard: a module each, a function an address."""
