"""From the bytes of a letter to something a person can read, by a chain. Pure: no broker, no database.

`decode(body, headers, content_type, content_encoding, shapes)` peels one layer after the other (base64, compression,
JSON, envelopes, what a task library makes of it) and says which. It never loads what could run code, never raises
for what is in a body, and is bounded in bytes, depth, steps and time: see `Limits`.
"""

from __future__ import annotations

from .chain import decode
from .decoded import Decoded
from .piece import MISSING, Found, Limits, Piece, Shape, Step
from .text import defused, visible
from .tree import Number, Tree, tree

__all__ = [
    "MISSING",
    "Decoded",
    "Found",
    "Limits",
    "Number",
    "Piece",
    "Shape",
    "Step",
    "Tree",
    "decode",
    "defused",
    "tree",
    "visible",
]
