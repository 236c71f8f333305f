from __future__ import annotations

import pytest

from collectors import errors
from collectors.errors import CollectorError, Permanent, Transient

EVERY = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, CollectorError)]


def test_the_drawing_of_the_tree_shows_every_error() -> None:
    drawing = errors.__doc__ or ""
    assert [c.__name__ for c in EVERY if c.__name__ not in drawing] == []


@pytest.mark.parametrize("kind", [c for c in EVERY if c not in (CollectorError, Permanent, Transient)])
def test_an_error_is_either_permanent_or_transient_and_says_so(kind: type[CollectorError]) -> None:
    assert issubclass(kind, Permanent) != issubclass(kind, Transient)
    assert kind("Why.").permanent is issubclass(kind, Permanent)
    assert str(kind("Why.")) == "Why."


def test_a_broker_that_refused_has_answered_and_one_that_is_gone_has_not() -> None:
    answered = {kind.__name__ for kind in EVERY if kind("Why.").answered}
    assert answered == {"AccessRefused", "BadAnswer", "NotSupported", "OwnFault", "SignInRefused"}
