"""What botocore raises, as errors of the collectors: one sentence that says what, where and what to do."""

from __future__ import annotations

import re

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from ...errors import AccessRefused, BadAnswer, BadURL, CollectorError, NotSupported, TimedOut, Unreachable


class Throttled(BadAnswer):
    """AWS refused a call for being one too many."""


class Gone(NotSupported):
    """The queue does not exist any more."""


class Denied(AccessRefused):
    """The credentials are good, but one action is not allowed: `action` is its IAM name."""

    def __init__(self, sentence: str, action: str) -> None:
        super().__init__(sentence)
        self.action = action


THROTTLED = {
    "RequestThrottled", "RequestThrottledException", "Throttling", "ThrottlingException", "ThrottledException",
    "TooManyRequestsException", "RequestLimitExceeded", "SlowDown", "PriorRequestNotComplete", "LimitExceeded",
    "BandwidthLimitExceeded", "KmsThrottled",
}  # fmt: skip
_GONE = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NonExistentQueue"}
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "AccessDeniedFault"}
_NO_KEY = {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "MissingAuthenticationToken"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException"}
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}
_UNKNOWN = {"InvalidAction", "UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", "NotImplemented"}
#: "Signature expired: 20260101T000000Z is now earlier than ...", "Signature not yet current: ..."
_CLOCK_WORDS = re.compile(r"signature (expired|not yet current)|is now (earlier|later) than", re.IGNORECASE)
_XML_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,80})</Code>")
_WHO = re.compile(r"User: (arn:\S+) is not authorized")


def explained(error: Exception, action: str, place: str, timeout: float) -> CollectorError:
    """The collectors' error for a failed call of an IAM action ("sqs:ListQueues") at a place ("SQS in eu-west-1")."""
    if isinstance(error, CollectorError):
        return error
    if isinstance(error, aws.ClientError):
        return _refusal(error, action, place)
    return _credentials(error) or _connection(error, place, timeout)


def _refusal(error: aws.ClientError, action: str, place: str) -> CollectorError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    text = str(error.response.get("Error", {}).get("Message", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or 0)
    code = code.rpartition("#")[2]
    if code.isdigit() and (written := _XML_CODE.search(text)):  # an older protocol than the one that was spoken
        code = written[1]
    if code in THROTTLED or status == 429:
        return Throttled(f"{place} refused {action} because too many calls were made; Weir makes fewer for a while.")
    if code.rpartition(".")[2] == "OverLimit":
        return BadAnswer(f"{place} hands out no more of this queue: as many messages are in flight as it allows.")
    if code in _GONE:
        return Gone(f"{place} says that a queue does not exist any more.")
    if code in _CLOCK or _CLOCK_WORDS.search(text):
        return AccessRefused(f"{place} refuses our signature: the clock of this machine is wrong; set it by NTP.")
    if code in _EXPIRED:
        return AccessRefused(f"The AWS session token has expired, says {place}; sign in again or use a role.")
    if code == "SignatureDoesNotMatch" or code == "IncompleteSignature":
        return AccessRefused(_scope(text, place) or f"{place} says that the secret access key is wrong.")
    if code in _NO_KEY:
        return AccessRefused(
            f"{place} does not know the access key; is it deleted, switched off or of another account?"
        )
    if code in _DENIED:
        who = _WHO.search(text)
        named = f"{who[1]} may not" if who else "These credentials may not"
        return Denied(f"{named} call {action}, says {place}; allow it in the IAM policy.", action)
    if code in _UNKNOWN:
        return NotSupported(f"{place} does not know {action}.")
    if code in ("OptInRequired", "SubscriptionRequiredException", "AuthFailure"):
        return AccessRefused(f"The account may not use {place}: {code}; is the region enabled for it?")
    if status in (401, 403):
        return AccessRefused(f"{place} refused {action} (HTTP {status}); are the credentials meant for it?")
    if status >= 500:
        return BadAnswer(f"{place} failed to answer {action} (HTTP {status}); that is usually over soon.")
    return BadAnswer(f"{place} refused {action}: {_harmless(code) or f'HTTP {status}'}.")


def _credentials(error: Exception) -> CollectorError | None:
    if isinstance(error, aws.NoCredentialsError):
        return AccessRefused(
            "No AWS credentials were found: write them before the region in the URL, set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or give this machine a role."
        )
    if isinstance(error, aws.PartialCredentialsError):
        return AccessRefused("The AWS credentials are only half there; both a key and its secret are needed.")
    if isinstance(error, aws.ProfileNotFound):
        return BadURL("The AWS configuration has no profile of the name that profile= gives.")
    if isinstance(error, aws.TokenRetrievalError | aws.SSOError):
        return AccessRefused("The AWS single sign-on session has expired; run aws sso login again.")
    if isinstance(error, aws.CredentialRetrievalError):
        return AccessRefused("The AWS credentials could not be fetched from where the configuration says they are.")
    return None


def _connection(error: Exception, place: str, timeout: float) -> CollectorError:
    if isinstance(error, aws.ConnectTimeoutError | aws.ReadTimeoutError):
        return TimedOut(f"{place} did not answer within {timeout:g} s; is it reachable from here?")
    if isinstance(error, aws.SSLError):
        return Unreachable(f"No TLS connection to {place}; is the certificate one that this machine trusts?")
    if isinstance(error, aws.ProxyConnectionError):
        return Unreachable(f"The proxy on the way to {place} cannot be reached; see HTTPS_PROXY.")
    if isinstance(error, aws.EndpointConnectionError):
        cause = str(error.kwargs.get("error", "")).lower()
        if "resolve" in cause or "name or service" in cause:
            return Unreachable(
                f"The address of {place} was not found; is the region spelled right, is there a network?"
            )
        return Unreachable(f"No connection to {place}: it was refused or has no route; is it running there?")
    if isinstance(error, ResponseParserError):
        return BadAnswer(f"{place} answered with something that is not SQS.")
    if isinstance(error, aws.NoRegionError | aws.InvalidRegionError | aws.UnknownRegionError):
        return BadURL("The host of an SQS URL is a region, for example sqs://eu-west-1.")
    if isinstance(error, aws.ParamValidationError):
        return BadURL(f"{place} cannot be asked like this; is a parameter of the URL wrong?")
    if isinstance(error, aws.HTTPClientError | aws.ConnectionError | OSError):
        return Unreachable(f"The connection to {place} was lost.")
    return BadAnswer(f"{place} could not be asked: {type(error).__name__}.")


def _scope(text: str, place: str) -> str:
    """A signature for another region: "Credential should be scoped to a valid region"."""
    wrong = "scoped to" in text or "region" in text.lower()
    return f"{place} wants a signature for another region; the URL names the wrong one." if wrong else ""


def _harmless(code: str) -> str:
    """An error code as a word, nothing else of what the peer wrote."""
    return code if re.fullmatch(r"[A-Za-z0-9._-]{1,80}", code) else ""
