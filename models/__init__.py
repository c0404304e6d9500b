"""SQLModel tables by subject. Importing this package registers every table on `SQLModel.metadata`."""

from models.administration import Announcement, AuditLog, DeletionRequest, DutyShift, ExportFile, OrgUnit
from models.community import Chat, Community, Grid, HolidayDay, PartnerUnit, Place, Setting
from models.governance import (
    ActionItem,
    AgendaItem,
    Attendance,
    Commitment,
    CommitmentVote,
    DigestRun,
    Meeting,
    Minutes,
)
from models.membership import Enrollment, PartyMember, Post, PostClaim, ResourceItem, ServiceRecord, TaskOffer, Team, TeamMember
from models.people import ChatAccount, ConsentRecord, Invitation, Person, RoleAssignment
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
    "ActionItem", "AgendaItem", "Announcement", "AnonymousToken", "Attendance", "AuditLog", "Chat", "ChatAccount", "CheckIn", "Claim",
    "Commitment", "CommitmentVote", "Community", "ConsentRecord", "Conversation", "Counter", "DeletionRequest", "DigestRun", "Draft",
    "DutyShift", "Encrypted", "EncryptedJSON", "Enrollment", "Evaluation", "ExportFile", "Grid", "HolidayDay", "InboxMessage",
    "Invitation", "Keyring", "Lease", "LocalMessage", "Media", "Meeting", "Minutes", "Occurrence", "Order", "OrgUnit", "OutboxMessage",
    "PartnerUnit", "PartyMember", "Person", "Place", "Post", "PostClaim", "Problem", "ProblemLink", "ProblemMessage", "ProblemSupporter",
    "ResourceItem", "RoleAssignment", "ServiceRecord", "Setting", "StateLog", "Task", "TaskOffer", "Team", "TeamMember", "UTCDateTime",
    "keyring", "new_id",
]  # fmt: skip
