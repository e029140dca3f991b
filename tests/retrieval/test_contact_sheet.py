"""The contact sheet: its layout, and text that people would not think of."""

import subprocess
import sys

import pytest
from PIL import Image, ImageChops

from retrieval.contact_sheet import SheetMatch, render

DRAWING = Image.new("RGB", (300, 300), "red")
PHOTO = Image.new("RGB", (200, 120), "blue")


def matches(count, title="A duck", credit="Somebody"):
    return [
        SheetMatch(rank, title, 0.9 - rank / 100, PHOTO, credit) for rank in range(1, count + 1)
    ]


def extent(sheet, colour):
    """Return the box that holds every pixel of the colour."""
    different = ImageChops.difference(sheet, Image.new("RGB", sheet.size, colour)).convert("L")
    return different.point(lambda value: 255 if value == 0 else 0).getbbox()


def test_one_row_grows_to_the_right_and_more_rows_grow_down():
    two, five, six, eleven = (render(DRAWING, matches(n)).size for n in (2, 5, 6, 11))
    assert two[0] < five[0] == six[0] == eleven[0]
    assert two[1] == five[1] < six[1] < eleven[1]


def test_drawing_is_left_of_every_photo():
    sheet = render(DRAWING, matches(7))
    drawing, photos = extent(sheet, "red"), extent(sheet, "blue")
    assert drawing is not None
    assert photos is not None
    assert drawing[2] < photos[0]


def test_photos_stand_in_the_order_given():
    colours = ["#0000ff", "#00ff00", "#ff00ff"]
    shown = [
        SheetMatch(rank, "x", 0.5, Image.new("RGB", (50, 50), colour))
        for rank, colour in enumerate(colours, 1)
    ]
    sheet = render(DRAWING, shown)
    boxes = [extent(sheet, colour) for colour in colours]
    assert all(boxes)
    assert boxes == sorted(boxes)


def test_photo_keeps_its_shape():
    left, top, right, bottom = extent(render(DRAWING, matches(1)), "blue")
    assert (right - left) / (bottom - top) == pytest.approx(200 / 120, rel=0.03)


def test_transparent_thumbnail_is_shown_on_the_card():
    cutout = Image.new("RGBA", (60, 60), (0, 0, 0, 0))
    sheet = render(DRAWING, [SheetMatch(1, "Nothing", 0.1, cutout)])
    assert extent(sheet, "black") is None


def test_a_title_adds_a_line_above():
    plain, titled = render(DRAWING, matches(1)), render(DRAWING, matches(1), "duck.png")
    assert titled.height > plain.height
    assert extent(titled, "red")[1] > extent(plain, "red")[1]


def test_no_matches_still_shows_the_drawing():
    assert extent(render(DRAWING, []), "red") is not None


@pytest.mark.parametrize(
    "title",
    [
        "",
        "word " * 500,
        "W" * 5000,
        "two\nlines\tand \x00 control \x1b[31m characters",
        "象 слон فيل हाथी ελέφαντας 🐘👩‍👩‍👧",
        "\u202eright to left\u202c",
        "lone \ud800 surrogate",
        "e" + "\u0301" * 300,
    ],
)
def test_any_title_is_drawn_inside_its_card(title):
    sheet = render(DRAWING, matches(5, title, credit=title), title)
    # Nothing may run over the right margin: the last column's edge is background.
    edge = sheet.crop((sheet.width - 38, 0, sheet.width, sheet.height))
    assert len(edge.getcolors()) == 1
    assert sheet.size == render(DRAWING, matches(5, "A duck"), title).size


def test_a_long_title_is_cut_with_its_beginning_kept():
    short = render(DRAWING, matches(1, "A candy cane"))
    long = render(DRAWING, matches(1, "A candy cane is a traditional Christmas treat"))
    assert short.size == long.size
    first_words = (470, 330, 540, 350)
    assert ImageChops.difference(short.crop(first_words), long.crop(first_words)).getbbox() is None
    assert ImageChops.difference(short, long).getbbox() is not None


def test_import_loads_no_torch():
    code = "import retrieval.contact_sheet, sys; assert not {'torch', 'faiss'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
