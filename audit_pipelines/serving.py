"""``[serve]``: where the viewer and the API listen, who stands in front, and how people sign in.

What does not belong here: how the settings act (``serve``), and whether an address may be listened on, which depends on
options of the command too (``serve.listening``).
"""

import ipaddress
import re
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from audit_pipelines.errors import SettingsError

_SIZE = re.compile(r"(\d+)(KB|MB|GB)")
_BYTES = {"KB": 10**3, "MB": 10**6, "GB": 10**9}
_DAGSTER = re.compile(r"https?://[^\s\"'<>]+")
_GRANT = re.compile(r"[^=\s][^=]*=.+")
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
"""Host names of this machine's loopback."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Immutable, keyword only, no unknown keys."""


class ServeOidc(_Strict, frozen=True, kw_only=True):
    """``[serve.oidc]``: sign-in by an OpenID Connect provider."""

    issuer: str
    """Its issuer identifier; ``/.well-known/openid-configuration`` is read below it."""
    client_id: str
    client_secret_env: str
    """Name of the environment variable with the client's secret."""
    scope: str = "openid email profile"
    """What is asked for; some providers want ``groups`` here too."""
    grants: dict[str, tuple[Literal["read", "export", "auditor", "admin"], ...]] = {}
    """``claim=value`` (``*`` stands for any text) -> scopes; a user gets those of every line that fits."""


class Serve(_Strict, frozen=True, kw_only=True):
    """``[serve]``: the viewer and the API."""

    host: str = "127.0.0.1"
    port: int = 8321
    public_url: str = ""
    """Address that browsers use, with a reverse proxy's path prefix if there is one; empty = the address listened on."""
    tls_certificate: str = ""
    """PEM file with the certificate chain, relative to the home."""
    tls_key: str = ""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` count."""
    query_timeout: str = "20s"
    memory: str = "1GB"
    """Most memory that queries may use together."""
    requests_a_minute: int = 600
    """For each token, link or user."""
    public_log: bool = False
    """Whether checkpoint and tiles are open to everyone: they hold hashes only."""
    session: str = "12h"
    """How long a sign-in lasts, however busy."""
    dagster_url: str = ""
    """Address of Dagster's web server, for links from the operator's page; empty = none."""
    oidc: ServeOidc | None = None

    @property
    def prefix(self) -> str:
        """The path below which browsers see the pages, ``""`` or ``/...``."""
        return urlsplit(self.public_url).path.rstrip("/")

    @property
    def https(self) -> bool:
        """Whether browsers come by TLS."""
        return self.public_url.startswith("https:") if self.public_url else bool(self.tls_certificate)

    @property
    def memory_bytes(self) -> int:
        match = _SIZE.fullmatch(self.memory)
        return int(match[1]) * _BYTES[match[2]] if match else 0


def check_serve(serve: Serve, where: str) -> None:
    """What types alone cannot say.

    Raises:
        SettingsError: a value is impossible; ``where`` is the table's name.
    """
    if not 1 <= serve.port <= 65535:
        raise SettingsError("must be 1 to 65535", where=f"{where}.port", todo="the default is 8321")
    if serve.requests_a_minute < 1:
        raise SettingsError("must be at least 1", where=f"{where}.requests_a_minute", todo="the default is 600")
    if serve.memory_bytes == 0:
        raise SettingsError(f"{serve.memory!r} is no size", where=f"{where}.memory", todo='write e.g. "500MB" or "1GB"')
    if bool(serve.tls_certificate) != bool(serve.tls_key):
        raise SettingsError("TLS needs tls_certificate and tls_key", where=where, todo="set both or neither")
    if serve.public_url:
        _check_url(serve.public_url, f"{where}.public_url")
    if serve.dagster_url and not _DAGSTER.fullmatch(serve.dagster_url):
        todo = 'write e.g. "http://127.0.0.1:3000"'
        raise SettingsError(f"{serve.dagster_url!r} is no address", where=f"{where}.dagster_url", todo=todo)
    for proxy in serve.trusted_proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError:
            todo = 'write addresses or networks, e.g. "127.0.0.1" or "10.0.0.0/24"'
            raise SettingsError(f"{proxy!r} is no address", where=f"{where}.trusted_proxies", todo=todo) from None
    if serve.oidc is not None:
        _check_oidc(serve.oidc, f"{where}.oidc")


def _check_url(url: str, where: str) -> None:
    """An address of a server: https, or http on this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if not host or parts.query or parts.fragment or parts.username is not None or parts.scheme not in ("http", "https"):
        todo = 'write e.g. "https://audit.example.com" or "https://example.com/audit"'
        raise SettingsError(f"{url!r} is no address of a server", where=where, todo=todo)
    if parts.scheme == "http" and host not in LOCAL_NAMES:
        raise SettingsError("http would carry tokens in clear", where=where, todo="use https (http is for localhost only)")


def _check_oidc(oidc: ServeOidc, where: str) -> None:
    _check_url(oidc.issuer, f"{where}.issuer")
    for key in ("client_id", "client_secret_env"):
        if not getattr(oidc, key):
            raise SettingsError("must not be empty", where=f"{where}.{key}", todo="your provider's page on the client has it")
    if "openid" not in oidc.scope.split():
        raise SettingsError("must contain openid", where=f"{where}.scope", todo='the default is "openid email profile"')
    if not oidc.grants:
        todo = 'write e.g. grants = { "groups=auditors" = ["auditor"] }'
        raise SettingsError("without grants nobody may see anything", where=f"{where}.grants", todo=todo)
    for rule, scopes in oidc.grants.items():
        if not _GRANT.fullmatch(rule):
            todo = 'write claim=value, e.g. "email=*@example.com"'
            raise SettingsError(f"{rule!r} names no claim and value", where=f"{where}.grants", todo=todo)
        if not scopes or ("export" in scopes and not {"read", "admin"} & set(scopes)):
            todo = "name scopes of read, export, auditor, admin; export goes with read"
            raise SettingsError("impossible scopes", where=f"{where}.grants: {rule}", todo=todo)
