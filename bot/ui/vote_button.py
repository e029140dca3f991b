"""One vote button of a result card: its id says which result and which kind of vote.

What a tap does is the voting feature's business; it is found through the bot.
"""

from __future__ import annotations

import re
from typing import Any, Self

import discord

from bot.store.models import VoteKind
from bot.ui.safe import SafeDynamicItem

FACES: dict[VoteKind, tuple[str, str]] = {
    VoteKind.GOOD: ("👍", "Good match"),
    VoteKind.MISS: ("👎", "Miss"),
    VoteKind.FUNNY: ("😂", "Funny"),
}


class VoteButton(
    SafeDynamicItem, template=r"mp:v1:vote:(?P<result>[0-9]{1,18}):(?P<kind>good|miss|funny)"
):
    """Good match, miss or funny, for one photo. Ids only, so it works after a restart."""

    def __init__(self, result_id: int, kind: VoteKind, count: int = 0) -> None:
        """Make the button of one kind, showing how many have tapped it."""
        emoji, name = FACES[kind]
        super().__init__(
            discord.ui.Button(
                style=discord.ButtonStyle.secondary,
                emoji=emoji,
                label=f"{name} · {count}" if count else name,
                custom_id=f"mp:v1:vote:{result_id}:{kind.value}",
            )
        )
        self.result_id = result_id
        self.kind = kind

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Make the button that was tapped."""
        return cls(int(match["result"]), VoteKind(match["kind"]))

    async def act(self, interaction: discord.Interaction[Any]) -> None:
        """Vote."""
        await interaction.client.voting.vote(interaction, self.result_id, self.kind)
