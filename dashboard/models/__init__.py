"""State that is not samples: brokers, queues, people. Kept in Django's database."""

from .alerts import Incident, IncidentNote, Notifier, Rule, RuleMemory, Severity, Silence, Telling
from .answers import KeptAnswer
from .audit import AuditEntry
from .brokers import Broker
from .people import Role, SignInLink, Token, User
from .places import Fact
from .queues import Queue, Relation
from .tags import TagRule
from .views import SavedView
from .wallboards import Wallboard

__all__ = [
    "AuditEntry",
    "Broker",
    "Fact",
    "Incident",
    "IncidentNote",
    "KeptAnswer",
    "Notifier",
    "Queue",
    "Relation",
    "Role",
    "Rule",
    "RuleMemory",
    "SavedView",
    "Severity",
    "SignInLink",
    "Silence",
    "TagRule",
    "Telling",
    "Token",
    "User",
    "Wallboard",
]
