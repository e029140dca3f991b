"""What the host can set: each has a default, an environment variable and a line in the README."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.store.urls import sqlite_url
from retrieval.home import Home, default_home

# A card holds 40 components, and a photo with its votes takes seven.
MOST_MATCHES = 5


class Settings(BaseSettings):
    """Read from the environment, prefix MAGIC_PENCIL_."""

    model_config = SettingsConfigDict(
        env_prefix="MAGIC_PENCIL_",
        env_ignore_empty=True,  # DISCORD_TOKEN= in a copied .env.example is no token
        populate_by_name=True,
    )

    home: Path = Field(
        default_factory=default_home,
        description="The folder that all data lives under.",
    )
    discord_token: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("DISCORD_TOKEN", "MAGIC_PENCIL_DISCORD_TOKEN"),
        description="The bot's token from the Discord developer portal.",
    )
    database_url: str | None = Field(
        default=None, description="SQLAlchemy URL; by default SQLite below the data folder."
    )
    socket: Path | None = Field(
        default=None, description="The worker's Unix socket; by default below the data folder."
    )
    device: str = Field(
        default="auto", description="Where the encoder runs: auto, cpu, cuda, cuda:1, mps."
    )
    collection: str = Field(
        default="shared", description="The photo collection that servers search beside their own."
    )
    matches: int = Field(
        default=MOST_MATCHES, ge=1, le=MOST_MATCHES, description="Photos on a result card."
    )
    match_seconds: float = Field(
        default=30.0, gt=0, le=600, description="How long a drawing may take before it is given up."
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="How log lines are written."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important log lines that are written."
    )

    @property
    def data(self) -> Home:
        """Where retrieval keeps its files."""
        return Home(self.home)

    @property
    def worker_socket(self) -> Path:
        """Where the worker listens."""
        return self.socket or self.data.socket

    @property
    def store_url(self) -> str:
        """The database's URL."""
        return self.database_url or sqlite_url(self.home / "magic-pencil.db")

    @property
    def drawings(self) -> Path:
        """Where drawings are kept, by hash."""
        return self.home / "drawings"
