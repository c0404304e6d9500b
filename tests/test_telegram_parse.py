"""Telegram's updates become events: recorded payloads, what a fake Telegram sends, and junk."""

from __future__ import annotations

import copy
import json
import warnings
from typing import Any

import aiogram.types
import pytest
import telegram
from fake_telegram_people import CHANNEL_BOT, People
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.events import Document, Edited, Event, Joined, Left, Location, Moved, Photo, Press, Scan, Sticker, Text, Voice
from bot.platforms.telegram_updates import arrival, decode, parse_update

BOT = 123456789
USERNAME = "linshao_test_bot"

# Recorded shapes, with the names changed.
ANYA = {"id": 5012345678, "is_bot": False, "first_name": "Anya", "last_name": "W", "language_code": "zh-hans"}
PRIVATE = {"id": 5012345678, "first_name": "Anya", "last_name": "W", "type": "private"}
GROUP = {"id": -1001987654321, "title": "青禾里党员群", "is_forum": True, "type": "supergroup"}
RECORDED: dict[str, dict[str, Any]] = {
    "start": {
        "update_id": 823549211,
        "message": {
            "message_id": 11, "from": ANYA, "chat": PRIVATE, "date": 1763779200, "text": "/start inv_8hJ2k",
            "entities": [{"offset": 0, "length": 6, "type": "bot_command"}],
        },
    },
    "photo": {
        "update_id": 823549212,
        "message": {
            "message_id": 12, "from": ANYA, "chat": PRIVATE, "date": 1763779210, "media_group_id": "13871234567890123",
            "caption": "路灯不亮",
            "photo": [
                {"file_id": "AgACs", "file_unique_id": "AQADs", "file_size": 1203, "width": 90, "height": 67},
                {"file_id": "AgACy", "file_unique_id": "AQADy", "file_size": 153201, "width": 1280, "height": 960},
                {"file_id": "AgACm", "file_unique_id": "AQADm", "file_size": 19201, "width": 320, "height": 240},
            ],
        },
    },
    "topic": {
        "update_id": 823549213,
        "message": {
            "message_id": 208, "from": ANYA, "chat": GROUP, "date": 1763779220, "message_thread_id": 77,
            "is_topic_message": True, "text": "接单 31",
            "reply_to_message": {
                "message_id": 77, "from": ANYA, "chat": GROUP, "date": 1763770000, "message_thread_id": 77,
                "is_topic_message": True, "forum_topic_created": {"name": "接单", "icon_color": 7322096},
            },
        },
    },
    "press": {
        "update_id": 823549214,
        "callback_query": {
            "id": "4382bfdwdsb323b2d9", "from": ANYA, "chat_instance": "-8812345678901234567", "data": "claim:31",
            "message": {
                "message_id": 210, "chat": GROUP, "date": 1763779230, "message_thread_id": 77, "is_topic_message": True,
                "from": {"id": BOT, "is_bot": True, "first_name": "邻哨", "username": USERNAME}, "text": "【接单】#31",
            },
        },
    },
    "blocked": {
        "update_id": 823549215,
        "my_chat_member": {
            "chat": PRIVATE, "from": ANYA, "date": 1763779240,
            "old_chat_member": {"user": {"id": BOT, "is_bot": True, "first_name": "邻哨"}, "status": "member"},
            "new_chat_member": {
                "user": {"id": BOT, "is_bot": True, "first_name": "邻哨"}, "status": "kicked", "until_date": 0,
            },
        },
    },
    "live location": {
        "update_id": 823549216,
        "edited_message": {
            "message_id": 14, "from": ANYA, "chat": PRIVATE, "date": 1763779250, "edit_date": 1763779260,
            "location": {"latitude": 31.23, "longitude": 121.47, "live_period": 900, "horizontal_accuracy": 12.0},
        },
    },
}  # fmt: skip


def parsed(raw: Any) -> Event | None:
    return parse_update(raw, BOT, USERNAME)


class Street(People):
    """People without a server: every action gives its update at once."""

    def __init__(self) -> None:
        super().__init__(BOT, USERNAME)
        self.anya = self.user("Anya")

    def wake(self) -> None:
        pass

    @property
    def event(self) -> Event | None:
        return parsed(self.updates[-1][1])


@pytest.fixture
def street() -> Street:
    return Street()


def test_a_deep_link_is_a_scan():
    event = parsed(RECORDED["start"])
    assert isinstance(event, Scan)
    assert (event.payload, event.sender.id, event.sender.name) == ("inv_8hJ2k", "5012345678", "Anya W")
    assert (event.chat.id, event.chat.kind, event.message_id, event.sender.language) == (
        "5012345678", "private", "11", "zh-hans",
    )  # fmt: skip


@pytest.mark.parametrize(("said", "payload"), [("/start", ""), ("/start@Linshao_Test_Bot x_1", "x_1")])
def test_a_bare_or_addressed_start_is_a_scan(street, said, payload):
    street.user_says(street.anya, said)
    assert isinstance(street.event, Scan)
    assert street.event.payload == payload


@pytest.mark.parametrize("said", ["/bao 路灯", "/started", "我要报问题", f"@{USERNAME} 接单 31", "/bao@linshao_test_bot 路灯"])
def test_other_commands_and_words_stay_text(street, said):
    street.user_says(street.anya, said)
    assert isinstance(street.event, Text)
    assert street.event.text == said


def test_a_start_in_a_group_is_text_and_another_bots_command_is_nothing(street):
    group = street.group()
    street.user_says(street.anya, f"/start@{USERNAME} x", chat=group)
    assert isinstance(street.event, Text)
    street.user_says(street.anya, "/help@other_bot", chat=group)
    assert street.event is None


def test_a_photo_is_its_largest_size_with_its_album():
    event = parsed(RECORDED["photo"])
    assert isinstance(event, Photo)
    assert (event.file.id, event.file.size, event.file.mime) == ("AgACy", 153201, "image/jpeg")
    assert (event.caption, event.album) == ("路灯不亮", "13871234567890123")


def test_a_size_too_large_to_download_is_passed_over():
    raw = copy.deepcopy(RECORDED["photo"])
    raw["message"]["photo"][1]["file_size"] = 20_000_001
    event = parsed(raw)
    assert isinstance(event, Photo)
    assert event.file.id == "AgACm"


def test_a_picture_sent_as_a_file_is_a_photo_and_any_other_file_a_document(street):
    street.sends_document(street.anya, b"png", "image/png")
    assert isinstance(street.event, Photo)
    assert street.event.file.mime == "image/png"
    street.sends_document(street.anya, b"x", "application/pdf")
    assert isinstance(street.event, Document)
    assert (street.event.name, street.event.file.mime, street.event.file.size) == ("file", "application/pdf", 1)


def test_an_animation_is_no_photo_though_it_comes_as_a_picture_file_too(street):
    gif = {"file_id": "g", "file_unique_id": "ug", "mime_type": "image/gif"}
    street.sends_document(street.anya, b"x", "image/gif", animation=gif | {"width": 1, "height": 1, "duration": 1})
    assert isinstance(street.event, Sticker)


def test_a_topic_is_part_of_the_chat_and_its_opening_message_is_not_answered():
    event = parsed(RECORDED["topic"])
    assert isinstance(event, Text)
    assert (event.chat.id, event.chat.kind, event.chat.title) == ("-1001987654321/77", "group", "青禾里党员群")
    assert event.reply_to == ""


def test_a_reply_inside_a_topic_is_one(street):
    forum = street.group(forum=True)
    topic = street.topic(forum)
    first = street.user_says(street.anya, "一", chat=forum, topic=topic)
    assert street.event.reply_to == ""
    street.user_says(street.anya, "二", chat=forum, topic=topic, reply_to=first["message_id"])
    assert street.event.reply_to == str(first["message_id"])


def test_a_thread_that_is_no_topic_does_not_address_the_chat(street):
    group = street.group()
    first = street.user_says(street.anya, "一", chat=group)
    number = first["message_id"]
    street.user_says(street.anya, "二", chat=group, reply_to=number, message_thread_id=number)
    assert (street.event.chat.id, street.event.reply_to) == (str(group.id), str(number))


def test_a_press_carries_the_action_and_what_to_answer():
    event = parsed(RECORDED["press"])
    assert isinstance(event, Press)
    assert (event.action, event.press_id, event.message_id) == ("claim:31", "4382bfdwdsb323b2d9", "210")
    assert (event.chat.id, event.sender.id) == ("-1001987654321/77", "5012345678")


def test_a_press_on_a_message_too_old_to_see_still_counts_and_one_without_a_chat_does_not():
    raw = copy.deepcopy(RECORDED["press"])
    raw["callback_query"]["message"] = {"chat": GROUP, "message_id": 210, "date": 0}
    event = parsed(raw)
    assert isinstance(event, Press)
    assert (event.chat.id, event.message_id) == ("-1001987654321", "210")
    del raw["callback_query"]["message"]
    raw["callback_query"]["inline_message_id"] = "AAAA"
    assert parsed(raw) is None


def test_membership_in_private_and_in_groups(street):
    assert isinstance(parsed(RECORDED["blocked"]), Left)
    street.blocks_bot(street.anya)
    assert isinstance(street.event, Left)
    street.unblocks_bot(street.anya)
    assert isinstance(street.event, Joined)
    group = street.group()
    street.adds_bot(street.anya, group)
    assert isinstance(street.event, Joined)
    assert (street.event.chat.kind, street.event.sender.id) == ("group", str(street.anya.id))
    street.removes_bot(street.anya, group)
    assert isinstance(street.event, Left)


def test_a_promotion_is_not_a_joining():
    raw = copy.deepcopy(RECORDED["blocked"])
    raw["my_chat_member"]["new_chat_member"]["status"] = "administrator"
    assert parsed(raw) is None


def test_locations_say_how_exact_they_are_and_whether_the_sender_stands_there(street):
    street.sends_location(street.anya, 31.2, 121.4, accuracy=15.5)
    event = street.event
    assert isinstance(event, Location)
    assert (event.lat, event.lon, event.accuracy, event.forwarded) == (31.2, 121.4, 15.5, False)
    street.sends_location(street.anya, 31.2, 121.4, forwarded=True)
    assert (street.event.accuracy, street.event.forwarded) == (None, True)
    place = {"latitude": 31.2, "longitude": 121.4}
    street.sends_location(street.anya, 31.2, 121.4, venue={"location": place, "title": "驿站", "address": "青禾里 1 号"})
    assert isinstance(street.event, Location)
    assert street.event.forwarded


def test_a_moving_live_location_is_nothing():
    assert parsed(RECORDED["live location"]) is None


def test_an_edited_text_is_an_edit(street):
    message = street.user_says(street.anya, "路灯")
    street.edits(street.anya, message, "9幢路灯")
    assert isinstance(street.event, Edited)
    assert (street.event.text, street.event.message_id) == ("9幢路灯", str(message["message_id"]))


def test_voice_and_music_are_voice(street):
    street.sends_voice(street.anya, seconds=7)
    assert isinstance(street.event, Voice)
    assert (street.event.seconds, street.event.file.mime) == (7, "audio/ogg")


def test_a_migration_is_the_same_event_from_either_chat(street):
    old = street.group(basic=True)
    new = street.migrates(old, street.anya)
    both = [parsed(update) for _, update in street.updates[-2:]]
    assert [type(event) for event in both] == [Moved, Moved]
    assert {(event.chat.id, event.new_chat_id) for event in both} == {(str(old.id), str(new.id))}


def test_an_anonymous_administrator_is_the_group_and_a_speaking_channel_is_nobody(street):
    group = street.group()
    street.user_says(street.anya, "绑定 党员群", chat=group, anonymous=True)
    assert isinstance(street.event, Text)
    assert street.event.sender.anonymous
    assert street.event.sender.id == f"chat:{group.id}"
    assert arrival(street.updates[-1][1]).lane == f"chat:{group.id}"
    raw = copy.deepcopy(street.updates[-1][1])
    raw["message"] |= {"from": CHANNEL_BOT, "sender_chat": {"id": -1009, "type": "channel", "title": "x"}}
    assert parsed(raw) is None


@pytest.mark.parametrize(
    "change",
    [
        {"from": {"id": 9, "is_bot": True, "first_name": "other"}},
        {"via_bot": {"id": BOT, "is_bot": True, "first_name": "邻哨"}},
        {"chat": {"id": -1009, "type": "channel", "title": "x"}},
    ],
)
def test_bots_channels_and_our_own_inline_results_are_nothing(change):
    raw = copy.deepcopy(RECORDED["start"])
    raw["message"] |= change
    assert parsed(raw) is None


@pytest.mark.parametrize("kind", sorted(telegram.constants.MessageAttachmentType))
def test_every_kind_of_attachment_is_some_event(kind):
    """The library's list of what a message can carry: what we do not know at all would be met with silence."""
    if kind in {"invoice", "successful_payment", "passport_data"}:  # only bots that sell send or get these
        return
    place = {"latitude": 31.2, "longitude": 121.4}
    content = {"photo": [{"file_id": "x"}], "location": place, "venue": {"location": place}}.get(kind, {"file_id": "x"})
    raw = copy.deepcopy(RECORDED["start"])
    raw["message"] = {name: raw["message"][name] for name in ("message_id", "from", "chat", "date")} | {str(kind): content}
    assert parsed(raw) is not None


def test_service_messages_are_nothing():
    for kind, content in {
        "new_chat_members": [ANYA], "pinned_message": {}, "forum_topic_created": {}, "new_chat_title": "x", "new": {},
    }.items():  # fmt: skip
        raw = copy.deepcopy(RECORDED["start"])
        del raw["message"]["text"]
        raw["message"][kind] = content
        assert parsed(raw) is None


def test_the_lane_is_who_acts():
    lanes = {name: arrival(raw).lane for name, raw in RECORDED.items()}
    assert set(lanes.values()) == {"5012345678"}
    assert arrival({"update_id": 5, "poll": {"id": "1"}}).lane == "update:5"
    assert arrival(RECORDED["start"]).event_id == "823549211"


@pytest.mark.parametrize("raw", [None, 3, "x", [], {}, {"update_id": "3"}, {"update_id": True}, {"update_id": 1.0}])
def test_what_is_no_update_does_not_arrive(raw):
    assert arrival(raw) is None


def test_what_no_database_takes_is_taken_out():
    raw = decode(b'{"update_id": 1, "message": {"text": "a\\u0000b\\ud800c", "x": ["\\udfff"]}}')
    stored = arrival(raw).raw
    assert stored["message"] == {"text": "a\ufffdb\ufffdc", "x": ["\ufffd"]}
    assert "\\u0000" not in json.dumps(stored)
    json.dumps(stored, ensure_ascii=False).encode()


@pytest.mark.parametrize("body", [b"", b"{", b'{"update_id": NaN}', b"[" * 100_000, b"\xff\xfe", b"1" * 5000])
def test_what_is_no_json_is_refused(body):
    with pytest.raises(ValueError, match=r"JSON|Expecting|deep|decode|Exceeds"):
        decode(body)


def test_the_recorded_updates_are_real():
    """Both libraries' types take them, and agree with us about who wrote where."""
    for raw in RECORDED.values():
        theirs = aiogram.types.Update.model_validate(raw)
        update = telegram.Update.de_json(copy.deepcopy(raw), None)
        event = parsed(raw)
        assert theirs.update_id == update.update_id == raw["update_id"]
        if event is not None:
            assert event.sender.id == str(update.effective_user.id)
            assert event.chat.id.partition("/")[0] == str(update.effective_chat.id)


WORDS = [
    "update_id", "message", "edited_message", "callback_query", "my_chat_member", "from", "chat", "id", "text", "photo",
    "location", "type", "data",
]  # fmt: skip
ATOMS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([]), st.just({}),
    st.just([{}]), st.sampled_from([2**70, -1, 0, "private", "\ud800", {"id": 1}, [[1]]]),
)  # fmt: skip


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        found += paths(inner, (*path, name))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    raw = copy.deepcopy(draw(st.sampled_from(list(RECORDED.values()) + FAKED)))
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(paths(raw)))
        place = raw
        try:
            for name in way:
                place = place[name]
            if draw(st.booleans()):
                place[last] = copy.deepcopy(draw(ATOMS))
            else:
                del place[last]
        except (KeyError, IndexError, TypeError):
            pass
        if not paths(raw):
            break
    return raw


def _faked() -> list[dict[str, Any]]:
    street = Street()
    forum, basic = street.group(forum=True), street.group(basic=True)
    street.user_says(street.anya, "/bao x", chat=forum, topic=street.topic(forum))
    street.user_says(street.anya, "x", chat=basic, anonymous=True)
    street.sends_voice(street.anya)
    street.sends_location(street.anya, 1.0, 2.0, accuracy=3.0)
    street.sends_document(street.anya, b"x", "image/png")
    street.migrates(basic)
    return [update for _, update in street.updates]


FAKED = _faked()


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_no_mutation_of_an_update_raises(raw):
    event = parsed(raw)
    assert event is None or isinstance(event, Event)
    if event is not None:
        assert event.sender.id
        assert event.chat.id
    came = arrival(raw)
    assert came is None or came.lane


@settings(max_examples=200, deadline=None)
@given(st.recursive(ATOMS, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(WORDS), inner), max_leaves=30))
def test_no_junk_raises(raw):
    parsed(raw)
    arrival(raw)


def test_the_mutations_do_break_the_library_types():
    """The negative control: the same kind of damage makes the types that we do not use fail."""
    raw = copy.deepcopy(RECORDED["photo"])
    raw["message"]["photo"][0] = None
    raw["message"]["date"] = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((TypeError, AttributeError, KeyError)):
            telegram.Update.de_json(raw, None)
    assert isinstance(parsed(raw), Photo)
