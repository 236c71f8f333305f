"""How a message gets to people: one file per way, addresses checked before anything connects.

urls.py       Apprise URLs: which schemes are allowed, what of them may be shown
addresses.py  a host's address, resolved once, checked, and then connected to as it was checked
notice.py     what a message tells, made of incidents; no text of a queue breaks it
texts.py      the words, for each way
ways.py       sending one notice: e-mail, Slack, PagerDuty, a signed webhook, and what Apprise speaks
"""

from __future__ import annotations

from .urls import BadNotifier, Target, parse
from .ways import Sent, Undelivered, refusal, send

__all__ = ["BadNotifier", "Sent", "Target", "Undelivered", "parse", "refusal", "send"]
