"""The community and its ground: grids, places, partner units, holidays (domain.md §3 Structure)."""

from __future__ import annotations

from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.types import Encrypted, new_id


class Community(SQLModel, table=True):
    """One community. `version` rises with every change of its grids, places or holidays: caches compare it."""

    id: str = Field(default_factory=new_id, primary_key=True)
    name: str
    timezone: str = "Asia/Shanghai"
    config: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)
    next_task_number: int = 1
    version: int = 1


class Grid(SQLModel, table=True):
    """A grid: `polygon` is a list of [lat, lon] (WGS84); an edge shared by two grids belongs to the lowest code.

    `surveyed`: the polygon as it was brought in, {"crs": "GCJ02", "polygon": …}, where that was not WGS84.
    """

    id: str = Field(default_factory=new_id, primary_key=True)
    community_id: str = Field(foreign_key="community.id", index=True)
    code: str = Field(index=True)
    name: str
    household_count: int = 0
    polygon: list[list[float]] = Field(default_factory=list, sa_type=sa.JSON)
    surveyed: dict[str, Any] | None = Field(default=None, sa_type=sa.JSON)
    branch_name: str = ""
    __table_args__ = (sa.UniqueConstraint("community_id", "code"),)


class Place(SQLModel, table=True):
    """A named place or building; `kind` is "building" or "place".

    `surveyed`: the point as it was brought in, {"crs": "GCJ02", "lat": …, "lon": …}, where that was not WGS84. `door` is the short
    random word in the address of the sheet on its door (QR code).
    """

    id: str = Field(default_factory=new_id, primary_key=True)
    community_id: str = Field(foreign_key="community.id", index=True)
    grid_code: str | None = None
    name: str
    aliases: list[str] = Field(default_factory=list, sa_type=sa.JSON)
    lat: float
    lon: float
    kind: str = "place"
    surveyed: dict[str, Any] | None = Field(default=None, sa_type=sa.JSON)
    door: str | None = None
    __table_args__ = (sa.UniqueConstraint("community_id", "name"), sa.UniqueConstraint("door", name="uq_place_door"))


class PartnerUnit(SQLModel, table=True):
    """A partner unit (驻区单位) with its liaison; whether it has reported in is told by its Enrollment."""

    __tablename__ = "partner_unit"
    id: str = Field(default_factory=new_id, primary_key=True)
    community_id: str = Field(foreign_key="community.id", index=True)
    code: str = Field(index=True)
    name: str
    kind: str = ""
    address: str = ""
    secretary_name: str | None = Field(default=None, sa_type=Encrypted)
    org_code: str | None = None
    liaison_id: str | None = Field(default=None, foreign_key="person.id")


class HolidayDay(SQLModel, table=True):
    """One day of the official holiday list as an administrator entered it."""

    __tablename__ = "holiday_day"
    day: date = Field(primary_key=True)
    is_workday: bool
    name: str = ""
    source: str = ""


class Setting(SQLModel, table=True):
    """A value the program keeps for itself, such as the demo clock."""

    name: str = Field(primary_key=True)
    value: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)


class Chat(SQLModel, table=True):
    """A chat on a platform. The platform's own id is personal data in a private chat, so it is encrypted and found by hash.

    `purpose`: "" or what a group is bound to: party, coordinators, public, grid:G1 (domain.md §10, 绑定).
    `menu`: the buttons last shown in a private chat, so that a typed label or number counts as the press.
    """

    id: str = Field(default_factory=new_id, primary_key=True)
    platform: str
    bot: str
    key_hash: str
    address: str = Field(sa_type=Encrypted)
    kind: str = "private"
    title: str = Field(default="", sa_type=Encrypted)
    purpose: str = Field(default="", index=True)
    language: str = "zh_CN"
    menu: list[list[str]] | None = Field(default=None, sa_type=sa.JSON)
    menu_message: str = ""
    blocked: bool = False
    __table_args__ = (sa.UniqueConstraint("platform", "bot", "key_hash"),)
