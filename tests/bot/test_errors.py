"""Every failure has a sentence of its own that says what to do."""

from __future__ import annotations

from typing import get_args

import discord
import pytest
from discord import app_commands

from bot import errors
from bot.errors import UserError
from retrieval.serving.errors import RetrievalError
from retrieval.serving.messages import FailureCode

FORESEEN = [code for code in get_args(FailureCode) if code != "internal"]


@pytest.mark.parametrize("code", FORESEEN)
def test_each_failure_of_the_worker_has_a_sentence(code):
    text = errors.explain(RetrievalError(code)).text
    assert len(text) > 30
    assert text.endswith((".", "`."))
    assert "_" not in text, "codes are for programs"


def test_no_two_failures_share_a_sentence():
    texts = [errors.explain(RetrievalError(code)).text for code in FORESEEN]
    assert len(set(texts)) == len(texts)


def test_a_fault_of_the_workers_is_told_by_the_workers_own_id():
    explanation = errors.explain(RetrievalError("internal", "cafe1234"))
    assert explanation.incident == "cafe1234"
    assert "cafe1234" in explanation.text


def test_what_nobody_foresaw_is_logged_with_its_cause_and_told_by_id_only(capsys):
    explanation = errors.explain(KeyError("token=abc"))
    assert explanation.incident in explanation.text
    assert "token=abc" not in explanation.text
    assert explanation.incident in "".join(capsys.readouterr())


def test_an_error_in_a_command_is_explained_by_its_cause():
    command = app_commands.Command(name="x", description="x", callback=_callback)
    wrapped = app_commands.CommandInvokeError(command, UserError("Do this."))
    assert errors.explain(wrapped).text == "Do this."


async def _callback(interaction: discord.Interaction) -> None: ...


def test_missing_rights_are_named_as_discord_names_them():
    text = errors.explain(app_commands.MissingPermissions(["manage_guild"])).text
    assert "*Manage Server*" in text
