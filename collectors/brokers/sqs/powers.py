"""What each IAM action is needed for, and the policies that allow just that."""

from __future__ import annotations

from typing import Any

#: By action: "without it, ...".
POWERS: dict[str, str] = {
    "sqs:ListQueues": "no queue can be found",
    "sqs:GetQueueAttributes": "nothing can be measured",
    "sqs:ListQueueTags": "tags of queues are unknown",
    "sqs:ListDeadLetterSourceQueues": "sources of a dead-letter queue that are not watched are unknown",
    "tag:GetResources": "queues cannot be chosen by tag=",
    "cloudwatch:GetMetricData": "rates and the age of the oldest message are unknown",
    "sts:AssumeRole": "the role of role_arn= cannot be assumed",
}

POLLING = ("sqs:ListQueues", "sqs:GetQueueAttributes", "sqs:ListQueueTags", "sqs:ListDeadLetterSourceQueues")


def policy(*, tag: bool = False, cloudwatch: bool = False) -> dict[str, Any]:
    """An IAM policy for polling, and for tag= and cloudwatch=true where wanted. Nothing in it can read a message."""
    actions = [*POLLING]
    if tag:
        actions.append("tag:GetResources")
    if cloudwatch:
        actions.append("cloudwatch:GetMetricData")
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
