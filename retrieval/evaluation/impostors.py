"""What is sent instead of a drawing: walls of text, noise, empty pages. Photos are real ones.

Made up for measuring how they are refused, and for choosing the few numbers that do it.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from retrieval.evaluation import scenes

_SYLLABLES: Final = (
    "ka",
    "to",
    "ri",
    "men",
    "la",
    "sol",
    "ter",
    "an",
    "is",
    "pro",
    "ing",
    "un",
    "re",
)
_LOOKS: Final = (  # background, ink
    ("#ffffff", "#111111"),
    ("#fdf6e3", "#586e75"),
    ("#36393f", "#dcddde"),
    ("#1e1e1e", "#9cdcfe"),
    ("#000000", "#33ff66"),
    ("#f5f5f5", "#24292f"),
)
Impostor = Callable[[np.random.Generator], Image.Image]


def fonts() -> list[str]:
    """Return the files of all fonts that are installed, sorted; none is needed."""
    roots = (Path("/usr/share/fonts"), Path("/Library/Fonts"), Path("C:/Windows/Fonts"))
    return sorted(str(path) for root in roots for path in root.rglob("*.ttf"))


def _word(chance: np.random.Generator) -> str:
    word = "".join(chance.choice(_SYLLABLES, int(chance.integers(1, 4))))
    return word.capitalize() if chance.random() < 0.15 else word


def _font(chance: np.random.Generator, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    files = fonts()
    if files and chance.random() < 0.8:
        return ImageFont.truetype(str(chance.choice(files)), size)
    return ImageFont.load_default(size=size)


def _written(chance: np.random.Generator, *, indented: bool) -> Image.Image:
    """Write lines on a page, a chat or a terminal."""
    width, height = int(chance.integers(360, 1100)), int(chance.integers(300, 1100))
    back, ink = _LOOKS[int(chance.integers(len(_LOOKS)))]
    page = Image.new("RGB", (width, height), back)
    size = int(chance.integers(14, max(16, min(46, height // 9))))
    font, pen = _font(chance, size), ImageDraw.Draw(page)
    y, step = size // 2, size * chance.uniform(1.25, 1.8)
    while y < height - size:
        x = size * (1 + 2 * float(chance.integers(0, 4)) * indented)
        end = width * chance.uniform(0.45, 1)
        while x < end - 3 * size:
            word = _word(chance)
            if indented and chance.random() < 0.3:
                word += str(chance.choice(tuple(string.punctuation)))
            pen.text((x, y), word, ink, font)
            x += pen.textlength(word + " ", font)
        y += round(step * (1 + (chance.random() < 0.12)))
    return page


def _page_of_text(chance: np.random.Generator) -> Image.Image:
    return _written(chance, indented=False)


def _code(chance: np.random.Generator) -> Image.Image:
    return _written(chance, indented=True)


def _handwriting(chance: np.random.Generator) -> Image.Image:
    """Write as by hand: every letter a little higher, larger or more slanted than the last."""
    size = int(chance.integers(26, 50))
    page = np.zeros((int(chance.integers(420, 900)), int(chance.integers(420, 900))), np.float32)
    font = _font(chance, size)
    y = size
    while y < page.shape[0] - 2 * size:
        x, slope = size, chance.uniform(-0.03, 0.03)
        for letter in " ".join(_word(chance) for _ in range(14)):
            cell = Image.new("L", (2 * size, 2 * size))
            ImageDraw.Draw(cell).text((size // 2, size // 3), letter, 255, font)
            cell = cell.rotate(chance.normal(0, 6), Image.Resampling.BILINEAR)
            if x > page.shape[1] - 2 * size:
                break
            at = max(0, round(y + slope * x + chance.normal(0, size * 0.05)) - size // 3)
            part = page[at : at + 2 * size, x : x + 2 * size]
            glyph = np.asarray(cell, np.float32) / 255
            np.maximum(part, glyph[: part.shape[0], : part.shape[1]], out=part)
            x += max(4, round(font.getlength(letter) * chance.uniform(0.9, 1.15)))
        y += round(size * chance.uniform(1.3, 1.8))
    tone = chance.uniform((225, 220, 205), 252)
    return scenes.picture(scenes.draw(page, tone, chance.uniform(10, 80, 3)))


def _photographed_text(chance: np.random.Generator) -> Image.Image:
    page = _handwriting(chance) if chance.random() < 0.5 else _page_of_text(chance)
    pixels = scenes.turned(np.asarray(page, np.float32), float(chance.uniform(-4, 4)))
    pixels = scenes.lit(chance, pixels, float(chance.uniform(0.05, 0.4)))
    return scenes.picture(pixels + chance.normal(0, 4, pixels.shape))


def _static(chance: np.random.Generator) -> Image.Image:
    """Grey or coloured static, in grains of one to eight pixels."""
    side, grain = int(chance.integers(200, 700)), int(chance.integers(1, 9))
    shape = (side // grain + 1, side // grain + 1, 3 if chance.random() < 0.5 else 1)
    pixels = np.broadcast_to(chance.integers(0, 256, shape), (*shape[:2], 3)).astype(np.float32)
    if chance.random() < 0.3:
        pixels = 255.0 * (pixels > 127)
    large = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_NEAREST)
    return scenes.picture(np.asarray(large, np.float32))


def _soft_noise(chance: np.random.Generator) -> Image.Image:
    """Clouds of some size, as out of focus or from a broken file."""
    side = int(chance.integers(200, 700))
    size = float(chance.uniform(3, 60))
    layers = [scenes.clouds(chance, (side, side), size) for _ in range(3)]
    if chance.random() < 0.5:
        layers = layers[:1] * 3
    pixels = 128 + chance.uniform(25, 90) * np.stack(layers, axis=-1)
    return scenes.picture(pixels + chance.normal(0, chance.uniform(0, 30), pixels.shape))


def _pepper(chance: np.random.Generator) -> Image.Image:
    """Specks and nothing else, on white or on a tone."""
    side = int(chance.integers(250, 700))
    pixels = np.full((side, side, 3), chance.uniform(90, 255), np.float32)
    pixels[chance.random((side, side)) < chance.uniform(0.05, 0.4)] = 0
    pixels[chance.random((side, side)) < chance.uniform(0, 0.2)] = 255
    return scenes.picture(pixels)


def _blank(chance: np.random.Generator) -> Image.Image:
    """Nothing: a plain tone, or paper photographed with its light and grain."""
    shape = (int(chance.integers(200, 900)), int(chance.integers(200, 900)), 3)
    pixels: scenes.Pixels = np.full(shape, chance.uniform(0, 255, 3), np.float32)
    if chance.random() < 0.6:
        pixels = np.full(shape, chance.uniform((170, 165, 150), 250), np.float32)
        pixels = scenes.lit(chance, pixels, float(chance.uniform(0.02, 0.35)))
        pixels = pixels + chance.normal(0, chance.uniform(0.5, 5), shape)
    return scenes.picture(pixels)


KINDS: Final[dict[str, tuple[Impostor, ...]]] = {
    "blank": (_blank,),
    "text": (_page_of_text, _code, _handwriting, _photographed_text),
    "noise": (_static, _soft_noise, _pepper),
}


def make(kind: str, seed: int) -> Image.Image:
    """Make an impostor of a kind; the same for the same seed."""
    chance = np.random.default_rng((seed, sorted(KINDS).index(kind)))
    return KINDS[kind][seed % len(KINDS[kind])](chance)
