"""`python -m umg_assets`: the `umg` command where its script is not on the path."""

from umg_assets.cli.main import main

main()
