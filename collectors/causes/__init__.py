"""Why letters died: from one letter to the fingerprint of its cause. Pure: no broker, no database.

`cause_of(headers, value)` reads what the ecosystem that gave up wrote down (a table of readers, to which dialects add
theirs), takes out of the message what differs from letter to letter, finds the frame of the stack that is the
application's own, and says it in a title. Letters of one cause have one fingerprint.
"""

from __future__ import annotations

from .cause import Cause, cause_of
from .failure import Failure, Reader
from .frames import Frame, raised, top_frame
from .message import normalised

#: Raised with every change of what causes say: letters that are known are then read again.
VERSION = 1

__all__ = ["VERSION", "Cause", "Failure", "Frame", "Reader", "cause_of", "normalised", "raised", "top_frame"]
