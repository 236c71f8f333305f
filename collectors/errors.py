"""What can go wrong while speaking to a broker.

The whole tree; callers catch `CollectorError` or one of its children::

    CollectorError
    ├── Permanent                trying again cannot help until a person changes something
    │   ├── BadURL               the broker URL is wrong: says what, where, what to do
    │   ├── AccessRefused        the broker answered: a permission is missing
    │   │   └── SignInRefused    or the user or the password is wrong
    │   ├── NotSupported         this broker (or its version) cannot do that
    │   └── Expired              a lease has passed its time: nothing may be sent on it any more
    └── Transient                trying again may help
        ├── Unreachable          no connection: refused, name not found, TLS failed, reset
        ├── TimedOut             the broker did not answer in time
        ├── Busy                 the broker takes nothing for now: nothing was sent
        ├── BadAnswer            the broker answered, but not in a way that can be understood
        └── OwnFault             a bug of Weir's; its log has the traceback

Each message is one sentence for a person, and never holds a password.
"""

from __future__ import annotations


class CollectorError(Exception):
    """Base of every failure in `collectors`. `str(error)` is one sentence for a person."""

    permanent = False

    @property
    def answered(self) -> bool:
        """Whether the broker itself answered (then it is failing, not silent)."""
        return isinstance(self, AccessRefused | BadAnswer | NotSupported | OwnFault)


class Permanent(CollectorError):
    """Trying again cannot help until a person changes something."""

    permanent = True


class BadURL(Permanent):
    """The broker URL cannot be used; the sentence names the part that is wrong."""


class AccessRefused(Permanent):
    """The broker answered, and refused: a wrong password or a missing permission."""


class SignInRefused(AccessRefused):
    """The broker does not know the user, or the password is another one, perhaps since a moment ago."""


class NotSupported(Permanent):
    """The broker, or its version, cannot do what was asked."""


class Expired(Permanent):
    """A lease has passed its time: what it held may be in other hands, nothing may be sent or removed on it."""


class Transient(CollectorError):
    """Trying again may help."""


class Unreachable(Transient):
    """No connection could be made, or it was lost."""


class TimedOut(Transient):
    """The broker did not answer in time."""


class Busy(Transient):
    """The broker takes no messages for now (an alarm, a throttle). Raised before anything was sent."""


class BadAnswer(Transient):
    """The broker answered with something that cannot be understood."""


class OwnFault(Transient):
    """Weir itself failed: a bug, of which the log has the traceback. The broker is not to blame, and not silent."""
