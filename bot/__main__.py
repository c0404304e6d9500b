"""The command line: `python -m bot COMMAND`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from bot.settings import Settings, SettingsError, load_settings, new_keys


async def run(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Start the service and stay until it is told to stop."""
    from bot.main import Application, set_up_logging
    from services import understanding

    set_up_logging(settings)
    understanding.prepare()
    application = Application(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, application.stopped.set)
    try:
        await application.start()
    except OSError as error:
        print(f"cannot start: {error}. Is another process on port {settings.HTTP_PORT}? Set HTTP_PORT.", file=sys.stderr)
        await application.stop()
        return 1
    address = settings.PUBLIC_URL or f"http://{settings.HTTP_HOST}:{application.port}"
    kind = "demo mode, web chat" if application.demo else "serving"
    print(f"Linshao 邻哨 is running ({kind}): {address}", flush=True)
    await application.stopped.wait()
    await application.stop()
    if application.refused:
        print(f"stopped: {application.refused}", file=sys.stderr)
        return 1
    return 0


async def migrate(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Bring the database to the newest schema."""
    from models import keyring
    from models.database import migrate as upgrade

    keyring.use(settings.encryption_keys, settings.hash_key)
    await upgrade(settings.DATABASE_URL)
    print("the database is at the newest schema")
    return 0


async def link(settings: Settings, arguments: argparse.Namespace) -> int:
    """Print a one-time /start link for a person."""
    from bot.operations import one_time_link

    return await one_time_link(settings, arguments.person)


async def init(settings: Settings, arguments: argparse.Namespace) -> int:
    """Make a community with its first administrator, from answers on the terminal or from a file."""
    from bot.setup import begin

    return await begin(settings, arguments.file, arguments.language)


async def template(_settings: Settings, arguments: argparse.Namespace) -> int:
    """Write the empty workbook of a community."""
    from bot.setup import write_template

    return await write_template(arguments.file)


async def bring_in(settings: Settings, arguments: argparse.Namespace) -> int:
    """Import a community's data from workbooks (.xlsx) and grids (GeoJSON): all of it, or nothing with every fault named."""
    from bot.setup import bring_in as import_files

    return await import_files(settings, arguments.files, arguments.crs, arguments.language)


async def take_out(settings: Settings, arguments: argparse.Namespace) -> int:
    """Write the community's data as the workbook that an import takes."""
    from bot.setup import take_out as export_file

    return await export_file(settings, arguments.file, arguments.language)


async def holidays(settings: Settings, arguments: argparse.Namespace) -> int:
    """Enter a year's holidays from the official notice (.txt, .docx): say what was understood, count anew what it changes."""
    from bot.setup import enter_holidays

    return await enter_holidays(settings, arguments.file, arguments.check, arguments.language)


async def calendar(settings: Settings, arguments: argparse.Namespace) -> int:
    """Print what will happen when: jobs, alarms, meetings, deadlines, days off."""
    from bot.calendar import show

    return await show(settings, arguments.begin, arguments.until, arguments.language)


async def load(settings: Settings, arguments: argparse.Namespace) -> int:
    """Store a community from a JSON file in the form of demo/community.json."""
    from bot.operations import load_community

    return await load_community(settings, arguments.file)


async def doctor(settings: Settings, arguments: argparse.Namespace) -> int:
    """Say what is put aside, dead or waiting; with --retry put it back in line."""
    from bot.operations import examine

    return await examine(settings, retry=arguments.retry)


async def posters(settings: Settings, arguments: argparse.Namespace) -> int:
    """Write the sheets for the doors of the buildings, to be printed from a browser."""
    from bot.posters import print_posters

    return await print_posters(settings, arguments.out, arguments.grid)


async def show_map(_settings: Settings, _arguments: argparse.Namespace) -> int:
    """Print every conversation from the code."""
    from bot.operations import conversation_map

    print(conversation_map())
    return 0


async def diagrams(_settings: Settings, arguments: argparse.Namespace) -> int:
    """Print the lives as Mermaid diagrams; with --write into docs/lives.md."""
    from bot.operations import write_diagrams

    return write_diagrams(arguments.write)


async def keys(_settings: Settings, _arguments: argparse.Namespace) -> int:
    """Print fresh keys for .env."""
    for name, value in new_keys().items():
        print(f"{name}={value}")
    return 0


Command = Callable[[Settings, argparse.Namespace], Coroutine[Any, Any, int]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot", description="Linshao 邻哨")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=(command.__doc__ or "").splitlines()[0])
        sub.set_defaults(command=command, name=name)
        return sub

    add("run", run)
    add("migrate", migrate)
    add("link", link).add_argument("person", help="the person's code (ST04) or id")
    language = {"choices": ("zh_CN", "en"), "default": "zh_CN", "help": "the language of what is said"}
    beginning = add("init", init)
    beginning.add_argument("--file", default="", help="community.toml with community, administrator, and phone, city, district, street")
    beginning.add_argument("--language", **(language | {"default": ""}))  # type: ignore[arg-type]
    add("template", template).add_argument("file", help="the .xlsx to write")
    coming = add("import", bring_in)
    coming.add_argument("files", nargs="+", help="workbooks (.xlsx) and grids (.geojson), imported together")
    coming.add_argument("--crs", default="", help="the coordinates of the GeoJSON files: WGS84 or GCJ02")
    coming.add_argument("--language", **language)  # type: ignore[arg-type]
    leaving = add("export", take_out)
    leaving.add_argument("file", help="the .xlsx to write")
    leaving.add_argument("--language", **language)  # type: ignore[arg-type]
    notice = add("holidays", holidays)
    notice.add_argument("file", help="the notice")
    notice.add_argument("--check", action="store_true", help="only say what is understood")
    notice.add_argument("--language", **language)  # type: ignore[arg-type]
    coming_up = add("calendar", calendar)
    coming_up.add_argument("begin", nargs="?", default="", metavar="FROM", help="the first day, such as 2026-11-23 (today)")
    coming_up.add_argument("until", nargs="?", default="", metavar="TO", help="the last day (30 days later)")
    coming_up.add_argument("--language", **language)  # type: ignore[arg-type]
    add("load", load).add_argument("file", help="the community's file")
    add("doctor", doctor).add_argument("--retry", action="store_true", help="put what was put aside or died back in line, once")
    sheets = add("posters", posters)
    sheets.add_argument("--out", type=Path, default=Path("posters.html"), help="the file to write (posters.html)")
    sheets.add_argument("--grid", default="", help="the code of one grid, such as G1")
    add("map", show_map)
    add("diagrams", diagrams).add_argument("--write", action="store_true", help="write docs/lives.md")
    add("keys", keys)
    return parser


def main() -> int:
    """Run one command; the exit code."""
    arguments = _parser().parse_args()
    try:
        settings = load_settings() if arguments.name not in ("keys", "map", "diagrams", "template") else Settings.model_construct()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        if arguments.name == "run" and sys.platform != "win32":
            import uvloop

            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return int(runner.run(arguments.command(settings, arguments)))
        return int(asyncio.run(arguments.command(settings, arguments)))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
