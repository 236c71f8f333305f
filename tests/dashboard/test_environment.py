"""Settings come from the environment; a wrong value stops the start with one sentence."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from fcntl import LOCK_EX, flock
from threading import Thread
from types import SimpleNamespace

import pytest
from django.core.exceptions import ImproperlyConfigured

from dashboard import environment as env
from dashboard.database import write_ahead


@pytest.mark.parametrize(("value", "seconds"), [("90s", 90), ("48h", 172800), ("30d", 2592000)])
def test_a_duration_is_read_in_seconds(monkeypatch, value, seconds):
    monkeypatch.setenv("WEIR_RETENTION_RAW", value)
    assert env.duration("WEIR_RETENTION_RAW", "1h") == seconds


@pytest.mark.parametrize("value", ["48", "two days", "0h", "-1h"])
def test_a_wrong_duration_is_refused_by_name(monkeypatch, value):
    monkeypatch.setenv("WEIR_RETENTION_RAW", value)
    with pytest.raises(ImproperlyConfigured, match="WEIR_RETENTION_RAW"):
        env.duration("WEIR_RETENTION_RAW", "1h")


@pytest.mark.parametrize(("value", "size"), [("", None), ("500M", 500 << 20), ("10g", 10 << 30), ("2TB", 2 << 40)])
def test_a_size_is_read_in_bytes(monkeypatch, value, size):
    monkeypatch.setenv("WEIR_RETENTION_DISK", value)
    assert env.size("WEIR_RETENTION_DISK") == size


@pytest.mark.parametrize("value", ["10", "0G", "-1G", "ten"])
def test_a_wrong_size_is_refused_by_name(monkeypatch, value):
    monkeypatch.setenv("WEIR_RETENTION_DISK", value)
    with pytest.raises(ImproperlyConfigured, match="WEIR_RETENTION_DISK"):
        env.size("WEIR_RETENTION_DISK")


def test_a_wrong_url_is_refused_without_showing_it(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "http://user:hunter2@host")
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL") as refused:
        env.url("REDIS_URL", ("redis",))
    assert "hunter2" not in str(refused.value)


def test_a_secret_may_stand_in_a_file(monkeypatch, tmp_path):
    (tmp_path / "key").write_text("from the file\n")
    monkeypatch.setenv("WEIR_SECRET_KEY_FILE", str(tmp_path / "key"))
    assert env.secret("WEIR_SECRET_KEY") == "from the file"


def test_a_missing_secret_file_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("WEIR_SECRET_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(ImproperlyConfigured, match="WEIR_SECRET_KEY_FILE"):
        env.secret("WEIR_SECRET_KEY")
    (tmp_path / "none").write_bytes(b"\xff\xfe")
    with pytest.raises(ImproperlyConfigured, match="it is not text"):
        env.secret("WEIR_SECRET_KEY")
    with pytest.raises(ImproperlyConfigured, match="a hundred years"):
        env.seconds("WEIR_RETENTION_RAW", "36501d")


def test_what_is_empty_is_not_set(monkeypatch):
    for name in ("WEIR_LOG_FORMAT", "WEIR_RETENTION_RAW", "WEIR_DATA"):
        monkeypatch.setenv(name, " ")
    assert env.choice("WEIR_LOG_FORMAT", ("text", "json"), "text") == "text"
    assert env.duration("WEIR_RETENTION_RAW", "48h") == 48 * 3600 and env.text("WEIR_DATA", ".weir") == ".weir"


def test_the_secret_key_is_changed_by_naming_the_old_one_behind_the_new(tmp_path):
    told = "from dashboard import settings as s; print(s.SECRET_KEY, s.SECRET_KEY_FALLBACKS)"
    environment = {**os.environ, "WEIR_DATA": str(tmp_path), "WEIR_SECRET_KEY": f"{'n' * 16} {'o' * 16}"}
    done = subprocess.run([sys.executable, "-c", told], env=environment, capture_output=True, text=True)
    assert done.stdout == f"{'n' * 16} ['{'o' * 16}']\n" and not done.stderr


def test_a_secret_is_made_once_and_only_its_owner_reads_it(monkeypatch, tmp_path):
    monkeypatch.delenv("WEIR_SECRET_KEY", raising=False)
    path = tmp_path / "secret_key"
    made = env.kept_secret("WEIR_SECRET_KEY", path, make=True)
    assert len(made) > 40 and env.kept_secret("WEIR_SECRET_KEY", path, make=True) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_secret_that_another_process_makes_is_waited_for(monkeypatch, tmp_path):
    monkeypatch.delenv("WEIR_SECRET_KEY", raising=False)
    path, read = tmp_path / "secret_key", []
    folder = os.open(tmp_path, os.O_RDONLY)
    flock(folder, LOCK_EX)  # as who makes it holds it
    waiting = Thread(target=lambda: read.append(env.kept_secret("WEIR_SECRET_KEY", path, make=True)), daemon=True)
    waiting.start()
    waiting.join(0.2)
    assert read == []
    path.write_text("made-by-another-process\n")
    os.close(folder)
    waiting.join(60)
    assert read == ["made-by-another-process"]


def test_a_database_that_another_process_has_just_begun_is_waited_for(tmp_path):
    """SQLite itself waits for no lock where a file goes into WAL mode and another connection wants the same."""
    first, second = (
        sqlite3.connect(tmp_path / "new", timeout=0, isolation_level=None, check_same_thread=False) for _ in range(2)
    )
    with closing(first), closing(second):
        first.execute("BEGIN IMMEDIATE")
        opened = SimpleNamespace(vendor="sqlite", connection=second, Database=sqlite3)
        waiting = Thread(target=write_ahead, args=(opened,), daemon=True)
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        first.execute("COMMIT")
        waiting.join(60)
        assert second.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_with_postgresql_a_missing_secret_stops_the_start(monkeypatch, tmp_path):
    monkeypatch.delenv("WEIR_SECRET_KEY", raising=False)
    with pytest.raises(ImproperlyConfigured, match="WEIR_SECRET_KEY must be set"):
        env.kept_secret("WEIR_SECRET_KEY", tmp_path / "secret_key", make=False)


@pytest.mark.parametrize("name", ["WEIR_RETENTION_RAW", "WEIR_LOG_LEVEL", "REDIS_URL", "WEIR_METRICS_PUBLIC"])
def test_a_wrong_setting_ends_every_command_in_one_sentence(tmp_path, name):
    environment = {**os.environ, "WEIR_DATA": str(tmp_path), name: "nonsense"}
    done = subprocess.run([sys.executable, "manage.py", "check"], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert name in done.stderr and "Traceback" not in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "value",
    ["weir.example", "https:///x", "https://weir.example/?x=1", "https://weir.example/#x", "https://a:b@weir.example"],
)
def test_the_address_of_browsers_is_a_host_and_a_path_alone(monkeypatch, value):
    monkeypatch.setenv("WEIR_PUBLIC_URL", value)
    with pytest.raises(ImproperlyConfigured, match="WEIR_PUBLIC_URL must be a URL") as refused:
        env.url("WEIR_PUBLIC_URL", ("http", "https"), bare=True)
    assert value not in str(refused.value)
    monkeypatch.setenv("WEIR_PUBLIC_URL", "https://weir.example:8443/weir")
    assert env.url("WEIR_PUBLIC_URL", ("http", "https"), bare=True) == "https://weir.example:8443/weir"


@pytest.mark.parametrize(("text", "which"), [("short", "Key 1"), (f"{'x' * 16} short", "Key 2"), ("", "no key")])
def test_a_key_that_can_be_guessed_stops_the_start(text, which):
    with pytest.raises(ImproperlyConfigured, match="WEIR_ENCRYPTION_KEY") as refused:
        env.keys("WEIR_ENCRYPTION_KEY", text)
    assert which in str(refused.value) and (not text or "short " not in str(refused.value))


def test_keys_are_read_newest_first():
    assert env.keys("WEIR_ENCRYPTION_KEY", f"{'a' * 16}\n{'b' * 20} ") == ["a" * 16, "b" * 20]
