"""Photos: what is kept is a picture and nothing else; hostile bytes are refused with a reason."""

import hashlib
import io
import random
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.WebPImagePlugin import WebPImageFile

from services import photos
from services.photos import CleanPhoto, UnusablePhoto, clean

SECRET = b"GPS-SECRET-31.2012-120.1515"
RED, BLUE = (220, 30, 30), (30, 30, 220)


def picture(width: int = 320, height: int = 200, mode: str = "RGB") -> Image.Image:
    """Return a picture whose left half is red and whose right half is blue."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image.convert(mode)


def encoded(image: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def reason_of(data: bytes) -> str:
    with pytest.raises(UnusablePhoto) as refused:
        clean(data)
    return refused.value.reason


def opened(photo: CleanPhoto) -> Image.Image:
    image = Image.open(io.BytesIO(photo.data))
    image.load()
    assert image.size == (photo.width, photo.height)
    return image


def colour_at(image: Image.Image, x: int, y: int) -> str:
    red, _, blue = image.convert("RGB").getpixel((x, y))  # type: ignore[misc]
    return "red" if red > blue else "blue"


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + png_chunk(b"IDAT", zlib.compress(b"\0" * 100)) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
def test_each_format_becomes_a_jpeg(form: str) -> None:
    photo = clean(encoded(picture(), form))
    image = opened(photo)
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (320, 200))
    assert photo.sha256 == hashlib.sha256(photo.data).hexdigest()
    assert (colour_at(image, 20, 100), colour_at(image, 300, 100)) == ("red", "blue")


@pytest.mark.parametrize(("size", "expected"), [((4000, 3000), (1600, 1200)), ((900, 3200), (450, 1600))])
def test_the_longest_side_is_limited(size: tuple[int, int], expected: tuple[int, int]) -> None:
    photo = clean(encoded(picture(*size)))
    assert (photo.width, photo.height) == expected


@pytest.mark.parametrize("size", [(1600, 10), (5, 5), (1, 1)])
def test_a_small_photo_is_not_enlarged(size: tuple[int, int]) -> None:
    photo = clean(encoded(picture(*size), "PNG"))
    assert (photo.width, photo.height) == size


def test_a_very_long_strip_keeps_a_pixel() -> None:
    photo = clean(encoded(picture(20_000, 2), "PNG"))
    assert (photo.width, photo.height) == (1600, 1)


@pytest.mark.parametrize(
    ("orientation", "size", "first"),
    [
        (1, (320, 200), "red"),
        (2, (320, 200), "blue"),
        (3, (320, 200), "blue"),
        (4, (320, 200), "red"),
        (5, (200, 320), "red"),
        (6, (200, 320), "red"),
        (7, (200, 320), "blue"),
        (8, (200, 320), "blue"),
        (99, (320, 200), "red"),
    ],
)
def test_the_photo_is_turned_upright(orientation: int, size: tuple[int, int], first: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = clean(encoded(picture(), exif=exif))
    image = opened(photo)
    assert image.size == size
    assert colour_at(image, 5, 5) == first
    assert image.getexif().get(0x0112) is None


def jpeg_with_secrets() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()
    exif.get_ifd(0x8825).update({1: "N", 2: (31.0, 12.0, 4.0), 29: SECRET.decode()})
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + SECRET + b"</x:xmpmeta>"
    data = encoded(picture(), exif=exif, comment=SECRET, icc_profile=SECRET * 8)
    segment = b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp
    photoshop = b"Photoshop 3.0\0" + SECRET
    segment += b"\xff\xed" + struct.pack(">H", len(photoshop) + 2) + photoshop
    return data[:2] + segment + data[2:]


def png_with_secrets() -> bytes:
    info = PngInfo()
    info.add_text("Comment", SECRET.decode())
    info.add_itxt("XML:com.adobe.xmp", f"<x:xmpmeta>{SECRET.decode()}</x:xmpmeta>")
    return encoded(picture(), "PNG", pnginfo=info, icc_profile=SECRET, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + SECRET)


def webp_with_secrets() -> bytes:
    return encoded(picture(), "WEBP", xmp=b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>", icc_profile=SECRET)


def gif_with_secrets() -> bytes:
    return encoded(picture(), "GIF", comment=SECRET)


@pytest.mark.parametrize("make", [jpeg_with_secrets, png_with_secrets, webp_with_secrets, gif_with_secrets])
def test_no_metadata_survives(make: Callable[[], bytes]) -> None:
    photo = clean(make())
    image = opened(photo)
    for trace in (SECRET, b"Exif", b"xmpmeta", b"http://ns.adobe.com", b"ICC_PROFILE", b"Photoshop", b"\xff\xfe"):
        assert trace not in photo.data
    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert not image.getexif()


def test_the_jpeg_with_secrets_really_holds_them() -> None:
    assert jpeg_with_secrets().count(SECRET) >= 5
    assert SECRET in webp_with_secrets()
    assert SECRET in gif_with_secrets()


def test_a_second_file_behind_the_photo_is_gone() -> None:
    payload = b"PK\x03\x04<script>alert(1)</script>"
    photo = clean(encoded(picture()) + payload)
    assert payload not in photo.data
    assert b"<script>" not in photo.data
    assert photo.data.endswith(b"\xff\xd9")


@pytest.mark.filterwarnings("ignore::UserWarning")  # the decoder says that it skipped them
def test_damaged_metadata_does_not_cost_the_photo() -> None:
    data = encoded(picture())
    rubbish = b"Exif\0\0MM\0*\xff\xff\xff\xff" + bytes(range(64))
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(rubbish) + 2) + rubbish + data[2:]
    assert clean(data).width == 320


def test_what_is_transparent_becomes_white() -> None:
    image = opened(clean(encoded(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), "PNG")))
    assert image.getpixel((20, 20)) == (255, 255, 255)
    palette = Image.new("P", (40, 40), 0)
    assert opened(clean(encoded(palette, "PNG", transparency=0))).getpixel((20, 20)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_every_mode_of_a_png_is_read(mode: str) -> None:
    assert clean(encoded(picture(mode=mode), "PNG")).width == 320


def test_a_printer_jpeg_keeps_its_colours() -> None:
    image = opened(clean(encoded(picture(mode="CMYK"))))
    assert (colour_at(image, 20, 100), colour_at(image, 300, 100)) == ("red", "blue")


def test_deep_grey_keeps_its_shades() -> None:
    deep = Image.linear_gradient("L").convert("I").point(lambda level: level * 257).convert("I;16")
    image = opened(clean(encoded(deep, "PNG"))).convert("L")
    assert [image.getpixel((100, y)) for y in (0, 128, 255)] == pytest.approx([0, 128, 255], abs=3)


def test_only_the_first_frame_of_a_moving_picture() -> None:
    frames = [Image.new("RGB", (50, 50), RED), Image.new("RGB", (50, 50), BLUE)]
    for form in ("GIF", "WEBP", "PNG"):
        data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
        assert colour_at(opened(clean(data)), 25, 25) == "red"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    ],
)
def test_what_is_no_photo(data: bytes) -> None:
    assert reason_of(data) == "not_an_image"


@pytest.mark.parametrize("form", ["BMP", "TIFF", "PPM", "ICO", "TGA"])
def test_other_formats_are_not_read(form: str) -> None:
    assert reason_of(encoded(picture(32, 32), form)) == "not_an_image"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("part", [0.02, 0.1, 0.5, 0.9])
def test_a_truncated_photo_is_broken(form: str, part: float) -> None:
    noise = Image.frombytes("RGB", (64, 64), random.Random(7).randbytes(64 * 64 * 3))
    data = encoded(noise, form)
    assert reason_of(data[: max(16, int(len(data) * part))]) == "broken"


def test_too_many_bytes_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "_opener", lambda _: pytest.fail("looked at"))
    assert reason_of(b"\xff\xd8\xff" + bytes(photos.MAX_BYTES)) == "too_large"


@pytest.mark.parametrize("size", [(40_001, 1_000), (10_000, 10_000), (100_000, 100_000), (2**31 - 1, 2**31 - 1)])
def test_a_png_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    assert reason_of(png_header(*size)) == "too_many_pixels"


def test_a_jpeg_bomb_is_refused_by_its_header() -> None:
    data = bytearray(encoded(picture(8, 8)))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65_000, 65_000)
    assert reason_of(bytes(data)) == "too_many_pixels"


def test_a_gif_bomb_is_refused_by_its_header() -> None:
    data = bytearray(encoded(picture(8, 8), "GIF"))
    data[6:10] = struct.pack("<HH", 65_000, 65_000)
    assert reason_of(bytes(data)) == "too_many_pixels"


def test_a_gif_frame_larger_than_its_screen_is_refused() -> None:
    data = bytearray(encoded(picture(8, 8), "GIF"))
    frame = data.index(b",\0\0\0\0")
    data[frame + 5 : frame + 9] = struct.pack("<HH", 65_000, 65_000)
    assert reason_of(bytes(data)) == "too_many_pixels"


@pytest.mark.parametrize(
    "body",
    [
        b"VP8X" + struct.pack("<IIHBHB", 10, 0, 16_382, 0, 16_382, 0),
        b"VP8X" + struct.pack("<IIHBHB", 10, 0, 0, 1, 700, 0),
        b"VP8L" + struct.pack("<IBI", 10, 0x2F, 16_383 | 16_383 << 14),
        b"VP8 " + struct.pack("<I", 10) + b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 16_383, 16_383),
    ],
)
def test_a_webp_bomb_is_refused_before_its_canvas_is_allocated(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WebPImageFile, "_open", lambda _: pytest.fail("opened"))
    assert reason_of(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body) == "too_many_pixels"


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}])
def test_the_size_of_a_webp_is_read_as_it_is_written(options: dict[str, object]) -> None:
    assert photos._webp_size(encoded(picture(321, 123), "WEBP", **options)) == (321, 123)


def test_the_largest_allowed_photo_is_kept() -> None:
    photo = clean(encoded(Image.new("L", (8_000, 5_000)), "PNG"))
    assert (photo.width, photo.height) == (1600, 1000)


def test_cleaning_is_repeatable() -> None:
    data = encoded(picture(2000, 1500))
    assert clean(data) == clean(data)
    assert clean(clean(data).data).width == 1600


SAMPLES = [encoded(picture(40, 30), form) for form in ("JPEG", "PNG", "WEBP", "GIF")]


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=150, deadline=None)
@given(
    sample=st.sampled_from(SAMPLES),
    damage=st.lists(st.tuples(st.integers(4, 5000), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damage_ends_in_a_photo_or_a_reason(sample: bytes, damage: list[tuple[int, int]]) -> None:
    data = bytearray(sample)
    for position, value in damage:
        data[position % len(data)] = value
    try:
        photo = clean(bytes(data))
    except UnusablePhoto:
        return
    assert max(photo.width, photo.height) <= 1600
