"""Keys of queues: the end of an ARN, region:account:name, which is the same however the queue was found. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit


def key_of_arn(arn: str) -> str:
    """arn:aws:sqs:eu-west-1:123456789012:orders -> eu-west-1:123456789012:orders; "" for anything else."""
    parts = arn.split(":")
    return ":".join(parts[3:]) if len(parts) == 6 and parts[2] == "sqs" and all(parts[3:]) else ""


def key_of_url(region: str, url: str) -> str:
    """https://sqs.eu-west-1.amazonaws.com/123456789012/orders -> its key; "" for anything else."""
    try:
        parts = urlsplit(url).path.split("/")
    except ValueError:
        return ""
    return f"{region}:{parts[-2]}:{parts[-1]}" if len(parts) >= 3 and parts[-2] and parts[-1] else ""


def short(key: str) -> str:
    """The queue's name in SQS."""
    return key.rpartition(":")[2]
