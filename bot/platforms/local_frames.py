"""The frames of the web chat (docs/webchat.md): what is taken from a client, what is refused, how a message is written."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from services import photos
from services.geography import valid_point
from services.media import store
from texts.render import Rendered

MOST_BYTES = 28 * 1024 * 1024
MOST_FILE = 20 * 1024 * 1024
MOST_TEXT = 4096
MOST_NAME = 120
FILES = frozenset({"photo", "voice", "file"})


class BadFrame(Exception):
    """A frame that cannot be taken; the sentence is for the one who sent it."""


def parsed(data: str) -> dict[str, Any]:
    """The frame in a text. Raises BadFrame: no JSON object, or none with an id."""
    try:
        frame = json.loads(data)
        if "\\ud" in data.lower():  # halves of surrogate pairs, which no UTF-8 can hold
            frame = json.loads(json.dumps(frame, ensure_ascii=False).encode(errors="replace"))
    except ValueError as error:
        raise BadFrame(f"not JSON: {error}") from error
    if not isinstance(frame, dict) or not isinstance(frame.get("id"), str) or not 0 < len(frame["id"]) <= 100:
        raise BadFrame("a frame is a JSON object with a string id of 1 to 100 characters")
    return frame


def check(frame: Mapping[str, Any]) -> None:
    """Raises BadFrame for what no frame may be."""
    if not isinstance(frame.get("type"), str) or not isinstance(frame.get("reply_to", ""), str):
        raise BadFrame("type and reply_to are strings")


def words(frame: Mapping[str, Any]) -> str:
    """What a text frame says. Raises BadFrame."""
    text = frame.get("text")
    if not isinstance(text, str) or not text.strip():
        raise BadFrame("text is empty")
    if len(text) > MOST_TEXT:
        raise BadFrame(f"text is longer than {MOST_TEXT} characters")
    return text.replace("\x00", "")


def payload(frame: Mapping[str, Any]) -> str:
    """What a start frame brings from a deep link. Raises BadFrame."""
    found = frame.get("payload", "")
    if not isinstance(found, str) or len(found) > 64 or not found.isprintable():
        raise BadFrame("payload is a string of at most 64 characters")
    return found


def point(frame: Mapping[str, Any]) -> dict[str, Any]:
    """Where a location frame is. Raises BadFrame."""
    lat, lon, accuracy = frame.get("lat"), frame.get("lon"), frame.get("accuracy")
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (lat, lon))
    if not numbers or not valid_point(float(lat), float(lon)):  # type: ignore[arg-type]
        raise BadFrame("lat and lon are degrees (WGS84)")
    if accuracy is not None and (isinstance(accuracy, bool) or not isinstance(accuracy, int | float) or not accuracy >= 0):
        raise BadFrame("accuracy is in metres")
    return {"lat": lat, "lon": lon, "accuracy": accuracy, "forwarded": frame.get("forwarded") is True}


async def kept_file(frame: Mapping[str, Any], media: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Store a photo, a recording or a document: what the event needs of it, and how it is shown under the path `media`. Raises BadFrame."""
    try:
        data = base64.b64decode(frame.get("data", ""), validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise BadFrame("data is not base64") from error
    if not data:
        raise BadFrame("data is empty")
    if frame["type"] == "file" and len(data) > MOST_FILE:
        raise BadFrame(f"a file has at most {MOST_FILE // 2**20} MB")
    sha256 = await asyncio.to_thread(store.write, data)
    if frame["type"] == "voice":
        return {"file": sha256}, {"text": "", "voice": f"{media}{sha256}"}
    if frame["type"] == "file":
        name = "".join(sign for sign in str(frame.get("name", "")) if sign.isprintable() and sign not in "/\\")[-MOST_NAME:] or "file"
        shown = {"name": name, "url": f"{media}{sha256}", "mime": "application/octet-stream"}
        return {"file": sha256, "name": name, "size": len(data)}, {"text": "", "document": shown}
    return {"file": sha256}, await _picture(frame, data, media)


async def _picture(frame: Mapping[str, Any], data: bytes, media: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"text": str(frame.get("caption", ""))}
    if frame.get("album"):
        shown["album"] = str(frame["album"])
    try:
        clean = await asyncio.to_thread(photos.clean, data)
        shown["photo"] = f"{media}{await asyncio.to_thread(store.write, clean.data)}"
    except photos.UnusablePhoto:
        shown["text"] = shown["text"] or "🖼"
    return shown


def body(message: Rendered) -> dict[str, Any]:
    """A message of the bot as it is kept: what begins with _ is for the service alone."""
    buttons = [
        [{"label": b.label, "action": b.action} if b.action else {"label": b.label, "url": f"/?start={b.start}"} for b in row]
        for row in message.buttons
    ]
    made: dict[str, Any] = {"text": message.text, "buttons": buttons, "_menu": dict(message.menu)}
    if message.ask_location:
        made["ask_location"] = True
    return made


def action_of(kept: Mapping[str, Any], button: str) -> str | None:
    """The action that a button's label (or its action) means on a kept message: every button it has ever had counts."""
    menu: dict[str, str] = kept.get("_menu", {})
    shown = {b["label"]: b["action"] for line in kept.get("buttons", []) for b in line if "action" in b}
    return shown.get(button) or menu.get(button) or (button if button in {*menu.values(), *shown.values()} else None)
