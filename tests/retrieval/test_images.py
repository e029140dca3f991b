"""Decoding of hostile bytes, and encoding back."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from retrieval import images
from retrieval.images import ImageError, decode, encode_jpeg, encode_png, flatten


def save(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def patchwork(size: tuple[int, int] = (60, 40)) -> Image.Image:
    """Four quarters of different colours: shows every wrong turn."""
    image = Image.new("RGB", size, (250, 250, 250))
    half = size[0] // 2, size[1] // 2
    image.paste((200, 30, 30), (0, 0, *half))
    image.paste((30, 200, 30), (half[0], 0, size[0], half[1]))
    image.paste((30, 30, 200), (0, half[1], half[0], size[1]))
    return image


def reason(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "Error" not in sentence
    return caught.value.reason


def png_claiming(width: int, height: int) -> bytes:
    """Build a tiny PNG file whose header claims any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 100)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_promised_format_decodes_upright_and_loaded(form: str) -> None:
    picture = decode(save(patchwork(), form))
    assert picture.mode == "RGB"
    assert picture.size == (60, 40)
    difference = (np.asarray(picture, int) - np.asarray(patchwork(), int))[5::10, 5::10]
    assert np.abs(difference).mean() < 6


def test_no_bytes_are_empty() -> None:
    assert reason(b"") == "empty"


@pytest.mark.parametrize(
    "data",
    [
        b"hello, this is text",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7\n",
        b"\0" * 64,
    ],
)
def test_other_files_are_not_an_image(data: bytes) -> None:
    assert reason(data) == "not_an_image"


def test_formats_outside_the_list_are_refused() -> None:
    assert reason(save(patchwork(), "PPM")) == "not_an_image"
    assert reason(save(patchwork(), "ICO")) == "not_an_image"


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_more_than_one_frame_is_animated(form: str) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    assert reason(save(frames[0], form, save_all=True, append_images=frames[1:])) == "animated"


def test_a_phone_jpeg_with_a_preview_behind_it_is_one_picture() -> None:
    data = save(patchwork(), "MPO", save_all=True, append_images=[Image.new("RGB", (6, 4))])
    assert decode(data).size == (60, 40)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
def test_a_file_cut_short_is_damaged(form: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = save(Image.fromarray(noise), form)
    expected = {"damaged", "not_an_image"} if form == "BMP" else {"damaged"}
    assert reason(data[: max(12, int(len(data) * share))]) in expected


def test_flipped_bytes_never_raise_anything_else() -> None:
    rng = np.random.default_rng(1)
    for form in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"):
        original = np.frombuffer(save(patchwork(), form), np.uint8)
        for _ in range(40):
            data = original.copy()
            data[rng.integers(0, len(data), 4)] = rng.integers(0, 256, 4)
            with contextlib.suppress(ImageError):  # anything else would fail the test
                assert decode(data.tobytes()).mode in ("RGB", "RGBA")


@pytest.mark.parametrize("size", [(30_000, 30_000), (8_000, 5_000), (16_385, 10), (10, 60_000)])
def test_a_bomb_is_refused_by_its_header(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpacked(*_: object) -> None:
        raise AssertionError("pixels were unpacked")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", unpacked)
    assert reason(png_claiming(*size)) == "too_large"


def test_too_many_bytes_are_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_open", lambda _: pytest.fail("opened"))
    assert reason(b"\x89PNG" + b"\0" * images.MAX_BYTES) == "too_large"


def test_the_pixel_limit_can_be_set() -> None:
    with pytest.raises(ImageError, match="too large"):
        decode(save(patchwork(), "PNG"), max_pixels=100)


def test_the_extension_does_not_matter_because_only_bytes_arrive() -> None:
    assert decode(save(patchwork(), "WEBP")).size == (60, 40)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_exif_orientation_is_applied(orientation: int, form: str) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }.get(orientation)
    upright = patchwork()
    stored = upright if undo is None else upright.transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(save(stored, form, exif=exif))
    assert picture.size == upright.size
    assert np.abs(np.asarray(picture, int) - np.asarray(upright, int)).mean() < 4
    assert not picture.getexif()


def test_broken_exif_does_not_cost_the_picture() -> None:
    data = save(patchwork(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert decode(data).size == (60, 40)


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65_535, 64).astype(np.uint16)[None].repeat(8, axis=0)
    picture = np.asarray(decode(save(Image.fromarray(ramp), "PNG")), int)
    assert np.abs(picture[0, :, 0] - np.linspace(0, 255, 64)).max() <= 1


def test_cmyk_jpeg_keeps_its_colours() -> None:
    picture = decode(save(patchwork().convert("CMYK"), "JPEG", quality=95))
    assert np.abs(np.asarray(picture, int) - np.asarray(patchwork(), int)).mean() < 6


def test_palette_transparency_becomes_alpha() -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([255, 0, 255, 10, 20, 30])
    image.putpixel((3, 3), 1)
    picture = decode(save(image, "PNG", transparency=0))
    assert picture.mode == "RGBA"
    assert picture.getpixel((0, 0))[3] == 0  # type: ignore[index]
    assert picture.getpixel((3, 3)) == (10, 20, 30, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGBA", "P"])
def test_other_modes_end_as_rgb_or_rgba(mode: str) -> None:
    picture = decode(save(patchwork().convert(mode), "PNG"))
    assert picture.mode == ("RGBA" if mode.endswith("A") else "RGB")


def test_flatten_shows_the_background_through() -> None:
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert flatten(image).getpixel((0, 0)) == (255, 255, 255)
    assert flatten(image, (1, 2, 3)).getpixel((0, 0)) == (1, 2, 3)
    assert flatten(Image.new("RGBA", (4, 4), (9, 9, 9, 255))).getpixel((0, 0)) == (9, 9, 9)


def test_encoders_shrink_never_enlarge_and_drop_metadata() -> None:
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    image = Image.open(
        io.BytesIO(save(patchwork((600, 400)), "JPEG", exif=exif, comment=b"secret"))
    )
    for encode in (encode_jpeg, encode_png):
        data = encode(image, 300)
        again = Image.open(io.BytesIO(data))
        assert again.size == (300, 200)
        assert b"where I live" not in data
        assert b"secret" not in data
        assert Image.open(io.BytesIO(encode(image, 5000))).size == (600, 400)


def test_png_keeps_alpha_and_jpeg_lays_it_on_white() -> None:
    image = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    assert Image.open(io.BytesIO(encode_png(image, 10))).mode == "RGBA"
    assert Image.open(io.BytesIO(encode_jpeg(image, 10))).getpixel((5, 5)) == (255, 255, 255)
