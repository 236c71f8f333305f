"""A private PostgreSQL for tests: its own data folder, loopback only, ended with the test."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.ports import free_port


def programs() -> Path | None:
    """The folder with `initdb` and `pg_ctl` of the newest version here, None when there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    program = shutil.which("initdb")
    return Path(program).parent if program else None


@contextmanager
def running() -> Iterator[str]:
    """Start one; its URL, of an empty database. PostgreSQL refuses to run as root: then it runs as `postgres`."""
    where = programs()
    assert where is not None, "PostgreSQL is not on this machine"
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    port = free_port()
    user = {}
    if os.geteuid() == 0:
        person = pwd.getpwnam("postgres")
        os.chown(folder, person.pw_uid, person.pw_gid)
        user = {"user": person.pw_uid, "group": person.pw_gid, "extra_groups": []}
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [where / program, "-D", folder / "data", *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/", **user
        )

    try:
        run("initdb", "-A", "trust", "-U", "weir", "-E", "UTF8", "--locale=C")
        run("pg_ctl", "-o", options, "-l", str(folder / "log"), "-w", "-t", "180", "start")
        try:
            yield f"postgres://weir@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
