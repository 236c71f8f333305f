"""Every call of the API with what nobody should send: numbers beyond all bounds, texts that no file holds, bodies that
are none. Always a status below 500 and, where it is refused, the one shape of an error with a sentence.

The calls are those that the API describes, so a new one is tried too.
"""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from ..people.test_access_urls import address, one_of_each  # noqa: F401 - a fixture

HUGE = 10**30
#: What may stand in an address, already written for one.
QUERY = [str(HUGE), "-1", "0", "1e999", "nan", "%00", "%ff%fe", "%F0%9F%92%A9", quote("a:(" * 50), "x" * 5000, "()"]
BODIES = [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"{}", b"[" * 100_000, b'{"a": NaN}']
#: What may stand in a field, as JSON: beyond all bounds, of other types, half a surrogate, no number.
VALUES = [
    str(HUGE), "-1", "0", "1e999", "NaN", "Infinity", '"\\ud800"', '"\\u0000"', "null", "true", "[]", "{}",
    f'"{"x" * 5000}"', "[[1]]", '{"a": {"b": 1}}', f"[{HUGE}]", f'{{"queue_id": {HUGE}}}',
    f'{{"ids": [{HUGE}]}}', '{"ids": ["\\ud800"]}', '{"oldest": -1}', '{"filter": "("}', '{"filter": "\\ud800"}',
    '"0001-01-01T00:00:00"', '"9999-12-31T23:59:59+00:00"',
]  # fmt: skip


def described(client) -> list[tuple[str, str, dict]]:
    found = client.get("/api/v1/openapi.json").json()
    schemas = found["components"]["schemas"]
    calls = []
    for path, methods in found["paths"].items():
        for method, call in methods.items():
            body = call.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            name = (body.get("$ref") or next((b.get("$ref", "") for b in body.get("anyOf", ())), "")).rpartition("/")[2]
            calls.append((method, path.lstrip("/").replace("{id}", "<id>"), {**call, "fields": schemas.get(name, {})}))
    return calls


def wrong(response) -> str:
    """What is wrong with an answer to hostile input; "" = nothing."""
    if response.status_code >= 500 and response.status_code != 503:  # a broker that does not answer
        return f"{response.status_code} {response.content[:200]!r}"
    if response.status_code >= 400:
        error = json.loads(response.content)["error"]
        told = error["message"]
        return "" if told.endswith(".") and error["code"] and len(told) < 2500 else f"no sentence: {told[:200]}"
    if response.streaming:
        b"".join(response.streaming_content)
    return ""


class Tried:
    """What was tried, and what went wrong with it."""

    def __init__(self) -> None:
        self.count, self.found = 0, {}

    def judge(self, response, *what) -> None:
        self.count += 1
        if said := wrong(response):
            self.found.setdefault((what[0], said[:80]), (*what, said))

    def told(self) -> str:
        return "\n".join(map(str, self.found.values()))


@pytest.fixture
def quiet(monkeypatch):
    """Nothing here waits for a broker, and a plan that is made is forgotten."""
    monkeypatch.setattr("dashboard.replay.deeds._plan", lambda *_: None)


def test_what_stands_in_an_address(one_of_each, admin_api):  # noqa: F811
    client, tried = admin_api.client, Tried()
    for method, path, call in described(client):
        if method != "get":
            continue
        there = address(path, one_of_each)
        tried.judge(client.get(there), path)
        names = [parameter["name"] for parameter in call.get("parameters", ()) if parameter["in"] == "query"]
        for name, value in ((name, value) for name in names for value in QUERY):
            tried.judge(client.get(f"{there}?{name}={value}"), path, name, value[:40])
        for id in ("0", "-1", str(2**63), str(HUGE), "%00", "x") if "<id>" in path else ():
            tried.judge(client.get("/" + path.replace("<id>", id)), path, id)
    assert not tried.found, tried.told()
    assert tried.count > 500


def test_what_stands_in_a_body(one_of_each, admin_api, quiet):  # noqa: F811
    client, tried = admin_api.client, Tried()
    for method, path, call in described(client):
        if method not in ("post", "patch"):
            continue
        fields = call["fields"].get("properties", {})
        bodies = [*BODIES, *(f'{{"{field}": {value}}}'.encode() for field in fields for value in VALUES)]
        bodies += [filled(fields, field, value) for field in fields for value in VALUES]
        for body in bodies:
            response = getattr(client, method)(address(path, one_of_each), body, content_type="application/json")
            tried.judge(response, (method, path), body[:160])
    assert not tried.found, tried.told()
    assert tried.count > 1000


#: A value that is taken, by the name of the field.
GOOD = {
    "url": '"memory://hostile"', "name": '"hostile"', "kind": '"path"', "pattern": '"card"', "reason": '"because"',
    "seconds": "60", "queue_id": "1", "selection": '{"all": true}', "body": '"hello"', "condition":
    '{"metric": "depth", "op": ">", "value": 1}', "value": "1", "op": '">"', "metric": '"depth"', "filter": '""',
}  # fmt: skip


def filled(fields: dict, field: str, value: str) -> bytes:
    """A body that is good but for one field."""
    parts = {name: good for name, good in GOOD.items() if name in fields} | {field: value}
    return ("{" + ", ".join(f'"{name}": {text}' for name, text in parts.items()) + "}").encode()
