"""Papers, tables, boards, windows and light: what corrupted drawings are drawn on and seen in.

Pixels are float arrays (height, width, 3), 0 to 255; ink is (height, width), 0 to 1.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, ImageOps

from retrieval.sketches import clutter

Pixels = npt.NDArray[np.floating]
Ink = npt.NDArray[np.floating]
Colour = tuple[int, int, int]

_PALETTE: Final = ("#e03131", "#f08c00", "#ffd43b", "#2f9e44", "#1971c2", "#7048e8", "#000000")


def picture(pixels: Pixels) -> Image.Image:
    """Round and clip to an RGB image."""
    return Image.fromarray(np.clip(pixels, 0, 255).round().astype(np.uint8))


def ink(image: Image.Image) -> Ink:
    """Return how much ink there is at each pixel of a drawing, dark on white."""
    return 1 - np.asarray(image.convert("L"), np.float32) / 255


def draw(ink: Ink, paper: Pixels | Colour, pen: npt.ArrayLike) -> Pixels:
    """Lay a pen's colour on paper, a colour or pixels of the ink's size."""
    cover = ink[..., None]
    return np.asarray(
        np.asarray(paper, np.float32) * (1 - cover) + np.asarray(pen, np.float32) * cover
    )


def scaled(values: Ink, side: int) -> Ink:
    """Resize to a square."""
    return np.asarray(cv2.resize(values, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1))


def redrawn(image: Image.Image, side: int, width: int) -> Ink:
    """Draw the middle lines of a drawing's strokes anew, `width` pixels wide, on a larger page."""
    solid = (scaled(ink(image), side) > 0.45).astype(np.uint8)
    lines = clutter.skeleton(solid)
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    bold = cv2.dilate(lines, brush).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(bold, (0, 0), 0.7).clip(0, 1))


def ink_box(image: Image.Image) -> tuple[int, int, int, int]:
    """Return the box of a drawing's ink; the whole picture if there is none."""
    box = ImageOps.invert(image.convert("L")).point(lambda tone: 255 * (tone > 64)).getbbox()
    return box or (0, 0, *image.size)


def extent(image: Image.Image) -> int:
    """Return the longer side of the box of a drawing's ink."""
    left, top, right, bottom = ink_box(image)
    return max(right - left, bottom - top)


def clouds(chance: np.random.Generator, shape: tuple[int, ...], size: float) -> Ink:
    """Return smooth noise of mean 0 and spread 1, in clouds about `size` pixels wide."""
    height, width = shape[:2]
    small = max(2, round(height / size) + 2), max(2, round(width / size) + 2)
    noise = chance.normal(0, 1, small).astype(np.float32)
    return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC))


def wood(chance: np.random.Generator, height: int, width: int) -> Pixels:
    """Return planks with grain along them."""
    base = np.asarray(chance.uniform((95, 60, 35), (190, 145, 100)), np.float32)
    grain = cv2.resize(
        chance.normal(0, 1, (height // 3, 8)).astype(np.float32), (width, height)
    ) + 0.5 * clouds(chance, (height, width), 90)
    planks = np.ones((height, width), np.float32)
    gap = int(chance.integers(120, 260))
    for top in range(int(chance.integers(10, gap)), height, gap):
        planks[top : top + 3] = 0.55
    return np.asarray(((base + 11 * grain[..., None]) * planks[..., None]).clip(0, 255))


def lit(chance: np.random.Generator, pixels: Pixels, depth: float) -> Pixels:
    """Light unevenly, with a soft-edged shadow across; `depth` is the share of light taken away."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(height, width)
    angle = chance.uniform(0, 2 * np.pi)
    along = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)
    edge = chance.uniform(-0.25, 0.25)
    shadow = 1 / (1 + np.exp(-(along - edge) / chance.uniform(0.01, 0.06)))
    light = (1 - 0.4 * depth * (0.5 + along)) * (1 - depth * shadow)
    warmth = 1 + np.asarray((0.04, 0.0, -0.08), np.float32) * chance.uniform(-1, 1)
    return np.asarray(pixels * light[..., None] * warmth, np.float32)


def turned(pixels: Pixels, degrees: float) -> Pixels:
    """Turn about the middle; the edge goes on outwards."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return np.asarray(
        cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    )


def ruled_page(chance: np.random.Generator, side: int, strength: float, *, margin: bool) -> Pixels:
    """Return a square page with blue lines and perhaps a red margin."""
    page = np.full((side, side, 3), (252, 251, 247), np.float32)
    step = int(chance.integers(34, 52))
    for y in range(step, side, step):
        page[y : y + 2] += strength * (np.array((90, 130, 200), np.float32) - page[y : y + 2])
    if margin:
        x = int(0.12 * side)
        page[:, x : x + 2] = (215, 110, 110)
    return page


def graph_page(chance: np.random.Generator, side: int, strength: float) -> Pixels:
    """Return a square page of squared paper."""
    page = np.full((side, side, 3), 252, np.float32)
    step = int(chance.integers(22, 40))
    tone = np.array((110, 150, 190) if chance.random() < 0.5 else (130, 130, 130), np.float32)
    for at in range(step, side, step):
        page[at : at + 2] += strength * (tone - page[at : at + 2])
        page[:, at : at + 2] += strength * (tone - page[:, at : at + 2])
    return page


def sheet_on_table(image: Image.Image, strength: int, chance: np.random.Generator) -> Pixels:
    """Return a photo of a sheet of paper on a table, ever more askew and shadowed."""
    width, height = 1000, 1200
    table = wood(chance, height, width)
    inside = scaled(ink(image), 560)
    cover = np.zeros((840, 640), np.float32)
    top = int(chance.integers(40, 240))
    cover[top : top + 560, 40:600] = inside
    tone = np.asarray(chance.uniform(228, 250) + np.array((2, 0, -6)), np.float32)
    sheet = draw(cover, tone, chance.uniform(10, 70, 3))
    tilt = (0.03, 0.08, 0.13)[strength - 1] * width
    corners = np.array(((140, 130), (860, 130), (860, 1075), (140, 1075)), np.float32)
    corners += chance.uniform(-tilt, tilt, (4, 2)).astype(np.float32)
    source = np.array(((0, 0), (640, 0), (640, 840), (0, 840)), np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners)
    seen = cv2.warpPerspective(sheet, matrix, (width, height), flags=cv2.INTER_LINEAR)
    paper = cv2.warpPerspective(np.ones((840, 640), np.float32), matrix, (width, height))
    fallen = cv2.GaussianBlur(np.roll(paper, (6, 8), (0, 1)), (0, 0), 7)[..., None]
    scene = table * (1 - 0.45 * fallen) * (1 - paper[..., None]) + seen * paper[..., None]
    scene = lit(chance, scene, 0.18 * strength) + chance.normal(0, 3 * strength, scene.shape)
    return np.asarray(cv2.GaussianBlur(scene.astype(np.float32), (0, 0), 0.8))


def coloured_paper(image: Image.Image, strength: int, chance: np.random.Generator) -> Pixels:
    """Return a photo of a pastel sheet, of a note on a table, of wrapping paper with its fibres."""
    if strength == 2:
        side = 1000
        notes = ((250, 226, 95), (255, 160, 190), (165, 225, 140), (140, 205, 240))
        note = np.zeros((side, side, 1), np.float32)
        top, left = chance.integers(90, 260, 2)
        note[top : top + 660, left : left + 640] = 1
        cover = np.zeros((side, side), np.float32)
        cover[top + 60 : top + 600, left + 50 : left + 590] = scaled(ink(image), 540)
        table = wood(chance, side, side)
        sheet = np.asarray(notes[int(chance.integers(4))], np.float32) * note + table * (1 - note)
        scene = turned(draw(cover, sheet, chance.uniform(10, 60, 3)), chance.uniform(-14, 14))
        return lit(chance, scene, 0.3) + chance.normal(0, 3, scene.shape)
    pastel = chance.permutation(np.array((250.0, chance.uniform(190, 245), 165.0)))
    tone = pastel if strength == 1 else chance.uniform((165, 130, 90), (205, 170, 130))
    page: Pixels = np.broadcast_to(np.asarray(tone, np.float32), (800, 800, 3))
    if strength == 3:
        fibres = 5 * clouds(chance, (800, 800), 2.5) + 4 * clouds(chance, (800, 800), 140)
        page = page + fibres[..., None]
    return lit(chance, draw(scaled(ink(image), 800), page, chance.uniform(10, 60, 3)), 0.25)


def blackboard(image: Image.Image, strength: int, chance: np.random.Generator) -> Pixels:
    """Return a photo of chalk on a board, ever dustier and more worn."""
    side = 800
    tone = ((40, 66, 54), (30, 32, 34), (50, 72, 62))[int(chance.integers(3))]
    dust = 2 * strength * clouds(chance, (side, side), 70)[..., None]
    board = np.asarray(tone, np.float32) + dust + chance.normal(0, strength, (side, side, 3))
    lines = cv2.dilate(scaled(ink(image), side), np.ones((3, 3), np.uint8))
    worn = np.clip(1.0 - 0.15 * strength + 0.3 * clouds(chance, (side, side), 2.5), 0.1, 1)
    return lit(chance, draw(lines * worn, board, (236, 236, 228)), 0.1 * strength)


def whiteboard(image: Image.Image, strength: int, chance: np.random.Generator) -> Pixels:
    """Return a photo of a board with marker on it, glare, smudges and, at last, its frame."""
    pen = ((25, 40, 140), (20, 20, 20), (170, 30, 40), (20, 110, 60))[int(chance.integers(4))]
    side = 800
    cover = scaled(ink(image), side)
    board = np.full((side, side, 3), (214, 220, 224), np.float32)
    smudges = clouds(chance, (side, side), 120)[..., None]
    board -= strength * 3 * np.maximum(smudges, 0)
    scene = draw(cover * (0.95, 0.8, 0.65)[strength - 1], board, pen)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    at = chance.uniform(0.15, 0.85, 2)
    glare = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 0.02)[..., None]
    scene = scene + 40 * strength / 3 * glare
    if strength == 3:
        scene = cv2.copyMakeBorder(scene, 0, 60, 60, 0, cv2.BORDER_CONSTANT, value=(96, 98, 102))
    return lit(chance, np.asarray(scene, np.float32), 0.1 * strength)


def app_window(image: Image.Image, strength: int, chance: np.random.Generator) -> Image.Image:
    """Return a screenshot of a drawing program around the drawing."""
    dark = strength == 3
    bar, edge, text = ("#1f2023", "#3a3b40", "white") if dark else ("#e9ecef", "#adb5bd", "#212529")
    top, side, bottom = ((46, 0, 0), (50, 74, 60), (150, 0, 210))[strength - 1]
    window = Image.new("RGB", (600 + side, 600 + top + bottom), bar)
    window.paste(image.resize((600, 600), Image.Resampling.LANCZOS), (side, top))
    pen = ImageDraw.Draw(window)
    pen.line((0, top - 1, window.width, top - 1), edge, 1)
    title = str(chance.choice(("untitled - Paint", "Sketchbook", "drawing (1).png", "Canvas 3")))
    pen.text((16, top - 36), title, text, ImageFont.load_default(size=22))
    if dark:
        pen.text((20, 12), "9:41", text, ImageFont.load_default(size=26))
        pen.rectangle((530, 18, 580, 38), outline=text, width=2)
    for place, colour in enumerate(_PALETTE):
        if side:
            pen.rectangle((14, top + 20 + 60 * place, 58, top + 60 + 60 * place), outline=text)
            pen.line((24, top + 50 + 60 * place, 48, top + 30 + 60 * place), text, 3)
        if bottom:
            x, y = side + 30 + 78 * place, window.height - bottom + 12
            pen.ellipse((x, y, x + 38, y + 38), colour, outline=edge)
    return window
