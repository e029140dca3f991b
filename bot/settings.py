"""What the host can set: each has a default, an environment variable and a line in the README."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator
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
    retention_days: int = Field(
        default=90, ge=1, description="Drawings that nobody votes on are deleted after so long."
    )
    public_url: str | None = Field(
        default=None, description="Where members reach the drawing page; without it there is none."
    )
    listen_host: str = Field(
        default="127.0.0.1", description="Where the drawing page is served, for a reverse proxy."
    )
    listen_port: int = Field(default=8090, ge=0, le=65535, description="And on which port.")
    log_format: Literal["console", "json"] = Field(
        default="console", description="How log lines are written."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important log lines that are written."
    )

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("an address such as https://draw.example.org is needed")
        if parts.query or parts.fragment:
            raise ValueError("the address may have no ? and no #")
        # As browsers write it, for they are asked where a page is from.
        usual = {"http": 80, "https": 443}[parts.scheme]
        host = parts.hostname.encode("idna").decode()
        host = f"[{host}]" if ":" in host else host
        port = "" if parts.port in (None, usual) else f":{parts.port}"
        return f"{parts.scheme}://{host}{port}{parts.path}".rstrip("/")

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
