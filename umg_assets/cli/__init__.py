"""The command line `umg`: one module a command or group of commands. Nothing but umg_assets/__main__.py imports it.

main: the commands. console, options: how rows are printed and options read. reports: what the reading commands show.
"""
