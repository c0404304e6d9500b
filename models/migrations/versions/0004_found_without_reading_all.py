"""Indexes for what was looked for in tables that grow for ever: cards by name, merged and anonymous problems, private chats, files by content.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_outbox_card", table_name="outbox")
    op.create_index("ix_outbox_card", "outbox", ["card", "chat_id"])
    op.create_index("ix_problem_merged_into_id", "problem", ["merged_into_id"])
    op.create_index("ix_problem_token_id", "problem", ["token_id"])
    op.create_index("ix_chat_account_private_chat_id", "chat_account", ["private_chat_id"])
    op.create_index("ix_media_sha256", "media", ["sha256"])


def downgrade() -> None:
    raise NotImplementedError("put back the copy of the database that was made before this version was started")
