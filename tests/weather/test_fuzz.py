"""A little of tests/bench/fuzz.py: strange answers for every parser of what brokers say."""

from __future__ import annotations

import pytest

from tests.bench.fuzz import TARGETS, play


@pytest.mark.parametrize("name", TARGETS)
def test_a_strange_answer_is_harmless(name: str) -> None:
    play(TARGETS[name], 60, shrink=False)
