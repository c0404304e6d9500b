"""Coordinates of Chinese maps: GCJ-02, which they are published in, and WGS-84, which the program thinks in.

The shift is the published formula of GCJ-02; its inverse is found by iteration to less than a millimetre. Outside China there is none.
"""

from __future__ import annotations

import math

WGS84, GCJ02 = "WGS84", "GCJ02"
SYSTEMS = (WGS84, GCJ02)
# Seven decimals are a centimetre: finer than any survey of a neighbourhood, and written and read back without a change.
DECIMALS = 7
_AXIS, _ECCENTRICITY = 6_378_245.0, 0.006_693_421_622_965_943_23
_NAMES = {
    "WGS84": WGS84, "EPSG4326": WGS84, "4326": WGS84, "CRS84": WGS84, "OGC13CRS84": WGS84,
    "GCJ02": GCJ02, "GCJ2": GCJ02, "AMAP": GCJ02, "GAODE": GCJ02,
}  # fmt: skip


def system_of(said: str) -> str | None:
    """The coordinate system meant by a name (gcj-02, urn:ogc:def:crs:OGC:1.3:CRS84 …), None for an unknown one."""
    plain = "".join(sign for sign in said.upper().removeprefix("URN:OGC:DEF:CRS:") if sign.isalnum())
    return _NAMES.get(plain)


def to_gcj02(lat: float, lon: float) -> tuple[float, float]:
    """The point in GCJ-02 of a point in WGS-84."""
    if not _in_china(lat, lon):
        return lat, lon
    dlat, dlon = _shift(lat, lon)
    return lat + dlat, lon + dlon


def to_wgs84(lat: float, lon: float, system: str = GCJ02) -> tuple[float, float]:
    """The point in WGS-84 of a point in `system`, to seven decimals."""
    if system != GCJ02 or not _in_china(lat, lon):
        return round(lat, DECIMALS), round(lon, DECIMALS)
    guess_lat, guess_lon = lat, lon
    for _ in range(6):  # each round leaves a few thousandths of the error before it
        there_lat, there_lon = to_gcj02(guess_lat, guess_lon)
        guess_lat, guess_lon = guess_lat + lat - there_lat, guess_lon + lon - there_lon
    return round(guess_lat, DECIMALS), round(guess_lon, DECIMALS)


def _in_china(lat: float, lon: float) -> bool:
    return 0.8293 <= lat <= 55.8271 and 72.004 <= lon <= 137.8347


def _shift(lat: float, lon: float) -> tuple[float, float]:
    """How far GCJ-02 lies from WGS-84 there, in degrees."""
    x, y = lon - 105.0, lat - 35.0
    wave = 20.0 * math.sin(6.0 * x * math.pi) + 20.0 * math.sin(2.0 * x * math.pi)
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x))
    north += (wave + 20.0 * math.sin(y * math.pi) + 40.0 * math.sin(y / 3.0 * math.pi)) * 2.0 / 3.0
    north += (160.0 * math.sin(y / 12.0 * math.pi) + 320.0 * math.sin(y * math.pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x))
    east += (wave + 20.0 * math.sin(x * math.pi) + 40.0 * math.sin(x / 3.0 * math.pi)) * 2.0 / 3.0
    east += (150.0 * math.sin(x / 12.0 * math.pi) + 300.0 * math.sin(x / 30.0 * math.pi)) * 2.0 / 3.0
    radians = math.radians(lat)
    curve = 1 - _ECCENTRICITY * math.sin(radians) ** 2
    north_degrees = math.degrees(north / (_AXIS * (1 - _ECCENTRICITY) / (curve * math.sqrt(curve))))
    east_degrees = math.degrees(east / (_AXIS / math.sqrt(curve) * math.cos(radians)))
    return north_degrees, east_degrees
