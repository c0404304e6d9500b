"""Photos that people send, made safe to keep and to show.

What comes out is a fresh JPEG of the pixels alone: no place, time, device, comment or hidden second file survives
(domain.md §3, ProblemPhoto). The work takes up to a second; call it in a thread.
"""

from __future__ import annotations

import hashlib
import io
import struct
from dataclasses import dataclass
from typing import Literal

from PIL import Image
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 40_000_000
LONGEST_SIDE = 1600
JPEG_QUALITY = 85

_WHITE = (255, 255, 255)
_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Reason = Literal["too_large", "not_an_image", "too_many_pixels", "broken"]


class UnusablePhoto(Exception):
    """The bytes cannot be kept as a photo; `reason` says what to tell the sender."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass(frozen=True)
class CleanPhoto:
    """A JPEG that carries nothing but its picture; `sha256` is of `data`, in hexadecimal."""

    data: bytes
    sha256: str
    width: int
    height: int


def clean(data: bytes) -> CleanPhoto:
    """Return the photo upright, at most 1600 pixels on its longest side, as a JPEG without metadata.

    Accepts JPEG, PNG, WebP and the first frame of a GIF, up to 20 MB and 40 megapixels; UnusablePhoto otherwise.
    """
    if len(data) > MAX_BYTES:
        raise UnusablePhoto("too_large")
    opener = _opener(data)
    if opener is None:
        raise UnusablePhoto("not_an_image")
    try:
        picture = _pixels(opener, data)
    except UnusablePhoto:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnusablePhoto("too_many_pixels") from None
    except Exception as error:
        # Decoders meet hostile bytes with whatever exception the damage leads them to.
        raise UnusablePhoto("broken") from error
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    result = buffer.getvalue()
    return CleanPhoto(result, hashlib.sha256(result).hexdigest(), picture.width, picture.height)


def _opener(data: bytes) -> type[ImageFile] | None:
    """Return the reader for the format that the first bytes announce, None for any other."""
    # The readers are called directly: Image.open would try more formats, and only warn about a bomb.
    if data.startswith(b"\xff\xd8\xff"):
        return JpegImageFile
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if data.startswith((b"GIF87a", b"GIF89a")):
        return GifImageFile
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WebPImageFile
    return None


def _pixels(opener: type[ImageFile], data: bytes) -> Image.Image:
    """Return a new RGB image, upright and scaled; raises whatever the decoder raises."""
    if opener is WebPImageFile:
        # Its reader allocates the whole canvas on opening.
        _check_pixels(*_webp_size(data))
    with opener(io.BytesIO(data)) as image:
        _check_pixels(*image.size)
        orientation = _orientation(image)
        # Scaled before it is turned: a JPEG is then decoded at reduced size.
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
        flat = _flatten(image)
    turn = _TURNS.get(orientation)
    upright = flat if turn is None else flat.transpose(turn)
    # A new image, because saving copies comments and XMP out of the old one's `info`.
    picture = Image.new("RGB", upright.size)
    picture.paste(upright)
    return picture


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UnusablePhoto("too_many_pixels")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Return the canvas size that a WebP header states; struct.error when it is cut short."""
    kind = data[12:16]
    if kind == b"VP8X":
        width, high_width, height, high_height = struct.unpack_from("<HBHB", data, 24)
        return (width | high_width << 16) + 1, (height | high_height << 16) + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _orientation(image: ImageFile) -> int:
    """Return the EXIF orientation, 1 (upright) when there is none or it cannot be read."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # damaged metadata is no reason to refuse the picture
        return 1


def _flatten(image: Image.Image) -> Image.Image:
    """Return the image in RGB, what is transparent on white."""
    if image.mode.startswith("I"):
        # Greyscale of 16 bits: a plain conversion would clip everything above 255 to white.
        return image.convert("F").point(lambda level: level * (1 / 257) + 0).convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        ground = Image.new("RGB", image.size, _WHITE)
        ground.paste(layered, mask=layered.getchannel("A"))
        return ground
    return image.convert("RGB")
