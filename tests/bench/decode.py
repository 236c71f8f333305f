"""What it costs to read letters: `python -m tests.bench.decode [--letters N] [--fuzz-minutes N]`.

Microseconds of processor time for one letter (median of five runs over all), decoding and fingerprint apart, for
typical letters of each ecosystem. With --fuzz-minutes, broken letters are made and read for so long instead, from a new
seed each time, and the first that does harm is shown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import hypothesis

from collectors.causes import cause_of
from collectors.decoding import Decoded, decode
from collectors.registry import FAILURES, SHAPES
from tests.collectors.broken_letters import EVERYTHING, check
from tests.collectors.failure_letters import letters, templates

from .registry import Table

RUNS = 5


def typical(count: int) -> list[tuple[bytes, dict[str, Any], str]]:
    """About so many letters, as many of each group, as bytes."""
    each = max(1, count // len(templates()))
    made = (
        (json.dumps(letter.value).encode() if letter.value is not None else b"", letter.headers, letter.queue)
        for letter in letters(each)
    )
    return list(made)


def microseconds(work: Callable[[], object], count: int) -> float:
    """Processor time of one of `count` things that `work` does, the median of some runs."""
    taken = []
    for _ in range(RUNS):
        start = time.process_time()
        work()
        taken.append((time.process_time() - start) / count * 1e6)
    return statistics.median(taken)


def bench(short: bool = False) -> list[Table]:
    """Microseconds of a letter by what is done with it."""
    posts = typical(300 if short else 5_000)
    decoded: list[tuple[Decoded, str]] = []

    def decoding() -> None:
        decoded[:] = [(decode(body, headers, shapes=SHAPES), queue) for body, headers, queue in posts]

    def causes() -> None:
        for d, queue in decoded:
            cause_of(d.headers, d.value, queue=queue, readers=FAILURES)

    def trees() -> None:
        for d, _ in decoded:
            d.tree()

    deeds = {"decode": decoding, "fingerprint of its cause": causes, "tree for the page": trees}
    rows = [{"deed": name, "µs of a letter": microseconds(deed, len(posts))} for name, deed in deeds.items()]
    title = f"Reading {len(posts):,} letters of {len(templates())} groups"
    return [Table(title, rows, "Processor time, medians of five.")]


def measure(count: int) -> None:
    posts = typical(count)
    size = sum(len(body) + len(json.dumps(headers, default=str)) for body, headers, _ in posts) / len(posts)
    decoded: list[tuple[Decoded, str]] = []

    def decoding() -> None:
        decoded[:] = [(decode(body, headers, shapes=SHAPES), queue) for body, headers, queue in posts]

    def causes() -> int:
        return len({cause_of(d.headers, d.value, queue=queue, readers=FAILURES).fingerprint for d, queue in decoded})

    print(f"{len(posts):,} letters of {len(templates())} groups, {size:,.0f} bytes each on average")
    print(f"  decode        {microseconds(decoding, len(posts)):8.1f} µs")
    print(f"  fingerprint   {microseconds(causes, len(posts)):8.1f} µs   {causes()} groups found")
    print(f"  tree for page {microseconds(lambda: [d.tree() for d, _ in decoded], len(posts)):8.1f} µs")


def fuzz(minutes: float) -> None:
    """Broken letters until the time is up; raises what the first bad one raised."""
    until, seed, examples = time.monotonic() + minutes * 60, int(time.time()), 0
    while time.monotonic() < until:
        seed += 1
        examples += 500
        options = {"max_examples": 500, "deadline": None, "database": None, "print_blob": True}
        quiet = hypothesis.settings(**options, suppress_health_check=list(hypothesis.HealthCheck))
        hypothesis.seed(seed)(quiet(hypothesis.given(**EVERYTHING)(_one)))()
    print(f"{examples:,} broken letters read in {minutes:g} minutes, none did harm")


def _one(**letter: Any) -> None:
    check(**letter)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=10_000)
    parser.add_argument("--fuzz-minutes", type=float, default=0)
    options = parser.parse_args()
    if options.fuzz_minutes:
        fuzz(options.fuzz_minutes)
    else:
        measure(options.letters)


if __name__ == "__main__":
    main()
