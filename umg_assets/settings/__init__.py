"""Settings: umg.toml and the environment, parsed and checked.

model: the Settings object. sources, expressions: [[sources...]] and their SQL. experiment: [experiments.NAME].
errors: messages for mistakes, with file and line. home: UMG_HOME. template: the umg.toml that `umg init` writes.
"""
