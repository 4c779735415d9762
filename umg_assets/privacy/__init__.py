"""Privacy: the key file, the keys derived from it, what is sealed with them, and who has been forgotten."""
