"""State that is not samples: brokers, queues, people. Kept in Django's database."""

from .answers import KeptAnswer
from .audit import AuditEntry
from .brokers import Broker
from .people import Role, SignInLink, Token, User
from .places import Fact
from .queues import Queue, Relation

__all__ = ["AuditEntry", "Broker", "Fact", "KeptAnswer", "Queue", "Relation", "Role", "SignInLink", "Token", "User"]
