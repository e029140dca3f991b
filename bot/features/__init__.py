"""What the bot can do: one module or package a capability, each a Cog with its own ``setup``.

A feature may use the store, the retrieval client, ``bot.ui``, ``bot.errors``, ``bot.moderators``
and ``bot.links``; not another feature.
"""

FEATURES = (
    "bot.features.drawing",
    "bot.features.draw_here",
    "bot.features.voting",
    "bot.features.hall_of_fame",
    "bot.features.leaderboard",
    "bot.features.stats",
    "bot.features.failures",
    "bot.features.card_menu",
    "bot.features.photos",
    "bot.features.index",
    "bot.features.server_settings",
    "bot.features.moderation",
    "bot.features.privacy",
    "bot.features.upkeep",
    "bot.features.about",
)
