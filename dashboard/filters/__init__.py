"""The filter language, one everywhere: page, API, command line, rules, live.

::

    orders                    the name holds "orders" (no matter the case)
    orders.*  "a b"  "2*3"    with * or ? a glob over the whole name; in quotes everything is meant as written
    state:growing  tag:eu-*   a field is this (whole, or by a glob); dialect:"" has none
    depth>1k  lag>=5m         numbers take k M G, durations ms s m h d w (1h30m); plain durations are seconds
    depth:10..2k              a range, both ends included
    lag:unknown  clears:never the value is not known; the queue never clears at this pace
    is:hidden  is:stale       what a queue is; is:gone too, and is:dead: it holds dead letters
    a b      a OR b           both; either. Side by side binds tighter: a b OR c is (a b) OR c
    -a       -(a OR b)        not

What is unknown stays out: a comparison with an unknown value is neither true nor false, and neither is its
negation, so `depth>5` and `-depth>5` both leave out a queue whose depth is not known (`depth:unknown` finds it).

`parse` gives an `Expression`; `expression.mask(table)` tests every row of a `Table` at once; `str(expression)` is
its canonical text. Pure: no database, no network. Parsing and matching take time linear in what they read: at most
2,000 characters, 100 terms, 50 levels of parentheses; globs never backtrack.
"""

from __future__ import annotations

from .fields import LETTERS, QUEUES, Field, Fields, Kind
from .parser import FilterError, parse
from .terms import Coded, Expression, Table

__all__ = ["LETTERS", "QUEUES", "Coded", "Expression", "Field", "Fields", "FilterError", "Kind", "Table", "parse"]
