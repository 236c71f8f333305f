"""What the README owes its readers: every command, every setting, and links that lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from django.core.management import get_commands, load_command_class

from collectors.brokers.redis.powers import RECIPE

from . import tree

README = (tree.ROOT / "README.md").read_text()
COMMANDS = sorted(name for name, app in get_commands().items() if app == "dashboard")


def settings_read() -> set[str]:
    """Every variable that settings.py reads from the environment."""
    source = (tree.ROOT / "dashboard" / "settings.py").read_text()
    return set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_explains_itself_and_is_in_the_readme(command):
    instance = load_command_class("dashboard", command)
    assert len(instance.help) > 20, f"manage.py {command} has no help"
    assert re.search(rf"\b{command}\b", README), f"manage.py {command} is not in the README"


def test_every_setting_is_in_the_readme():
    names = settings_read()
    assert {"WEIR_DATA", "REDIS_URL", "DATABASE_URL"} <= names
    assert sorted(name for name in names if f"`{name}`" not in README) == []


def test_the_readme_names_no_setting_that_is_not_read():
    named = set(re.findall(r"`(WEIR_[A-Z_]+?)(?:_FILE)?`", README))
    assert sorted(named - settings_read()) == []


def test_the_readme_gives_the_redis_permissions_that_are_tested():
    """tests/brokers/test_redis_permissions.py tries RECIPE on every server."""
    assert f"ACL SETUSER weir on >PASSWORD {RECIPE}\n" in README


def test_links_and_pictures_of_the_readme_are_there():
    targets = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", README)
    assert [target for target in targets if not (tree.ROOT / target).exists()] == []


def test_headings_that_the_readme_links_to_are_there():
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in README.splitlines()
        if line.startswith("#")
    }
    assert [anchor for anchor in re.findall(r"\]\(#([^)]+)\)", README) if anchor not in headings] == []


def test_a_wrong_setting_stops_the_start_with_one_sentence():
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=tree.ROOT, capture_output=True, text=True, env={"WEIR_RETENTION_RAW": "soon", "PATH": ""},
    )  # fmt: skip
    assert done.returncode != 0
    assert done.stderr.strip().count("\n") == 0
    assert "WEIR_RETENTION_RAW" in done.stderr
