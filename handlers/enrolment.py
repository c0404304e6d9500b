"""A member's 双报到.

member: 双报到 何晚晴 U05 青禾苑9幢 护理 周六      bot: what is kept and why: 同意 / 不同意
member: [同意]                                    bot: asks only what is missing: kind, unit, home, skills, times
member: [提交] on the card                        bot: grid, branch, who confirms by when, the yearly target
What comes after that is in handlers/my_enrolment.py.
"""

from __future__ import annotations

from bot.events import Do, Location, Photo, Press, Sticker, Text, Voice
from bot.router import End, Phrase, Reply, Router, Say
from handlers.enrolment_steps import ANSWER, FORM, IN_FORM, Enrolment, ask_next
from services import Context, enrolment_form, enrolments
from texts import membership_screens
from texts.screen import screen

router = Router("enrolment")


# -- beginning
@router.message(Phrase("enrol"), to=FORM)
@router.message(Phrase("enrol_loosely"), to=FORM)
async def begin(message: Text, context: Context, text: str) -> Reply:
    await enrolments.refuse_second(context, context.actor.id)
    if text or not await enrolment_form.resume(context):
        await enrolment_form.begin(context)
        await enrolment_form.prefill(context)
        await enrolment_form.take(context, text)
    return await ask_next(context)


@router.press(Do.enrol, to=FORM, where="private")
async def begin_pressed(press: Press, context: Context) -> Reply:
    await enrolments.refuse_second(context, context.actor.id)
    if not await enrolment_form.resume(context):
        await enrolment_form.begin(context)
        await enrolment_form.prefill(context)
    return await ask_next(context)


@router.press(Do.enrol_agree, to=FORM, where="private")
async def take_consent(press: Press, context: Context, draft: str, answer: str) -> Reply:
    if answer == "no":
        await enrolment_form.discard(context, draft)
        return End(screen("enrolment.no_consent"), clear=True)
    await enrolment_form.agree(context, draft)
    return await ask_next(context, clear=True)


# -- answering
@router.message(Enrolment.consent, ANSWER, to=FORM)
async def take_before_consent(message: Text, context: Context) -> Reply:
    """What is said before the consent waits in the form, and the consent is still asked for."""
    await enrolment_form.take(context, message.text)
    return await ask_next(context)


@router.message(Enrolment.name, ANSWER, to=FORM)
@router.message(Enrolment.phone, ANSWER, to=FORM)
@router.message(Enrolment.kind, ANSWER, to=FORM)
@router.message(Enrolment.unit, ANSWER, to=FORM)
@router.message(Enrolment.home, ANSWER, to=FORM)
@router.message(Enrolment.skills, ANSWER, to=FORM)
@router.message(Enrolment.times, ANSWER, to=FORM)
async def take_answer(message: Text, context: Context, step: str) -> Reply:
    await enrolment_form.take(context, message.text, step.partition(":")[2])
    return await ask_next(context)


@router.message(Enrolment.confirm, ANSWER, to=FORM)
async def take_correction(message: Text, context: Context) -> Reply:
    await enrolment_form.take(context, message.text, "confirm")
    return await ask_next(context)


@router.photo(IN_FORM)
@router.voice(IN_FORM)
@router.sticker(IN_FORM)
async def ask_for_words(event: Photo | Voice | Sticker, context: Context) -> Reply:
    """A form is filled in words; what else comes is not kept, and the question still stands."""
    return Say(membership_screens.words_only())


@router.location(Enrolment.home, to=FORM)
async def take_point(location: Location, context: Context) -> Reply:
    enrolment_form.put_point(context, location.lat, location.lon)
    return await ask_next(context)


@router.press(Do.enrol_pick, to=FORM, where="private")
async def take_choice(press: Press, context: Context, draft: str, field: str, value: str) -> Reply:
    await enrolment_form.open_draft(context, draft)
    await enrolment_form.choose(context, field, value)
    toggled = field == "times" and value != "-"
    return await ask_next(context, clear=not toggled, edit=toggled)


@router.press(Do.enrol_change, to=FORM, where="private")
async def change(press: Press, context: Context, draft: str, field: str) -> Reply:
    await enrolment_form.open_draft(context, draft)
    enrolment_form.reopen(context, field)
    return await ask_next(context, clear=True)


@router.press(Do.enrol_submit, where="private")
async def submit(press: Press, context: Context, draft: str) -> Reply:
    return End(await enrolments.submit(context, draft), clear=True)


@router.press(Do.enrol_discard, where="private")
async def discard(press: Press, context: Context, draft: str) -> Reply:
    await enrolment_form.discard(context, draft)
    return End(screen("report.discarded"), clear=True)
