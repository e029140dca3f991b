"""/photos: moderators fill, describe and prune their server's own collection."""

from bot.features.photos._cog import Photos, setup

__all__ = ["Photos", "setup"]
