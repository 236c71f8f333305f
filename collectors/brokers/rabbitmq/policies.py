"""Which settings hold for a queue: its arguments, one policy, and one operator policy on top.

The rules are RabbitMQ's: of the policies whose pattern and kind match, the one of the highest priority applies
alone; an operator policy, chosen the same way, is merged in, and the smaller number wins. Arguments of the
queue overrule a policy. Evaluated here because the broker tells the effective policy only in its dearest form.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .inventory import QueueRow
from .management import Row

_APPLY = {
    "all": ("classic", "quorum", "stream"),
    "queues": ("classic", "quorum", "stream"),
    "classic_queues": ("classic",),
    "quorum_queues": ("quorum",),
    "streams": ("stream",),
}


@dataclass(slots=True)
class Settings:
    """What holds for one queue: definitions under their names in policies ("message-ttl"), and where they are from."""

    values: dict[str, Any] = field(default_factory=dict)
    policy: str = ""
    operator_policy: str = ""
    by_policy: frozenset[str] = frozenset()

    def get(self, name: str) -> Any:
        return self.values.get(name)

    def source(self, name: str) -> str:
        """Where a setting comes from, in words."""
        return (
            f"by the policy '{self.policy or self.operator_policy}'" if name in self.by_policy else "by its arguments"
        )


@dataclass(slots=True, frozen=True)
class _Policy:
    name: str
    pattern: re.Pattern[str]
    kinds: tuple[str, ...]
    priority: int
    definition: Mapping[str, Any]


class Policies:
    """All policies of a broker, ready to be asked about a queue."""

    def __init__(self, policies: Iterable[Row] = (), operator_policies: Iterable[Row] = ()) -> None:
        self._policies = _by_vhost(policies)
        self._operator_policies = _by_vhost(operator_policies)

    def settings(self, row: QueueRow) -> Settings:
        policy = _applying(self._policies, row)
        operator = _applying(self._operator_policies, row)
        values = _merged(policy.definition if policy else {}, operator.definition if operator else {})
        by_policy = set(values)
        for name, value in row.arguments.items():
            if name.startswith("x-"):
                values[name[2:]] = value
                by_policy.discard(name[2:])
        return Settings(
            values=values,
            policy=policy.name if policy else "",
            operator_policy=operator.name if operator else "",
            by_policy=frozenset(by_policy),
        )


def _by_vhost(rows: Iterable[Row]) -> dict[str, list[_Policy]]:
    found: dict[str, list[_Policy]] = defaultdict(list)
    for row in rows:
        kinds = _APPLY.get(str(row.get("apply-to", "all")))
        definition = row.get("definition")
        if kinds is None or not isinstance(definition, Mapping):
            continue  # it is about exchanges
        try:
            pattern = re.compile(str(row.get("pattern", "")))
        except re.error:
            continue  # Erlang's expressions know a few things that Python's do not
        found[str(row.get("vhost", ""))].append(
            _Policy(str(row.get("name", "")), pattern, kinds, int(row.get("priority") or 0), definition)
        )
    for policies in found.values():
        policies.sort(key=lambda policy: -policy.priority)
    return found


def _applying(policies: Mapping[str, list[_Policy]], row: QueueRow) -> _Policy | None:
    for policy in policies.get(row.vhost, ()):
        if row.kind in policy.kinds and policy.pattern.search(row.queue):
            return policy
    return None


def _merged(user: Mapping[str, Any], operator: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**user, **operator}
    for name in user.keys() & operator.keys():
        both = user[name], operator[name]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in both):
            merged[name] = min(both)
    return merged
