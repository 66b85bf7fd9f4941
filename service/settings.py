"""The settings: the one place that reads the environment."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def _state_dir() -> Path:
    # the postgres user must reach root's cluster, and may not enter /root
    return Path("/var/lib/wangge") if os.geteuid() == 0 else platformdirs.user_state_path("wangge")


def _runtime_dir() -> Path:
    if os.geteuid() == 0:
        return Path("/run/wangge")
    session = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}")
    # without a login session there is none; whose the folder below /tmp is, the cluster checks
    return session / "wangge" if os.access(session, os.W_OK) else Path(f"/tmp/wangge-{os.geteuid()}")  # noqa: S108


class Settings(BaseSettings):
    """Settings of the service, each read from `WANGGE_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="WANGGE_", env_file=None, extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(
        default=None,
        description="PostGIS server of the service (the app role). Without it an embedded cluster is used.",
    )
    owner_database_url: SecretStr | None = Field(
        default=None,
        description="The same database as its owner, for migrations; without it database_url is used.",
    )
    state_dir: Path = Field(
        default_factory=_state_dir, description="Where the embedded cluster keeps its data."
    )
    runtime_dir: Path = Field(default_factory=_runtime_dir, description="Where its socket lies (short path).")
    host: str = Field(default="127.0.0.1", description="Address that `wangge serve` listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port that `wangge serve` listens on.")
    hosts: str = Field(
        default="",
        description="Names, separated by commas, that the service answers for besides those of this machine.",
    )
    oidc_issuer: str = Field(
        default="", description="Issuer of JWTs that are accepted as bearer tokens, as in their claim iss."
    )
    oidc_audience: str = Field(default="wangge", description="Audience that a JWT must be made for (aud).")
    oidc_jwks: str = Field(
        default="",
        description="Address or file of the issuer's keys (JWKS); default: what its discovery document says.",
    )
    oidc_role_claim: str = Field(default="wangge_role", description="Claim of a JWT that holds the role.")
    oidc_scope_claim: str = Field(
        default="wangge_scope",
        description="Claim that holds prefixes of division codes, a text or a list; none: no division.",
    )
    oidc_grids_claim: str = Field(
        default="wangge_grids", description="Claim that holds the codes of a grid worker's own grids."
    )
    licence: str = Field(
        default="",
        description="Licence of the built-in collections' data: an SPDX identifier or an address.",
    )
    retention: Path | None = Field(
        default=None, description="File (TOML) of retention periods, where they differ from the product's."
    )
    categories: Path | None = Field(
        default=None,
        description="File (TOML) of what a city calls its categories of cases, in Chinese and English.",
    )
    rate: float = Field(
        default=100.0,
        ge=0,
        description="Requests a second that one key, session or (public) address may ask for; ten seconds' "
        "worth at once. 0: any number.",
    )
    query_seconds: float = Field(
        default=30.0, ge=0.1, le=600, description="Seconds after which the service's query is stopped."
    )
    proxies: str = Field(
        default="127.0.0.1",
        description="Addresses of proxies, separated by commas, whose X-Forwarded-For and -Proto count.",
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Bearer token that opens /metrics and nothing else; an administrator's key does too.",
    )
    log_format: Literal["json", "text"] | None = Field(
        default=None, description="Form of the log; default: text on a terminal, else a JSON object a line."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="From which level on the service's own messages are logged."
    )
    export_dir: Path | None = Field(
        default=None,
        description="Folder on whose disk files for downloads are made; default: one of the temporary files.",
    )
    font: Path | None = Field(
        default=None,
        description="TrueType font with Chinese for printing; default: one found on this machine.",
    )
    lang: Literal["zh", "en"] | None = Field(
        default=None, description="Language of the command line; default: the locale's."
    )

    @cached_property
    def language(self) -> Literal["zh", "en"]:
        """The language a person at the terminal reads: the setting, else the locale's, else English."""
        if self.lang:
            return self.lang
        locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
        return "zh" if locale.startswith("zh") else "en"
