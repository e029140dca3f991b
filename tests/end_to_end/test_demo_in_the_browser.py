"""`magic-pencil demo` as a newcomer meets it: in Chromium, with mouse and keyboard."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests import chromium, drawings
from tests.conftest import ROOT

pytestmark = chromium.needed
PATIENCE = 60_000  # milliseconds


@contextmanager
def _demo(home: Path, photos: Path) -> Iterator[tuple[str, str]]:
    """Run the demo until it prints its two addresses; stop it as Ctrl+C does."""
    command = [sys.executable, "-m", "bot.cli", "demo", "--photos", str(photos), "--port", "0"]
    environment = os.environ | {"MAGIC_PENCIL_HOME": str(home), "COLUMNS": "200"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )
    try:
        printed = ""
        for line in process.stdout:
            printed += line
            if found := re.search(
                r"(http://127\.0\.0\.1\S+/)\s.*?(http://127\S+#\S+)", printed, re.S
            ):
                yield found.group(1), found.group(2)
                break
        else:
            pytest.fail("the demo printed no address")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def fish(tmp_path: Path) -> Path:
    path = tmp_path / "fish.png"
    path.write_bytes(drawings.render_png("fish"))
    return path


async def _command(page: Page, name: str, file: Path | None = None) -> None:
    """Type a slash command, choose it, attach a file and send."""
    composer = page.locator("#channel-composer-input")
    await composer.click()
    await composer.press_sequentially(f"/{name}", delay=20)
    choices = page.get_by_role("listbox", name="Application commands")
    await expect(choices).to_be_visible(timeout=PATIENCE)
    await composer.press("Enter")
    if file is not None:
        await page.locator("input[type=file]").first.set_input_files(file)
        await expect(page.get_by_text(file.name)).to_be_visible(timeout=PATIENCE)
    await page.locator("#send-message").click()


@pytest.mark.timeout(300)
async def test_match_vote_rebuild_and_find_the_votes_again_after_a_restart(
    tmp_path, pictures, fish
):
    home = tmp_path / "home"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium.PATH, args=chromium.ARGUMENTS
        )
        page = await browser.new_page(viewport={"width": 1000, "height": 1400})
        with _demo(home, pictures) as (_, url):
            await page.goto(url)
            await _command(page, "match", fish)
            funny = page.get_by_role("button", name="Funny")
            await expect(funny).to_have_count(5, timeout=PATIENCE)
            await funny.nth(1).click()
            await expect(page.get_by_text("Funny · 1")).to_be_visible(timeout=PATIENCE)
            await page.select_option("#viewer-picker", label="Ben")
            await funny.nth(1).click()
            await expect(page.get_by_text("Funny · 2")).to_be_visible(timeout=PATIENCE)
            await page.select_option("#viewer-picker", label="Olu (moderator)")
            await _command(page, "photos add", fish)
            await expect(page.get_by_text("It can be found now").last).to_be_visible(
                timeout=PATIENCE
            )
            await _command(page, "index rebuild")
            await expect(page.get_by_text("1 photo indexed").last).to_be_visible(timeout=PATIENCE)
        with _demo(home, pictures) as (_, url):
            await page.goto("about:blank")
            await page.goto(url)
            await expect(page.get_by_text("Funny · 2")).to_be_visible(timeout=PATIENCE)
        await browser.close()


@pytest.mark.timeout(300)
async def test_draw_post_and_vote_on_the_page_that_the_demo_opens_with(tmp_path, pictures):
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium.PATH, args=chromium.ARGUMENTS
        )
        page = await browser.new_page()
        with _demo(tmp_path / "home", pictures) as (draw, channel):
            discord = await browser.new_page()
            await discord.goto(channel)
            for cards in (1, 2):  # a visit is a new link, as often as one likes
                await page.goto(draw)
                await expect(page.locator("body")).to_have_attribute("data-state", "drawing")
                box = await page.locator("#ink").bounding_box()
                await page.mouse.move(box["x"] + 100, box["y"] + 100)
                await page.mouse.down()
                await page.mouse.move(box["x"] + 300, box["y"] + 250 + 40 * cards, steps=8)
                await page.mouse.up()
                await expect(page.locator("#photos img")).to_have_count(5, timeout=PATIENCE)
                await page.get_by_role("button", name="Post it in #drawings").click()
                await page.get_by_role("button", name="Funny:").first.click(timeout=PATIENCE)
                vote = page.get_by_role("button", name="Funny:").first
                await expect(vote).to_have_attribute("aria-pressed", "true", timeout=PATIENCE)
                seen = discord.get_by_role("button", name="Funny · 1")
                await expect(seen).to_have_count(cards, timeout=PATIENCE)
                await expect(page.get_by_role("link", name="See it")).to_have_attribute(
                    "href", channel
                )
                await expect(page.get_by_role("link", name="Draw another")).to_be_visible()
        await browser.close()
