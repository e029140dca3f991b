"""What people do to a drawing before it arrives: photograph, invert, shrink, colour, compress it.

Each kind takes a clean drawing, dark on white, and gives the bytes of a file as somebody might send
it, in three strengths. Made up for measuring and never trained on. The settings in which drawings
are photographed are in :mod:`retrieval.evaluation.scenes`.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from retrieval.evaluation import scenes
from retrieval.evaluation.scenes import Colour, Pixels

STRENGTHS: Final = (1, 2, 3)

_WORDS: Final = (
    "my",
    "cat",
    "today",
    "draw",
    "this",
    "for",
    "fun",
    "made it",
    "quick",
    "lol",
    "look",
)
_PENS: Final[tuple[tuple[Colour, ...], ...]] = (
    ((200, 30, 30), (20, 60, 190), (20, 120, 40), (120, 30, 140)),
    ((230, 90, 30), (40, 150, 220), (70, 180, 80), (220, 80, 160)),
    ((250, 205, 60), (140, 215, 235), (250, 170, 190), (160, 220, 140)),
)

Kind = Callable[[Image.Image, int, np.random.Generator], bytes]


def corrupt(kind: str, image: Image.Image, strength: int, seed: int) -> bytes:
    """Corrupt a drawing; the same for the same arguments.

    Args:
        kind: one of KINDS.
        image: the clean drawing, dark on white.
        strength: one of STRENGTHS, 3 the worst.
        seed: decides what is left to chance, in each kind and strength anew.
    """
    key = zlib.crc32(f"{kind} {strength} {seed}".encode())
    return KINDS[kind](image.convert("RGB"), strength, np.random.default_rng(key))


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _jpeg(pixels: Pixels, quality: int) -> bytes:
    file = io.BytesIO()
    scenes.picture(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _dark_mode(image: Image.Image, strength: int, _: np.random.Generator) -> bytes:
    """Light on dark, as drawing programs and chats show it at night; the contrast falls."""
    paper, pen = ((0, 0, 0), (30, 31, 34), (54, 57, 63)), ((255,) * 3, (219, 222, 225), (142,) * 3)
    drawn = scenes.draw(scenes.ink(image), paper[strength - 1], pen[strength - 1])
    return _png(scenes.picture(drawn))


def _white_on_transparent(image: Image.Image, strength: int, _: np.random.Generator) -> bytes:
    """A sticker in white chalk, ever thinner laid on."""
    sticker = Image.new("RGBA", image.size, "white")
    cover = scenes.ink(image) * (1, 0.75, 0.5)[strength - 1]
    sticker.putalpha(Image.fromarray((255 * cover).astype(np.uint8)))
    return _png(sticker)


def _black_on_transparent(image: Image.Image, strength: int, _: np.random.Generator) -> bytes:
    """A sticker in ink; the strong ones in dark blue and dark green."""
    sticker = Image.new("RGBA", image.size, ((0, 0, 0), (30, 30, 90), (20, 70, 40))[strength - 1])
    sticker.putalpha(Image.fromarray((255 * scenes.ink(image)).astype(np.uint8)))
    return _png(sticker)


def _tiny(image: Image.Image, strength: int, chance: np.random.Generator) -> bytes:
    """A doodle near a corner of a large page: 240, 140 or 80 pixels of 1,200."""
    page = Image.new("RGB", (1200, 900), "white")
    drawn = image.crop(scenes.ink_box(image))
    drawn.thumbnail(((240, 140, 80)[strength - 1],) * 2, Image.Resampling.LANCZOS)
    x, y = chance.choice((20, 1180 - drawn.width)), chance.choice((20, 880 - drawn.height))
    page.paste(drawn, (int(x), int(y)))
    return _png(page)


def _thick(image: Image.Image, strength: int, _: np.random.Generator) -> bytes:
    """A felt pen: lines 4, 6 or 8 % as wide as what is drawn."""
    width = (0.04, 0.06, 0.08)[strength - 1] * scenes.extent(image) * 512 / max(image.size)
    bold = scenes.redrawn(image, 512, round(width))
    return _png(scenes.picture(scenes.draw(bold, (255, 255, 255), (10, 10, 10))))


def _thin(image: Image.Image, strength: int, _: np.random.Generator) -> bytes:
    """A hair line on a page of 1,400 pixels."""
    fine = scenes.redrawn(image, 1400, (4, 2, 1)[strength - 1])
    return _png(scenes.picture(scenes.draw(fine, (255, 255, 255), (20, 20, 20))))


def _coloured(image: Image.Image, strength: int, chance: np.random.Generator) -> bytes:
    """Coloured pens, two at a time: dark, bright, then pale ones on cream."""
    first, second = chance.permutation(_PENS[strength - 1])[:2]
    ink = scenes.ink(image)
    upper = np.linspace(0, 1, ink.shape[0])[:, None] < chance.uniform(0.3, 0.7)
    paper: Colour = (255, 255, 255) if strength < 3 else (253, 250, 240)
    drawn = np.where(
        upper[..., None], scenes.draw(ink, paper, first), scenes.draw(ink, paper, second)
    )
    return _png(scenes.picture(drawn))


def _coloured_in(image: Image.Image, strength: int, chance: np.random.Generator) -> bytes:
    """Areas that lines enclose are filled with colour: pale, bright, dark."""
    ink = scenes.ink(image)
    closed = cv2.morphologyEx((ink > 0.4).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5)))
    count, areas, sizes, _ = cv2.connectedComponentsWithStats(1 - closed, connectivity=4)
    page = np.full((*ink.shape, 3), 255.0, np.float32)
    outside = set(np.unique(np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]])))
    for area in range(1, count):
        if area not in outside and sizes[area, cv2.CC_STAT_AREA] > 60:
            pale = chance.uniform(0, 60, 3)
            page[areas == area] = (255 - pale, 250 - 2 * pale, 180 - 2.2 * pale)[strength - 1]
    return _png(scenes.picture(scenes.draw(ink, page, (0, 0, 0))))


def _grey_pencil(image: Image.Image, strength: int, chance: np.random.Generator) -> bytes:
    """Pencil: grey, broken by the paper's grain, ever fainter."""
    ink = scenes.scaled(scenes.ink(image), 700)
    grain = scenes.clouds(chance, ink.shape, 1.2)
    lead = ink * np.clip(0.8 + 0.5 * grain, 0.2, 1) * (0.55, 0.38, 0.25)[strength - 1]
    paper = 246 + 2 * scenes.clouds(chance, ink.shape, 2)[..., None] * np.ones(3, np.float32)
    return _jpeg(scenes.draw(lead, paper, (50, 50, 55)), 85)


def _low_jpeg(image: Image.Image, strength: int, _: np.random.Generator) -> bytes:
    return _jpeg(np.asarray(image, np.float32), (30, 15, 7)[strength - 1])


def _exif(image: Image.Image, strength: int, _: np.random.Generator) -> bytes:
    """Stored lying on its side or head, with a tag that says so."""
    tag, turn = ((3, 180), (6, 90), (8, 270))[strength - 1]
    exif = Image.Exif()
    exif[0x0112] = tag
    file = io.BytesIO()
    image.rotate(turn, expand=True).save(file, "JPEG", quality=92, exif=exif)
    return file.getvalue()


def _ruled(image: Image.Image, strength: int, chance: np.random.Generator) -> bytes:
    """A ruled page: pale lines, then darker ones with a margin, then photographed askew."""
    page = scenes.ruled_page(chance, 900, (0.35, 0.6, 0.7)[strength - 1], margin=strength > 1)
    return _on_page(image, page, strength, chance)


def _graph(image: Image.Image, strength: int, chance: np.random.Generator) -> bytes:
    """Graph paper, in the same three steps."""
    page = scenes.graph_page(chance, 900, (0.25, 0.4, 0.5)[strength - 1])
    return _on_page(image, page, strength, chance)


def _on_page(image: Image.Image, page: Pixels, strength: int, chance: np.random.Generator) -> bytes:
    ink = np.zeros(page.shape[:2], np.float32)
    drawn = scenes.scaled(scenes.ink(image), 640)
    ink[130:770, 150:790] = drawn
    sheet = scenes.draw(ink, page, (30, 35, 60))
    if strength == 3:
        sheet = scenes.lit(chance, scenes.turned(sheet, chance.uniform(-4, 4)), 0.3)
    return _jpeg(sheet, 88)


def _caption(image: Image.Image, strength: int, chance: np.random.Generator) -> bytes:
    """Words under the drawing: small, larger, two lines."""
    page = Image.new("RGB", (600, 760), "white")
    page.paste(image.resize((600, 600), Image.Resampling.LANCZOS))
    font = ImageFont.load_default(size=(22, 34, 40)[strength - 1])
    for line in range(1 + (strength == 3)):
        words = " ".join(chance.choice(_WORDS, 3 + strength // 2))
        ImageDraw.Draw(page).text((40 + 30 * line, 625 + 55 * line), words, "black", font)
    return _png(page)


def _app(image: Image.Image, strength: int, chance: np.random.Generator) -> bytes:
    """A screenshot with the app's border: a title bar; tools and colours; a dark phone app."""
    return _png(scenes.app_window(image, strength, chance))


def _cropped(image: Image.Image, strength: int, chance: np.random.Generator) -> bytes:
    """Cut off at two sides: 6, 12 or 18 % of what is drawn at each."""
    left, top, right, bottom = scenes.ink_box(image)
    share = (0.06, 0.12, 0.18)[strength - 1]
    wide, high = (right - left) * share, (bottom - top) * share
    sides = chance.integers(0, 2, 2)
    box = (
        round(float(left + wide if sides[0] else 0)),
        round(float(top + high if sides[1] else 0)),
        round(float(image.width if sides[0] else right - wide)),
        round(float(image.height if sides[1] else bottom - high)),
    )
    return _png(image.crop(box))


def _paper_photo(image: Image.Image, strength: int, chance: np.random.Generator) -> bytes:
    """A sheet on a wooden table, photographed from the side with a shadow on it."""
    return _jpeg(scenes.sheet_on_table(image, strength, chance), 85)


def _page_photo(image: Image.Image, strength: int, chance: np.random.Generator) -> bytes:
    """Nothing but paper in the picture, of a tone, unevenly lit, with a shadow and noise."""
    paper = np.asarray(chance.uniform((225, 215, 195), 245), np.float32)
    sheet = scenes.draw(scenes.scaled(scenes.ink(image), 720), paper, (40, 40, 60))
    sheet = scenes.lit(chance, scenes.turned(sheet, chance.uniform(-6, 6)), 0.2 * strength)
    return _jpeg(sheet + chance.normal(0, 2.5 * strength, sheet.shape), 80)


def _whiteboard(image: Image.Image, strength: int, chance: np.random.Generator) -> bytes:
    """Marker on a whiteboard with glare, smudges and its frame."""
    return _jpeg(scenes.whiteboard(image, strength, chance), 85)


def _coloured_paper(image: Image.Image, strength: int, chance: np.random.Generator) -> bytes:
    """A pastel sheet; a sticky note on a table; wrapping paper."""
    return _jpeg(scenes.coloured_paper(image, strength, chance), 85)


def _blackboard(image: Image.Image, strength: int, chance: np.random.Generator) -> bytes:
    """Chalk on a board."""
    return _jpeg(scenes.blackboard(image, strength, chance), 85)


def _chequered(image: Image.Image, strength: int, _: np.random.Generator) -> bytes:
    """A screenshot of a transparent drawing: squares of white and grey in place of paper."""
    ink = scenes.scaled(scenes.ink(image), 800)
    y, x = np.mgrid[0:800, 0:800] // (32, 20, 12)[strength - 1]
    squares = np.where((x + y)[..., None] % 2, 255, (238, 204, 225)[strength - 1])
    drawn = scenes.draw(ink, squares * np.ones(3, np.float32), (0, 0, 0))
    return _png(scenes.picture(drawn)) if strength < 3 else _jpeg(drawn, 85)


def _blurred(image: Image.Image, strength: int, _: np.random.Generator) -> bytes:
    """Out of focus, by 1, 1.8 or 2.6 % of what is drawn."""
    spread = (0.01, 0.018, 0.026)[strength - 1] * scenes.extent(image)
    soft = cv2.GaussianBlur(np.asarray(image, np.float32), (0, 0), spread)
    return _jpeg(np.asarray(soft, np.float32), 90)


def _noisy(image: Image.Image, strength: int, chance: np.random.Generator) -> bytes:
    """Grain all over, and some pixels black or white."""
    pixels: scenes.Pixels = np.asarray(image, np.float32)
    pixels = pixels + chance.normal(0, (10, 20, 35)[strength - 1], pixels.shape)
    specks = chance.random(pixels.shape[:2])
    share = (0.001, 0.004, 0.01)[strength - 1]
    pixels[specks < share], pixels[specks > 1 - share] = 0, 255
    return _png(scenes.picture(pixels))


KINDS: Final[dict[str, Kind]] = {
    "paper photo": _paper_photo,
    "page photo": _page_photo,
    "whiteboard": _whiteboard,
    "coloured paper": _coloured_paper,
    "blackboard": _blackboard,
    "ruled paper": _ruled,
    "graph paper": _graph,
    "grey pencil": _grey_pencil,
    "dark mode": _dark_mode,
    "white on transparent": _white_on_transparent,
    "black on transparent": _black_on_transparent,
    "tiny in a corner": _tiny,
    "thick": _thick,
    "thin": _thin,
    "coloured": _coloured,
    "coloured in": _coloured_in,
    "chequered": _chequered,
    "caption": _caption,
    "app screenshot": _app,
    "cropped": _cropped,
    "low jpeg": _low_jpeg,
    "exif rotated": _exif,
    "blurred": _blurred,
    "noisy": _noisy,
}
