"""The soak: `umg dev` for minutes or hours, while everything that happens to a lakehouse happens to it by a seed.

`python -m soak` (`make soak`) delivers, changes, shrinks, corrects and withdraws files, reads every chart, starts
backfills and compaction, kills processes, fills the disk, and sets the clock to midnight and to a change of month.
At the end the tables must be those of a fresh build, `umg reconcile` green, and nothing may have grown without bound.
"""
