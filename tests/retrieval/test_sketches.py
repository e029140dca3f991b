"""The same drawing in many disguises becomes nearly the same canonical sketch."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from retrieval.sketches import INK_SHARE, SKETCH_SIZE, BlankDrawingError, canonicalise

SIDE = 256


def drawing(
    side: int = SIDE, width: float = 3, ink: str = "black", paper: str = "white"
) -> Image.Image:
    """A house with a door and a sun, in lines; vectors, so any size will do."""
    image = Image.new("RGB", (side, side), paper)
    pen = ImageDraw.Draw(image)

    def line(*points: tuple[float, float]) -> None:
        pen.line([(x * side, y * side) for x, y in points], ink, round(width), joint="curve")

    line((0.2, 0.8), (0.2, 0.5), (0.45, 0.25), (0.7, 0.5), (0.7, 0.8), (0.2, 0.8), (0.2, 0.5))
    line((0.4, 0.8), (0.4, 0.6), (0.52, 0.6), (0.52, 0.8))
    pen.ellipse(
        [0.72 * side, 0.2 * side, 0.86 * side, 0.34 * side], outline=ink, width=round(width)
    )
    return image


def stroke_alpha(colour: tuple[int, int, int]) -> Image.Image:
    alpha = ImageOps.invert(drawing().convert("L"))
    image = Image.new("RGBA", (SIDE, SIDE), (*colour, 0))
    image.putalpha(alpha)
    return image


def noisy(image: Image.Image, spread: float) -> Image.Image:
    noise = np.random.default_rng(0).normal(0, spread, (image.height, image.width, 1))
    pixels = np.asarray(image.convert("RGB"), float) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def on_desk_light(image: Image.Image) -> Image.Image:
    """Light the paper unevenly, as a lamp does."""
    light = np.linspace(0.55, 0.95, image.width)[None, :, None] * np.linspace(
        0.8, 1, image.height
    ).reshape(-1, 1, 1)
    return Image.fromarray((np.asarray(image, float) * light).astype(np.uint8))


def moved(image: Image.Image, size: tuple[int, int], at: tuple[int, int], side: int) -> Image.Image:
    canvas = Image.new("RGB", size, "white")
    canvas.paste(image.resize((side, side), Image.Resampling.LANCZOS), at)
    return canvas


def mean_difference(one: Image.Image, other: Image.Image) -> float:
    """Mean grey difference after a blur that forgives a pixel's shift, per ink there is."""
    a, b = (
        255.0 - np.asarray(image.filter(ImageFilter.GaussianBlur(3)), float)
        for image in (one, other)
    )
    return float(np.abs(a - b).sum() / a.sum())


def subject(image: Image.Image) -> Image.Image:
    return canonicalise(image).subject


def inked(sketch: Image.Image) -> tuple[int, int, int, int]:
    """Return the box of what is dark."""
    box = ImageOps.invert(sketch).point(lambda tone: 255 * (tone > 64)).getbbox()
    assert box
    return box


DISGUISES: dict[str, Callable[[], Image.Image]] = {
    "inverted": lambda: ImageOps.invert(drawing()),
    "large": lambda: drawing(1600, 18),
    "large with a hair line": lambda: drawing(1600, 4),
    "chalk on a board": lambda: noisy(drawing(ink="#d8d8d0", paper="#24402c"), 4),
    "light pencil": lambda: drawing(ink="#c8c8c8", paper="#f4f4f0"),
    "light pencil as noisy JPEG": lambda: jpeg(noisy(drawing(600, 7, "#b8b8b8", "#ecebe6"), 3), 60),
    "yellow pen": lambda: drawing(ink="#ffe000"),
    "strong JPEG": lambda: jpeg(drawing(), 20),
    "uneven light": lambda: noisy(on_desk_light(drawing(400, 5, paper="#f8f4ec")), 3),
    "black on transparency": lambda: stroke_alpha((0, 0, 0)),
    "white on transparency": lambda: stroke_alpha((255, 255, 255)),
    "red on transparency": lambda: stroke_alpha((230, 20, 20)),
    "small in a corner": lambda: moved(drawing(), (900, 500), (600, 300), 180),
    "one bit": lambda: drawing().convert("L").convert("1"),
    "palette": lambda: drawing().convert("P"),
}


@pytest.mark.parametrize("name", DISGUISES)
def test_a_disguise_does_not_change_the_canonical_sketch(name: str) -> None:
    assert mean_difference(subject(drawing()), subject(DISGUISES[name]())) < 0.35


def test_another_drawing_differs_by_far_more_than_any_disguise() -> None:
    other = Image.new("L", (SIDE, SIDE), 255)
    ImageDraw.Draw(other).ellipse((40, 60, 210, 190), outline=0, width=3)
    assert mean_difference(subject(drawing()), subject(other)) > 0.9


@pytest.mark.parametrize("box", [(10, 10, 60, 40), (100, 20, 130, 240), (3, 3, 253, 253)])
def test_ink_is_centred_and_fills_the_canonical_share(box: tuple[int, int, int, int]) -> None:
    image = Image.new("L", (SIDE, SIDE), 255)
    ImageDraw.Draw(image).rectangle(box, outline=0, width=3)
    sketch = subject(image)
    assert sketch.mode == "L"
    assert sketch.size == (SKETCH_SIZE, SKETCH_SIZE)
    left, top, right, bottom = inked(sketch)
    assert abs(max(right - left, bottom - top) - INK_SHARE * SKETCH_SIZE) <= 3
    assert abs((left + right) / 2 - SKETCH_SIZE / 2) <= 2
    assert abs((top + bottom) / 2 - SKETCH_SIZE / 2) <= 2
    wide, high = box[2] - box[0], box[3] - box[1]
    assert (right - left) / (bottom - top) == pytest.approx(wide / high, rel=0.08)


@pytest.mark.parametrize(
    ("size", "box", "expected"),
    [
        ((256, 256), (100, 20, 130, 240), (100, 20, 131, 241)),
        ((512, 256), (20, 128, 320, 250), (10, 128, 160, 251)),  # squeezed, as photos are
        ((256, 256), (170, 180, 255, 255), (170, 180, 256, 256)),
    ],
)
def test_the_page_shows_where_the_ink_lay(
    size: tuple[int, int], box: tuple[int, int, int, int], expected: tuple[int, int, int, int]
) -> None:
    image = Image.new("L", size, 255)
    ImageDraw.Draw(image).rectangle(box, outline=0, width=5)
    page = canonicalise(image).page
    assert (page.mode, page.size) == ("L", (SKETCH_SIZE, SKETCH_SIZE))
    assert np.abs(np.subtract(inked(page), expected)).max() <= 2


def test_a_small_doodle_has_its_page_for_itself() -> None:
    image = Image.new("L", (1000, 1000), 255)
    ImageDraw.Draw(image).ellipse((20, 700, 200, 960), outline=0, width=4)
    sketch = canonicalise(image)
    assert sketch.page.tobytes() == sketch.subject.tobytes()


def test_a_canonical_sketch_stays_as_it_is() -> None:
    sketch = subject(drawing())
    assert mean_difference(sketch, subject(sketch)) < 0.1
    assert np.asarray(sketch).min() == 0
    assert np.median(np.asarray(sketch)) == 255


def test_a_filled_shape_stays_filled_dark_on_white() -> None:
    for ink, paper in ((0, 255), (255, 0)):
        image = Image.new("L", (300, 300), paper)
        ImageDraw.Draw(image).ellipse((20, 20, 280, 280), fill=ink)  # most of the picture is ink
        sketch = subject(image)
        assert sketch.getpixel((128, 128)) == 0
        assert sketch.getpixel((2, 2)) == 255


def test_a_coloured_filling_does_not_swallow_its_outline() -> None:
    image = Image.new("RGB", (300, 300), "white")
    ImageDraw.Draw(image).ellipse((50, 50, 250, 250), fill="#ffee00", outline="black", width=6)
    sketch = subject(image)
    middle, edge = sketch.getpixel((128, 128)), sketch.getpixel((128, 31))
    assert isinstance(middle, int)
    assert isinstance(edge, int)
    assert edge < 40
    assert middle > 100


def test_a_sticker_with_white_filling_keeps_its_outline() -> None:
    image = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((50, 50, 250, 250), fill="white", outline="black", width=5)
    assert subject(image).getpixel((128, 128)) == 255


def test_hair_lines_survive_shrinking() -> None:
    sketch = np.asarray(subject(drawing(3000, 3)))
    assert np.percentile(sketch[sketch < 200], 50) < 90


def speck() -> Image.Image:
    image = Image.new("L", (300, 300), 255)
    image.putpixel((150, 150), 0)
    return image


BLANKS: dict[str, Callable[[], Image.Image]] = {
    "white": lambda: Image.new("RGB", (300, 200), "white"),
    "black": lambda: Image.new("L", (300, 200), 0),
    "grey": lambda: Image.new("L", (300, 200), 117),
    "transparent": lambda: Image.new("RGBA", (300, 200), (0, 0, 0, 0)),
    "opaque with alpha": lambda: Image.new("RGBA", (300, 200), (255, 255, 255, 255)),
    "off-white JPEG": lambda: jpeg(Image.new("RGB", (300, 200), "#f3efe2"), 30),
    "grainy paper as JPEG": lambda: jpeg(noisy(Image.new("RGB", (400, 300), "#e0ddd8"), 5), 50),
    "paper under a lamp": lambda: noisy(on_desk_light(Image.new("RGB", (400, 300), "white")), 4),
    "a single speck": speck,
    "one pixel": lambda: Image.new("L", (1, 1), 0),
    "a strip": lambda: Image.new("RGB", (4000, 1), "white"),
}


@pytest.mark.parametrize("name", BLANKS)
def test_nothing_drawn_is_blank(name: str) -> None:
    with pytest.raises(BlankDrawingError, match="nothing drawn"):
        subject(BLANKS[name]())


def test_the_callers_picture_is_left_alone() -> None:
    image = drawing(1600, 10)
    before = image.tobytes()
    subject(image)
    assert image.size == (1600, 1600)
    assert image.tobytes() == before


@pytest.mark.parametrize("size", [(1, 40), (40, 1), (2, 2), (5000, 8), (7, 7)])
def test_odd_sizes_give_a_sketch_or_blank_but_never_crash(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0]), np.uint8)
    with contextlib.suppress(BlankDrawingError):
        assert subject(Image.fromarray(pixels)).size == (SKETCH_SIZE, SKETCH_SIZE)
