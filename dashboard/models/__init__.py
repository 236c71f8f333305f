"""State that is not samples: brokers, queues, dead letters, people. Kept in Django's database."""

from .alerts import Incident, IncidentNote, Notifier, Rule, RuleMemory, Severity, Silence, Telling
from .answers import KeptAnswer
from .audit import AuditEntry
from .brokers import Broker
from .facts import Fact
from .letters import Cause, DeadLetterMark, Letter, LetterBody, LetterClock, Look, MaskRule, Place
from .notes import Note
from .people import Role, SignInLink, Token, User
from .queues import Queue, Relation
from .replays import Replay
from .tags import TagRule
from .views import SavedView
from .wallboards import Wallboard

__all__ = [
    "AuditEntry",
    "Broker",
    "Cause",
    "DeadLetterMark",
    "Fact",
    "Incident",
    "IncidentNote",
    "KeptAnswer",
    "Letter",
    "LetterBody",
    "LetterClock",
    "Look",
    "MaskRule",
    "Note",
    "Notifier",
    "Place",
    "Queue",
    "Relation",
    "Replay",
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
