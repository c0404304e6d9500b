"""The names by which the web chat's own history knows chats and messages, and what leaves it for the sake of an anonymous reporter.

Only keyed names stand in its columns: without the key nothing there joins a message with an account, a problem or a token
(domain.md §0.5). What a sealed report was made of leaves the history in the turn that seals it, and the answers to it with the sealed
return address. On other platforms there is nothing under these names, and so nothing to do.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from sqlmodel import col

from models import AnonymousToken, Draft, LocalMessage, Problem, keyring
from services.context import Context

_ZERO = bytes(8)


def chat_key(address: str) -> str:
    """The name of a chat's history: a keyed hash for a private one, its own name for a group."""
    return keyring.hash("web chat", address) if address.startswith("private:") else address


def _cipher() -> Cipher[modes.ECB]:
    key = hmac.digest(keyring.hash_key, b"names of web messages", hashlib.sha256)[:16]
    return Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 (one block, so there is nothing to chain; the same number must give the same name)


def message_name(number: int) -> str:
    """The name of the message with this row number: enciphered, so that an outbox row that carries it leads to no history."""
    block = _cipher().encryptor().update(number.to_bytes(8, "big") + _ZERO)
    return "m" + base64.urlsafe_b64encode(block).decode().rstrip("=")


def message_number(name: str) -> int:
    """The row number of a message; 0 for a name that we never gave."""
    if len(name) != 23 or not name.startswith("m"):
        return 0
    try:
        block = base64.b64decode(name[1:] + "==", altchars=b"-_", validate=True)
    except binascii.Error:
        return 0
    plain = _cipher().decryptor().update(block)
    return int.from_bytes(plain[:8], "big") if plain[8:] == _ZERO else 0


async def forget_draft(context: Context, draft: Draft) -> None:
    """What a sealed report was made of leaves the history: the person's own words since it was begun, and the cards that show them."""
    if context.chat is None or not context.private:
        return
    began = message_number(draft.data.get("began", ""))
    rows = await context.session.scalars(
        sa.select(LocalMessage).where(col(LocalMessage.chat) == chat_key(context.chat.address), col(LocalMessage.id) >= began)
    )
    for row in rows:
        if row.sender is not None or any(draft.id in action for action in row.body.get("_menu", {}).values()):
            await context.session.delete(row)


async def forget_answers(context: Context) -> None:
    """Answers to anonymous reports whose return address is destroyed now leave the history with it."""
    due = sa.select(AnonymousToken, col(Problem.code)).join(Problem, col(Problem.token_id) == AnonymousToken.id)
    due = due.where(col(AnonymousToken.purge_at) <= context.now, col(AnonymousToken.return_address).is_not(None))
    for token, code in (await context.session.execute(due)).all():
        address = (token.return_address or "").split("\n", 3)[2]
        rows = await context.session.scalars(sa.select(LocalMessage).where(col(LocalMessage.chat) == chat_key(address)))
        for row in rows:
            if code in str(row.body.get("text", "")):
                await context.session.delete(row)
