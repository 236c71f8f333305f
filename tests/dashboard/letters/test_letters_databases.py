"""The index on SQLite and PostgreSQL: several processes write, another one follows by revisions and misses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.servers import postgresql

pytestmark = pytest.mark.slow

START = """
import django
django.setup()
from dashboard.models import Broker, Queue
broker = Broker.objects.create(name="box", kind="memory", secret_url="", safe_url="")
for name in ("one", "two"):
    Queue.objects.create(broker=broker, key=name, name=name, kind="list")
print("ready")
"""
WRITER = """
import random, sys, time
import django
django.setup()
from collectors.letters import Death, Letter
from dashboard.letters import taking
from dashboard.models import Queue
queue, dice = Queue.objects.select_related("broker").get(key=sys.argv[1]), random.Random(sys.argv[1])
for step in range(15):
    numbers = [dice.randrange(60) for _ in range(20)]
    seen = [Letter(f"{sys.argv[1]} {n}\\x00", b"{}", 2, {"x-error-class": f"E{n % 7}\\x00"}, replayed=step,
                   deaths=(Death("orders", "rejected"),)) for n in numbers]
    now = time.time()
    ids = taking.take(queue, seen, now)
    if step % 5 == 4:
        taking.finish(queue, ids, True, began=now)
"""
FOLLOWER = """
import json, os, sys, time
import django
django.setup()
from dashboard.letters import bodies, choosing, pruning
from dashboard.letters.columns import Index
from dashboard.models import Letter, LetterBody
index, reads = Index(), 0
until = time.monotonic() + 100
while not os.path.exists(sys.argv[1]) and time.monotonic() < until:
    index.letters()
    reads += 1
    time.sleep(0.01)
followed = index.letters()
fresh = Index().letters()
same = all((followed.whole[n] == fresh.whole[n]).all() for n in fresh.whole)
for name, column in fresh.floats.items():
    same &= ((followed.floats[name] == column) | (column != column)).all()
types = [followed.types[c] for c in followed.type] == [fresh.types[c] for c in fresh.type]
print(json.dumps({"same": bool(same and types), "rows": len(followed), "database": Letter.objects.count(),
    "there": int(followed.there.sum()), "alive": Letter.objects.filter(gone_at=None).count(),
    "revision": followed.revision, "reads": reads, "causes": len(followed.causes),
    "bodies": LetterBody.objects.count(), "kept": len(bodies.find(list(followed.ids.tolist()), time.time())),
    "pruned": pruning.prune(time.time() + 365 * 86400), "left": Letter.objects.filter(gone_at=None).count()}))
"""


@pytest.fixture(params=["SQLite", pytest.param("PostgreSQL", marks=pytest.mark.postgresql)])
def environment(request, tmp_path):
    settings = {
        **os.environ, "WEIR_DATA": str(tmp_path), "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "WEIR_SECRET_KEY": "x" * 40, "WEIR_ENCRYPTION_KEY": "y" * 40,
    }  # fmt: skip
    if request.param == "SQLite":
        yield settings
        return
    if postgresql.programs() is None:
        pytest.skip("PostgreSQL is not on this machine")
    with postgresql.running() as url:
        yield settings | {"DATABASE_URL": url}


def test_who_follows_by_revisions_has_what_the_database_has(environment, tmp_path):
    def run(code, *arguments, **more):
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments], env=environment, stderr=subprocess.PIPE, text=True, **more
        )

    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], env=environment, check=True)
    assert run(START).wait(60) == 0
    done = tmp_path / "done"
    follower = run(FOLLOWER, str(done), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    writers = [run(WRITER, name) for name in ("one", "two", "two")]
    for writer in writers:
        errors = writer.communicate(timeout=100)[1]
        assert writer.returncode == 0, errors
    done.touch()
    out, errors = follower.communicate(timeout=60)
    assert follower.returncode == 0, errors
    told = json.loads(out)
    assert told["same"] and told["rows"] == told["database"] and told["there"] == told["alive"], told
    assert told["revision"] >= 45 and told["causes"] == 7
    assert told["bodies"] == told["kept"] == told["rows"] > 60
    assert told["pruned"] == told["rows"] - told["there"] and told["left"] == told["there"]
