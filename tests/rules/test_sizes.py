"""No file and no function grows beyond what a reader holds in mind. Migrations and vendored files are exempt."""

from __future__ import annotations

import ast
from pathlib import Path

from . import tree

MODULE, FUNCTION, SCRIPT, TEMPLATE = 400, 60, 250, 150


def too_long(paths: list[Path], most: int) -> list[str]:
    found = [(len(tree.lines(path)), path) for path in paths]
    return [f"{tree.name(path)} has {count} lines; {most} is the most" for count, path in found if count > most]


def python_files() -> list[Path]:
    return [path for path in tree.files(".py") if "migrations" not in path.parts]


def test_python_files_stay_below_400_lines():
    assert too_long(python_files(), MODULE) == []


def test_functions_stay_below_60_lines():
    long = []
    for path in python_files():
        for node in ast.walk(tree.parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count = (node.end_lineno or node.lineno) - node.lineno + 1
                if count > FUNCTION:
                    long.append(f"{tree.name(path, node.lineno)} {node.name} has {count} lines; {FUNCTION} is the most")
    assert long == []


def test_scripts_stay_below_250_lines():
    assert too_long(list(tree.files(".js")), SCRIPT) == []


def test_templates_stay_below_150_lines():
    assert too_long(list(tree.files(".html")), TEMPLATE) == []


def test_the_rules_see_the_project():
    seen = {tree.name(path) for path in python_files()}
    assert {"manage.py", "collectors/protocol.py", "dashboard/settings.py", "tests/rules/test_sizes.py"} <= seen
