"""Bodies that are meant to do harm: shown or refused within bounded time and memory, and never misleading.

Each runs in a process of its own whose memory is limited (RLIMIT_AS), as one that shows letters beside its work.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import pytest

#: Megabytes that the process may have in all, the interpreter, its modules and a body of 200 MB included.
MEMORY = 700
SECONDS = 20  # a generous bound: the slowest takes about half a second

HOSTILE = {
    "200 MB of JSON": "b'{\"a\":\"' + b'x' * 200_000_000 + b'\"}'",
    "200 MB of nothing": "bytes(200_000_000)",
    "gzip bomb": "bomb(zlib.compressobj(9, wbits=31))",
    "gzip bomb in a bomb": "gzip.compress(bomb(zlib.compressobj(9, wbits=31)))",
    "bzip2 bomb": "bz2.compress(bytes(100_000_000))",
    "xz bomb": "lzma.compress(bytes(100_000_000), preset=0)",
    "xz that wants memory": "lzma.compress(b'x' * 9, filters=[{'id': lzma.FILTER_LZMA2, 'dict_size': 512 << 20}])",
    "zstd bomb": "zstandard.compress(bytes(200_000_000))",
    "zstd that wants memory": "zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters("
    "window_log=27, enable_ldm=True)).compress(bytes(1000))",
    "lists 100,000 deep": "b'[' * 100_000 + b']' * 100_000",
    "objects 100,000 deep": "b'{\"a\":' * 100_000 + b'1' + b'}' * 100_000",
    "open brackets alone": "b'[' * 1_000_000",
    "a number of 10,000 digits": "b'{\"n\": ' + b'9' * 10_000 + b'}'",
    "a number of a million digits": "b'[' + b'9' * 1_000_000 + b', 1.' + b'3' * 10_000 + b'e999999999]'",
    "a million empty lists": "b'[' + b'[],' * 349_000 + b'[]]'",
    "a million keys": "json.dumps({str(n): n for n in range(90_000)}).encode()",
    "escapes without end": "b'\"' + b'\\\\\\\\u' * 500_000",
    "quotes without end": "b'{' + b'\\\\\"' * 500_000",
    "lines without end": "b'{}\\n' * 300_000",
    "MessagePack that claims millions": "b'\\xdd\\x00\\x0f\\x00\\x00' * 200_000",
    "MessagePack that is deep": "b'\\x91' * 1_000_000",
    "MessagePack of many": "b'\\xdd\\x00\\x0f\\x00\\x00' + b'\\x90' * 0xf0000",
    "a pickle that counts": "b'\\x80\\x04' + b'\\x8c\\x01a' * 300_000 + b'.'",
    "a pickle with an endless integer": "b'\\x80\\x02\\x8b\\x00\\xff\\x00\\x00' + b'\\xff' * 0xff00 + b'.'",
    "base64 of base64": "functools.reduce(lambda b, _: base64.b64encode(b), range(20), b'{\"a\": 1}')",
    "aliases of YAML": "b'a: &a [x]\\n' + b''.join(b'k%d: &k%d [*a,*a,*a,*a]\\n' % (n, n) for n in range(9000))",
    "entities of XML": 'b\'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">\' + b\'<!ENTITY b "&a;&a;&a;">\' * 9999',
}

PROGRAM = """
import base64, bz2, functools, gzip, json, lzma, resource, sys, zlib
import zstandard
def bomb(machine):
    return b"".join(machine.compress(bytes(1 << 20)) for _ in range(1000)) + machine.flush()
body = eval(sys.argv[1])
from collectors.causes import cause_of
from collectors.decoding import decode
from collectors.registry import FAILURES, SHAPES
limit = int(sys.argv[2]) << 20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
decoded = decode(body, shapes=SHAPES)
cause_of(decoded.headers, decoded.value, readers=FAILURES)
tree = json.dumps(decoded.tree().value, ensure_ascii=False)
shown, left_out = decoded.shown()
tree.encode(), shown.encode()
assert len(shown) <= 65536 and len(tree) <= 400_000, (len(shown), len(tree))
print([step.name for step in decoded.steps], decoded.notes, left_out)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_shown_or_refused(name):
    start = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, HOSTILE[name], str(MEMORY)], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("['")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - start < SECONDS


def test_what_was_not_looked_at_is_said():
    from collectors.decoding import decode

    decoded = decode(b'["' + b"x" * 12_000_000 + b'"]')
    assert decoded.size == 12_000_004
    assert decoded.notes == ("Read: the first 1,048,576 of 12,000,004 bytes.",)
    assert decoded.shown()[1] == "Not all is shown: 1 part is cut at “…”."


def test_depth_is_said():
    from collectors.decoding import decode

    decoded = decode(b"[" * 100_000 + b"]" * 100_000)
    assert decoded.notes == ("JSON nested 100,000 deep, more than 100: shown as text.",)
    assert not decoded.structured


def test_a_typical_letter_takes_no_time():
    from collectors.decoding import decode

    body = b'{"order": 1042, "lines": [' + b'{"sku": "A-1", "price": 19.90}, ' * 20 + b"{}]}"
    start = time.process_time()
    for _ in range(100):
        decode(body)
    assert time.process_time() - start < 2
