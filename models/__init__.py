"""SQLModel tables by subject. Importing this package registers every table on `SQLModel.metadata`."""

from models.community import Chat, Community, Grid, HolidayDay, PartnerUnit, Place, Setting
from models.people import ChatAccount, ConsentRecord, Invitation, PartyMember, Person, RoleAssignment
from models.problems import (
    AnonymousToken,
    Evaluation,
    Media,
    Problem,
    ProblemLink,
    ProblemMessage,
    ProblemSupporter,
)
from models.system import (
    Conversation,
    Counter,
    Draft,
    InboxMessage,
    Lease,
    LocalMessage,
    Occurrence,
    OutboxMessage,
    StateLog,
)
from models.types import Encrypted, EncryptedJSON, Keyring, UTCDateTime, keyring, new_id
from models.work import CheckIn, Claim, Order, Task

__all__ = [
    "AnonymousToken", "Chat", "ChatAccount", "CheckIn", "Claim", "Community", "ConsentRecord", "Conversation", "Counter", "Draft",
    "Encrypted", "EncryptedJSON", "Evaluation", "Grid", "HolidayDay", "InboxMessage", "Invitation", "Keyring", "Lease", "LocalMessage",
    "Media", "Occurrence", "Order", "OutboxMessage", "PartnerUnit", "PartyMember", "Person", "Place", "Problem", "ProblemLink",
    "ProblemMessage", "ProblemSupporter", "RoleAssignment", "Setting", "StateLog", "Task", "UTCDateTime", "keyring", "new_id",
]  # fmt: skip
