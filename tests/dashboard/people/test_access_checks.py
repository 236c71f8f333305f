"""`manage.py check`, as a program of its own, in the environment that is tried."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def check(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    command = [sys.executable, "manage.py", "check", *arguments]
    ours = {name: value for name, value in os.environ.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"}
    env = {**ours, "WEIR_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "dashboard.settings", **environment}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("public", ["", "https://weir.example", "https://example.org/weir"])
def test_a_deployment_as_the_settings_make_it_is_clean(tmp_path, public):
    code, said = check(tmp_path, "--deploy", "--fail-level", "WARNING", WEIR_PUBLIC_URL=public)
    assert (code, "no issues" in said) == (0, True), said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "id"),
    [
        ({"WEIR_ALLOWED_HOSTS": "*"}, "weir.W001"),
        ({"WEIR_PUBLIC_URL": "http://weir.example"}, "weir.W002"),
    ],
)
def test_what_is_not_safe_is_said(tmp_path, environment, id):
    code, said = check(tmp_path, "--deploy", "--fail-level", "WARNING", **environment)
    assert code == 1 and id in said, said
