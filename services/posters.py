"""The sheets for the doors of the buildings: one HTML file that needs no network, one A4 page a building."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
import segno

from models import Place
from services import building_doors, documents
from services.context import Context, Refusal
from texts.render import text
from texts.screen import Screen

HTML = "text/html"
_WIDTH_MM, _LARGEST_MM = 178, 24
_OFFICE = ("coordinator", "community_clerk", "community_secretary", "admin")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One building's page: `code` is an SVG, `address` what it holds, `shown` the same for typing, `size` of the name in millimetres."""

    name: str
    address: str
    shown: str
    code: str
    size: float


def sheet_of(place: Place, public_url: str) -> Sheet:
    """The sheet of a building that has its door's word."""
    address = f"{public_url.rstrip('/')}/d/{place.door}"
    # Level M still reads with a sixth of it scratched off; the quiet zone is part of the drawing.
    code = segno.make(address, error="m", micro=False).svg_inline(scale=1, border=4, omitsize=True, dark="#000")
    size = min(_LARGEST_MM, _WIDTH_MM / max(len(place.name), 1))
    return Sheet(place.name, address, address.removeprefix("https://"), code, round(size, 1))


def html(places: Sequence[Place], community: str, public_url: str, language: str = "zh_CN") -> str:
    """The printable page with a sheet for each of these buildings."""
    words = {name: text(f"poster.{name}", {}, language) for name in ("scan", "no_app", "urgent", "by_hand")}
    title = text("poster.title", {"community": community}, language)
    sheets = [sheet_of(place, public_url) for place in places]
    return _template().render(sheets=sheets, words=words, community=community, title=title, language=language.replace("_", "-"))


async def printed(context: Context, grid: str = "") -> Screen:
    """The sheets as a file for the office (any grid, or all) or a grid leader (the own grid). Raises Refusal."""
    grid = grid.upper()
    own = [grant.grid for grant in context.actor.grants if grant.role == "grid_leader" and grant.grid]
    if not context.actor.has(*_OFFICE):
        grid = grid or (own[0] if own else "")
        if grid not in own:
            raise Refusal("refused.permission")
    if not building_doors.opened.address:
        raise Refusal("poster.no_door")
    places = await building_doors.doors(context.session, grid)
    if not places:
        raise Refusal("poster.none")
    data = html(places, context.ground.name, building_doors.opened.address).encode()
    made = await documents.keep(context, data, text("poster.file", {"grid": grid or None}, context.language), HTML, "posters")
    return Screen("poster.made", {"count": len(places)}, media=(made.media_id,))


@cache
def _template() -> jinja2.Template:
    folder = Path(__file__).resolve().parent.parent / "web" / "templates"
    loader = jinja2.FileSystemLoader(folder)
    made = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return made.get_template("posters.html")
