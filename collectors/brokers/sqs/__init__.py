"""Amazon SQS, standard and FIFO queues, in one or several regions and accounts; and what speaks its protocol.

boto3 signs and sends. A poll uses only actions that read, and none that receives a message: that would count as a
delivery. What it asks is chosen, because every call is paid for: `discovery` lists the queues, `turns` says
which of them are asked now, `budget` how many calls there are to spend, `attributes` reads the answers,
`cloudwatch` gives rates and ages where that is paid for too, `price` says what it costs.

A queue that is not asked keeps its last values and says when they were measured (`Sample.measured_at`).
Counts of SQS are approximate, by its own word, and settle within about a minute: a single 0 is no proof of empty.
The age of the oldest message is unknown without CloudWatch: no other call tells it without receiving.

Who looks receives and gives back (`looking`, `receiving`), and what was received too often by that is `renewing`.
"""

from __future__ import annotations

from .broker import SQS

__all__ = ["SQS"]
