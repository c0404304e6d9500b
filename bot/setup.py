"""The command line of a community's beginning: init, template, import, export."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bot.settings import Settings
from models import keyring
from models.database import Database, migrate
from services import exporting, holiday_notice, holidays, importing, invitations, setup
from services.clock import SystemClock
from services.context import Actor, Context, Grant, Refusal, ground
from services.crs import system_of
from texts import holiday_screens, setup_screens
from texts.render import LANGUAGES, text
from texts.screen import Key, Screen

# Who sits at the server may do whatever an administrator may.
OPERATOR = Actor(None, (Grant("admin"), Grant("community_clerk")))
QUESTIONS = ("community", "city", "district", "street", "administrator", "phone")
_MUST = ("community", "administrator")


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[Database]:
    keyring.use(settings.encryption_keys, settings.hash_key)
    await migrate(settings.DATABASE_URL)
    database = Database(settings.DATABASE_URL)
    try:
        yield database
    finally:
        await database.close()


def _say(screen: Screen, language: str) -> None:
    print(text(screen.key, screen.values, language))


async def begin(settings: Settings, file: str = "", language: str = "", ask: Callable[[str], str] = input) -> int:
    """Make the community and its first administrator from a file or from answers on the terminal; print the administrator's link."""
    try:
        answers = _from_file(file) if file else _from_terminal(language, ask)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        print(text("init.bad_file", {"reason": str(error)}, language or "zh_CN"), file=sys.stderr)
        return 1
    except EOFError:
        print(text("init.no_terminal", {}, language or "zh_CN"), file=sys.stderr)
        return 1
    chosen = language or (answers["language"] if answers.get("language") in LANGUAGES else "zh_CN")
    if missing := [name for name in _MUST if not answers.get(name)]:
        print(text("init.missing", {"what": [Key(f"init.{name}") for name in missing]}, chosen), file=sys.stderr)
        return 1
    beginning = setup.Beginning(language=chosen, **{name: answers.get(name, "") for name in QUESTIONS})
    now = SystemClock().now()
    async with _store(settings) as database:
        try:
            async with database.transaction() as session:
                person = await setup.begin(session, beginning, now)
                token = await invitations.invite(session, person, now)
        except Refusal as refusal:
            print(text(refusal.key, refusal.values, chosen), file=sys.stderr)
            return 1
    said = f"/start {invitations.PREFIX}{token}"
    links = await links_of(settings, token)
    links.append(text("init.or_say", {"command": said}, chosen) if links else said)
    shown = dict(zip(("address1", "address2"), [*links, None, None], strict=False))
    print(text("init.done", {"community": beginning.community, "name": beginning.administrator, **shown}, chosen))
    if settings.demo:
        print(text("init.demo", {}, chosen), file=sys.stderr)
    return 0


def _from_file(file: str) -> dict[str, str]:
    data = tomllib.loads(Path(file).read_text("utf-8-sig"))
    return {name: str(value).strip() for name, value in data.items() if isinstance(value, str | int)}


def _from_terminal(language: str, ask: Callable[[str], str]) -> dict[str, str]:
    if not language:
        said = ask(f"{text('init.language', {}, 'zh_CN')} [zh_CN]: ").strip()
        language = said if said in LANGUAGES else "zh_CN"
    answers = {name: ask(f"{text(f'init.{name}', {}, language)}: ").strip() for name in QUESTIONS}
    return answers | {"language": language}


async def links_of(settings: Settings, token: str) -> list[str]:
    """The addresses that open a chat with the bot and redeem the token, as far as they are known without a running service."""
    found = []
    if settings.TELEGRAM_BOT_TOKEN is not None:
        from bot.platforms.telegram import bot_name

        if name := str(await bot_name(settings.TELEGRAM_BOT_TOKEN.get_secret_value(), settings.TELEGRAM_API_URL)):
            found.append(f"https://t.me/{name}?start={invitations.PREFIX}{token}")
    if settings.PUBLIC_URL and settings.web_chat:
        found.append(f"{settings.PUBLIC_URL}/?start={invitations.PREFIX}{token}")
    return found


async def write_template(file: str) -> int:
    """Write the empty workbook to `file`."""
    Path(file).write_bytes(exporting.template())
    print(file)
    return 0


async def bring_in(settings: Settings, files: Sequence[str], crs: str = "", language: str = "zh_CN") -> int:
    """Import these files together, all or nothing; every fault with its place. 1 where there is one."""
    system = system_of(crs) if crs else None
    if crs and system is None:
        print(text("fault.bad_crs", {"said": crs, "known": ("WGS84", "GCJ02")}, language), file=sys.stderr)
        return 2
    try:
        sources = [importing.Source(Path(file).name, Path(file).read_bytes(), system) for file in files]
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    async with _store(settings) as database, database.transaction() as session:
        context = await _context(session, language)
        if context is None:
            return 1
        plan = await importing.carry_out(context, sources)
    names = ", ".join(source.name for source in sources)
    if plan.faults:
        print(text("setup.faulty", {**_empty(), "name": names, "count": len(plan.faults), "more": None}, language), file=sys.stderr)
        for fault in plan.faults:
            print(text(fault.words().name, fault.words().values, language), file=sys.stderr)
        return 1
    counts = {sheet: (count.new, count.changed, count.same) for sheet, count in plan.counts.items()}
    _say((setup_screens.imported if plan.changes else setup_screens.nothing_new)(names, counts), language)
    return 0


def _empty() -> dict[str, None]:
    return {f"fault{number}": None for number in range(1, setup_screens.SHOWN_FAULTS + 1)}


async def take_out(settings: Settings, file: str, language: str = "zh_CN") -> int:
    """Write the community's data to `file` in the form of the template."""
    async with _store(settings) as database, database.transaction() as session:
        context = await _context(session, language)
        if context is None:
            return 1
        data = await exporting.export(context)
    target = Path(file)
    target.write_bytes(data)
    target.chmod(0o600)  # names and telephones
    print(file)
    return 0


async def enter_holidays(settings: Settings, file: str, check: bool = False, language: str = "zh_CN") -> int:
    """Read a year's notice of holidays (.txt, .docx), say what was understood, and enter it unless `check`. 1 where it does not add up.

    A workbook (.xlsx) is imported with its sheet of holidays.
    """
    if not holidays.is_notice(file):
        return await bring_in(settings, [file], "", language)
    try:
        notice = holiday_notice.read(holidays.text_of(file, Path(file).read_bytes()))
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    except Refusal as refusal:
        print(text(refusal.key, refusal.values, language), file=sys.stderr)
        return 1
    shown = holidays.shown(notice)
    print(text(shown.key, shown.values, language), file=sys.stderr if notice.faults else sys.stdout)
    if notice.faults or notice.year is None:
        return 1
    if check:
        return 0
    async with _store(settings) as database, database.transaction() as session:
        context = await _context(session, language)
        if context is None:
            return 1
        changed = await holidays.enter(context, notice)
    _say(holiday_screens.entered(notice.year, len(notice.days), changed), language)
    return 0


async def _context(session: object, language: str) -> Context | None:
    try:
        land = await ground(session)  # type: ignore[arg-type]
    except LookupError:
        print(text("init.none", {}, language), file=sys.stderr)
        return None
    return Context(session, SystemClock().now(), OPERATOR, land, f"operator:{re.sub('[^0-9]', '', SystemClock().now().isoformat())}")  # type: ignore[arg-type]
