"""What is sent to a cluster's executors needs nothing else than the packages that the docs name."""

import re
from pathlib import Path

import pytest

from umg_assets.resources.executors import CARRIED
from umg_assets_tests.processes import printed_by

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
IMPORTED = """
import importlib, sys
before = set(sys.modules)
importlib.import_module(sys.argv[1])
for name in sorted(set(sys.modules) - before):
    file = getattr(sys.modules[name], "__file__", None) or ""
    if name.startswith("umg_assets."):
        print(name)
    elif "site-packages" in file and "." not in name and not name.startswith("_"):
        print(name)
"""


@pytest.mark.parametrize("work", ["umg_assets.files.tasks", "umg_assets.privacy.user_tasks"])
def test_what_executors_run_imports_what_is_sent_to_them_and_what_operations_names(work: str):
    imported = printed_by(IMPORTED, work).split()
    ours = {name.split(".")[1] for name in imported if name.startswith("umg_assets.")}
    assert ours <= set(CARRIED)
    needed = re.search(r"Its Python has (.*?)\(", OPERATIONS.read_text(), re.DOTALL)
    assert needed
    assert {name for name in imported if "." not in name} <= set(re.findall(r"\w+", needed[1]))
