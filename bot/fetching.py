"""Files, which are fetched and made safe before the turn's transaction begins."""

from __future__ import annotations

import asyncio
import dataclasses

from bot.events import Document, Photo, Voice
from bot.platforms.base import Platform, Refused
from services import photos

VOICE_BYTES = 10 * 1024 * 1024
DOCUMENT_BYTES = 2 * 1024 * 1024


async def fetched(platform: Platform, event: Photo | Voice | Document) -> Photo | Voice | Document:
    """The event with its file, or with the problem that there is with it. Raises NotSent when it should be tried again later."""
    try:
        if isinstance(event, Document) and (event.chat.kind != "private" or event.file.size > DOCUMENT_BYTES):
            return dataclasses.replace(event, problem="too_large")  # what nobody may use is not fetched
        data = await platform.fetch(event.file)
        if isinstance(event, Photo):
            cleaned = await asyncio.to_thread(photos.clean, data)
            return dataclasses.replace(event, data=cleaned.data)
        if len(data) > (DOCUMENT_BYTES if isinstance(event, Document) else VOICE_BYTES):
            return dataclasses.replace(event, problem="too_large")
        return dataclasses.replace(event, data=data)
    except photos.UnusablePhoto as error:
        return dataclasses.replace(event, problem=error.reason)
    except Refused:
        return dataclasses.replace(event, problem="unavailable")
