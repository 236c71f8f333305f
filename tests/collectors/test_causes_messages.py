"""What is taken out of a message, and what stays."""

from __future__ import annotations

import time

import pytest

from collectors.causes import normalised


@pytest.mark.parametrize(
    ("message", "normal"),
    [
        ("Order 1042 not found", "Order <n> not found"),
        ("took 1,250.75 s, limit -3", "took <n> s, limit <n>"),
        ("user 0d0b1c1e-6c1f-4f6e-8a2c-58a1d0d4c0aa", "user <id>"),
        ("at 2026-05-02T17:31:00.123Z and 2026-05-02", "at <time>"),
        ("at Sat, 02 May 2026 17:31:00 GMT", "at <time>"),
        ("no answer of 10.0.3.17:5432", "no answer of <ip>"),
        ("no answer of [fe80:0:0:0:1:2:3:4]:80 or ::1", "no answer of <ip> or <ip>"),
        ("mail to anna.weber+x@post.example.org bounced", "mail to <email> bounced"),
        ("cannot open /var/lib/shop/a1/b.csv:12", "cannot open <path>"),
        (r"cannot open C:\jobs\a\b.xml", "cannot open <path>"),
        ("next in 1h2m3.5s", "next in <n>s"),
        ("object at 0x7f3a2b1c", "object at <hex>"),
        ("commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "commit <hex>"),
        ("charge ch_3NabcXYZ12 of cus_N8aB9xQ1", "charge <id> of <id>"),
        ("column 'total' of \"orders\" and `lines`", "column <text> of <text>"),
        ("can't read, doesn't exist", "can't read, doesn't exist"),
        ("no address for Jörg van der Berg (Anna Silva)", "no address for <name> (<name>)"),
        ("orders 1, 2, 3 and 4", "orders <n>"),
        ("parameters: {'a': 1, 'b': 'x', 'c': None}", "parameters: {<pairs>}"),
        ("pod capture-7d9f8b6c5d-x2x4q is gone", "pod capture-<id> is gone"),
        ("https://u:p@api.example.com:8443/v1/7?x=1 failed", "https://api.example.com/ failed"),
        ("  two\n\tlines  ", "two lines"),
        ("", ""),
    ],
)
def test_what_differs_is_taken_out(message, normal):
    assert normalised(message) == normal


@pytest.mark.parametrize(
    "message",
    [
        "Request failed with status code 503",
        "404 Client Error: Not Found",
        "[Errno 111] Connection refused",
        "SQLSTATE[HY000] [2002] Connection refused",
        "ORA-00060: deadlock detected",
        "HTTP/1.1 429 Too Many Requests",
        "exit code 137",
        "signal 9 (SIGKILL)",
        "upstream answered 502 Bad Gateway",
        "the Service Unavailable answer of the Gateway Timeout kind",
    ],
)
def test_codes_and_phrases_of_protocols_stay(message):
    assert normalised(message) == message


def test_a_message_that_is_one_quoted_sentence_is_that_sentence():
    assert normalised("'no funds on card 17'") == "no funds on card <n>"
    assert normalised("'customer_17'") == "<text>"


@pytest.mark.parametrize(
    "piece", ["'\\", '"', "a1", "1.", "a@b.", "://", "/a", ":1", "A ", "Ab ", "<n>: ", "(", "é", "-1-"]
)
def test_no_message_takes_long(piece):
    start = time.process_time()
    assert len(normalised(piece * 1_000_000)) <= 2_000
    assert time.process_time() - start < 1
