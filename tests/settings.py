"""The product's settings, for the test process: a data folder of its own, and nothing of the caller's environment.

Pytest's own (`--ds` in pyproject.toml, for its worker processes too).
Programs that a test starts run under `dashboard.settings` (tests/conftest.py).
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

OURS = ("WEIR_", "DATABASE_URL", "REDIS_URL")
KEPT = ("WEIR_CHROMIUM", "WEIR_LOCALSTACK")

for _name in [name for name in os.environ if name.startswith(OURS) and name not in KEPT]:
    del os.environ[_name]

_folder = tempfile.mkdtemp(prefix="weir-tests-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["WEIR_DATA"] = _folder

from dashboard.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # signing in is not what most tests test

# A file, as the product has, not SQLite's memory: that one refuses other threads at once where a file lets them wait.
DATABASES["default"]["TEST"] = {"NAME": f"{_folder}/tests.sqlite3"}  # noqa: F405
