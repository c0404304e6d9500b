"""The demo community in the form of the workbook's template, as a clerk would have filled it in."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

from services import exporting

DEMO: dict[str, Any] = json.loads((Path(__file__).parent.parent / "demo" / "community.json").read_text("utf-8"))


def demo_rows() -> dict[str, list[dict[str, Any]]]:
    """The rows of every sheet, by column."""
    aliases = defaultdict(list)
    for alias, name in DEMO["aliases"].items():
        aliases[name].append(alias)
    places, seen = [], set()
    for kind in ("building", "place"):
        for entry in DEMO[f"{kind}s"]:
            if entry["name"] not in seen:
                seen.add(entry["name"])
                places.append({"name": entry["name"], "kind": kind, "grid": entry["grid"], "lat": entry["lat"], "lon": entry["lon"],
                               "crs": "WGS84", "aliases": aliases[entry["name"]]})  # fmt: skip
    return {
        "grids": [
            {"code": grid["code"], "name": grid["name"], "households": grid["households"], "branch": grid["branch"], "crs": "WGS84",
             "polygon": grid["polygon_lat_lon"]}
            for grid in DEMO["grids"]
        ],
        "places": places,
        "units": [{"code": unit["id"], "name": unit["name"], "kind": unit["kind"]} for unit in DEMO["units"]],
        "staff": [
            {"code": one["id"], "name": one["name"], "phone": phone_of(one["id"]), "role": role, "grid": one.get("grid"), "unit": one.get("unit")}
            for one in DEMO["staff"] for role in one["roles"]
        ],
        "members": [
            {"code": one["id"], "name": one["name"], "phone": phone_of(one["id"]), "kind": one["kind"], "status": "full", "unit": one["unit"],
             "grid": one["grid"], "branch": next(grid["branch"] for grid in DEMO["grids"] if grid["code"] == one["grid"]),
             "skills": one["skill"].split("/") if one["skill"] else [], "exempt": one["health_exempt"], "emergency": False, "backbone": False,
             "enrolled": date.fromisoformat(one["enrolled"]) if one["enrolled"] else None}
            for one in DEMO["members"]
        ],
        "orgs": [
            {"code": "ZB00", "name": "青禾里社区党总支", "kind": "community_branch_general", "level": "社区", "secretary": "ST01"},
            *(
                {"code": f"ZB{number:02}", "name": grid["branch"], "parent": "ZB00", "kind": "grid_branch", "level": "网格", "secretary": grid["leader"]}
                for number, grid in enumerate(DEMO["grids"], 1)
            ),
        ],
        "records": [
            {"person": one["id"], "year": 2026, "times": one["services"], "hours": one["hours"]}
            for one in DEMO["members"] if one["services"] or one["hours"]
        ],
        "holidays": [{"day": date(2027, 1, 1), "kind": "off", "name": "元旦"}],
    }  # fmt: skip


def phone_of(code: str) -> str:
    """An invented telephone number for everybody of the demo; members whose number is odd have none."""
    kind, number = code.rstrip("0123456789"), int(code.lstrip("STML"))
    if kind == "M" and number % 2:
        return ""
    return f"138{ {'ST': 1, 'L': 2, 'M': 3}[kind]:04}{number:04}"


def demo_workbook() -> bytes:
    """The workbook as bytes."""
    return exporting.workbook(demo_rows())
