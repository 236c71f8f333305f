"""A little of tests/bench/fuzz.py: strange answers for every parser of what brokers say."""

from __future__ import annotations

import pytest

from tests.bench.fuzz import TARGETS, play


@pytest.mark.parametrize("name", TARGETS)
def test_strange_answers_are_understood_or_refused(name: str) -> None:
    play(TARGETS[name], 60, shrink=False)
