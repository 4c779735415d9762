"""Figures: the lakehouse against hand-written scripts over the same files, and a new day against its history.

`python -m bench` makes landing files in a temporary folder, runs each side as a process of its own and prints ratios
of one run. No figure counts before its outputs were compared.
"""
