"""A double of SQS's move tasks: the three calls about them, written by hand after its documentation, before moto.

moto and ministack do not know them; LocalStack does (test_sqs_localstack.py runs the same tests on that). A move of
the double goes on by a few messages whenever it is listed, as far as `far` allows.
"""

from __future__ import annotations

from math import inf
from typing import Any

from tests.servers.aws_proxy import AwsProxy
from tests.servers.sqs import REGION, Peer

STEP = 5


class MoveDouble:
    """Answers for a proxy in front of a peer; `tasks` are the newest first, as they are listed."""

    def __init__(self, peer: Peer, proxy: AwsProxy) -> None:
        self._peer, self._client = peer, peer.client()
        self.tasks: list[dict[str, Any]] = []
        self.far: float = inf  # messages of one move, at most
        proxy.replies = self._reply

    def _reply(self, action: str, call: dict[str, Any]) -> dict[str, Any] | None:
        if action == "StartMessageMoveTask":
            return self._start(call)
        if action == "CancelMessageMoveTask":
            [task] = [one for one in self.tasks if one.get("TaskHandle") == call["TaskHandle"]]
            self._over(task, "CANCELLED")
            return {"ApproximateNumberOfMessagesMoved": task["ApproximateNumberOfMessagesMoved"]}
        if action == "ListMessageMoveTasks":
            for task in self.tasks:
                if task["Status"] == "RUNNING":
                    self._go_on(task)
            return {"Results": [one for one in self.tasks if one["SourceArn"] == call["SourceArn"]]}
        return None

    def _start(self, call: dict[str, Any]) -> dict[str, Any]:
        told = self._client.get_queue_attributes(QueueUrl=self._url(call["SourceArn"]), AttributeNames=["All"])
        count = len(self.tasks)
        task = call | {
            "TaskHandle": f"handle-{count}", "Status": "RUNNING", "ApproximateNumberOfMessagesMoved": 0,
            "ApproximateNumberOfMessagesToMove": int(told["Attributes"]["ApproximateNumberOfMessages"]),
            "StartedTimestamp": 1_795_000_000_000 + count,
        }  # fmt: skip
        self.tasks.insert(0, task)
        return {"TaskHandle": task["TaskHandle"]}

    def _go_on(self, task: dict[str, Any]) -> None:
        source, to = self._url(task["SourceArn"]), self._url(task.get("DestinationArn", ""))
        if not to:
            sources = self._client.list_dead_letter_source_queues(QueueUrl=source)["queueUrls"]
            to = sources[0]
        most = min(
            STEP, task.get("MaxNumberOfMessagesPerSecond", STEP), self.far - task["ApproximateNumberOfMessagesMoved"]
        )
        if most <= 0:
            return
        messages = self._client.receive_message(QueueUrl=source, MaxNumberOfMessages=most).get("Messages", [])
        for message in messages:
            self._client.send_message(QueueUrl=to, MessageBody=message["Body"])
            self._client.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
            task["ApproximateNumberOfMessagesMoved"] += 1
        if not messages:
            self._over(task, "COMPLETED")

    def _over(self, task: dict[str, Any], status: str) -> None:
        """The handle is told of running tasks only."""
        task["Status"] = status
        task.pop("TaskHandle", None)

    def _url(self, arn: str) -> str:
        account, name = arn.split(":")[-2:] if arn else ("", "")
        assert not arn or f":sqs:{REGION}:" in arn
        return f"{self._peer.endpoint}/{account}/{name}" if arn else ""
