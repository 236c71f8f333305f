"""What stands nowhere in the tree: one machine's paths, a registry's host, work left open, errors swallowed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from . import tree

TEXT = (".py", ".js", ".css", ".html", ".md", ".toml", ".sh", ".json", ".txt", ".conf", "")

# Written in parts: this file keeps its own rules.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.])/(?:" + "|".join(("wo" + "rk", "ro" + "ot", "home/[a-z]+")) + r")/",
    "a package registry": r"(?:"
    + "|".join(("py" + r"pi\.org", r"pythonhos" + r"ted\.org", "registry" + r"\.npm"))
    + ")",
    "work left open": r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nowhere_in_the_tree_is(what):
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{tree.name(path, number)} {line.strip()[:80]}"
        for path in tree.files(*TEXT)
        for number, line in enumerate(tree.lines(path), 1)
        if pattern.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("a path of one machine", "open('/ro" + "ot/x')"),
        ("a package registry", "https://py" + "pi.org/simple"),
        ("work left open", "# TO" + "DO: later"),
    ],
)
def test_a_rule_finds_what_it_is_for(what, line):
    assert re.search(FORBIDDEN[what], line)


def swallows(handler: ast.ExceptHandler) -> bool:
    """`except Exception: pass`, and what amounts to it."""
    broad = handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException")
    return broad and all(isinstance(node, ast.Pass | ast.Continue) for node in handler.body)


def test_no_error_is_swallowed():
    found = [
        tree.name(path, node.lineno)
        for path in tree.files(".py")
        for node in ast.walk(tree.parsed(path))
        if isinstance(node, ast.ExceptHandler) and swallows(node)
    ]
    assert found == []


Function = ast.FunctionDef | ast.AsyncFunctionDef


def asserts(function: Function, helpers: frozenset[str] = frozenset()) -> bool:
    """Whether it can fail by itself: an assertion, an expected error, a helper that asserts or is named after it."""
    words = ("assert", "raises", "expect", "check", "must", "verify")
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.rpartition(".")[2] in helpers or any(word in called for word in words):
                return True
    return False


def asserting(functions: list[Function]) -> frozenset[str]:
    """The names of helpers that assert, themselves or through another one."""
    names: frozenset[str] = frozenset()
    while True:
        found = frozenset(one.name for one in functions if asserts(one, names))
        if found == names:
            return names
        names = found


def test_every_test_can_fail():
    """One that is named `..._is_harmless` says that nothing is raised: it fails by an error."""
    functions = {
        f"{tree.name(path, node.lineno)} {node.name}": node
        for path in tree.files(".py")
        if "tests" in path.parts
        for node in ast.walk(tree.parsed(path))
        if isinstance(node, Function)
    }
    helpers = asserting([one for one in functions.values() if not one.name.startswith("test_")])
    found = [
        where
        for where, one in functions.items()
        if one.name.startswith("test_") and not (asserts(one, helpers) or one.name.endswith("_is_harmless"))
    ]
    assert found == []


def test_the_top_level_is_three_files_and_five_folders():
    ignored = {line.strip("/") for line in tree.lines(tree.ROOT / ".gitignore")}
    found = {p.name for p in tree.ROOT.iterdir() if not p.name.startswith(".") and p.name not in ignored}
    found = {one for one in found if not Path(one).match("*.egg-info")}
    assert found == {*tree.FILES, *tree.FOLDERS}


def test_every_colour_that_charts_and_styles_name_is_a_token():
    """Charts ask for tokens by names that stand in no style, such as those of their lines."""
    (tokens,) = (path.read_text() for path in tree.files(".css") if path.name == "tokens.css")
    (chart,) = (path.read_text() for path in tree.files(".js") if path.name == "chart.js")
    listed = re.search(r"COLOURS = \[(.*?)\]", chart)
    assert listed is not None
    named = set(re.findall(r'"([a-z-]+)"', listed[1]))
    for path in tree.files(".css"):
        text = path.read_text()
        named |= set(re.findall(r"var\(--([a-z-]+)\)", text)) - set(re.findall(r"--([a-z-]+):", text))
    known = set(re.findall(r"--([a-z-]+):", tokens))
    assert len(named) > 10 and named <= known
