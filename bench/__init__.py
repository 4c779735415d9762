"""Benchmarks: the lakehouse against hand-written scripts, and a new day after a short and a long history.

`python -m bench` generates landing files in a temporary folder, runs each side in a separate process and prints the
ratios of one run. A figure counts only after the outputs have been compared.
"""
