"""Every decoder, envelope, dialect and reader on broken letters.

For longer than a test may take: `python -m tests.bench.decode --fuzz-minutes N`.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from .broken_letters import EVERYTHING, check


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(**EVERYTHING)
def test_a_broken_letter_is_shown_or_refused(**letter):
    check(**letter)
