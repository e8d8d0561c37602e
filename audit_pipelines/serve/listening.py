"""Where the server listens, and the uvicorn that does.

A public address without TLS would carry tokens and the log in clear, so it is refused: either the TLS files are set, or
a proxy is stated that does TLS in front (``public_url`` and ``trusted_proxies``). What does not belong here: the
application.
"""

import ipaddress
import socket
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from audit_pipelines.errors import SettingsError
from audit_pipelines.home import Home
from audit_pipelines.serving import LOCAL_NAMES, Serve

_GRACE = 10
"""Seconds that answers in progress have when the server is told to end."""
_MOST_CONNECTIONS = 512
"""Beyond them clients get 503 at once: memory stays bounded."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``; a name counts only if it is ``localhost``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in LOCAL_NAMES


def check_address(serve: Serve) -> None:
    """See whether the address may be listened on.

    Raises:
        SettingsError: it is public, and neither TLS nor a proxy is set, or the name that browsers use is not known.
    """
    if is_loopback(serve.host):
        return
    if not serve.tls_certificate and not (serve.public_url and serve.trusted_proxies):
        todo = "set tls_certificate and tls_key, or public_url and trusted_proxies if a proxy does TLS, or listen on 127.0.0.1"
        raise SettingsError("a public address needs TLS or a stated proxy", where=f"serve.host: {serve.host}", todo=todo)
    if not serve.public_url and serve.host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        todo = 'set public_url, e.g. "https://audit.example.com": requests for other names are refused'
        raise SettingsError("all addresses, but no name that browsers use", where=f"serve.host: {serve.host}", todo=todo)


def listen(serve: Serve) -> socket.socket:
    """A socket that listens where ``serve`` says; port 0 takes any that is free.

    Raises:
        SettingsError: the address cannot be had.
    """
    try:
        family, _, _, _, where = socket.getaddrinfo(serve.host, serve.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(where[:2], family=family, backlog=2048)
    except OSError as error:
        todo = "choose another with --host and --port, or end what listens there"
        raise SettingsError(f"cannot listen: {error.strerror}", where=f"{serve.host}:{serve.port}", todo=todo) from None


def address_of(serve: Serve, listening: socket.socket) -> str:
    """The address to open in a browser."""
    if serve.public_url:
        return serve.public_url
    host, port = listening.getsockname()[:2]
    return f"{'https' if serve.https else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def server(app: FastAPI, serve: Serve, home: Home) -> uvicorn.Server:
    """The server; h11, because it bounds the size of a request's head.

    Raises:
        SettingsError: a TLS file cannot be read.
    """
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the application trusts those that the settings name
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE,
        ssl_certfile=_file(home, serve.tls_certificate, "tls_certificate"),
        ssl_keyfile=_file(home, serve.tls_key, "tls_key"),
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        where, todo = "serve.tls_certificate", "give a PEM chain and its key"
        raise SettingsError(f"TLS cannot be set up: {error.strerror or error}", where=where, todo=todo) from None
    return uvicorn.Server(config)


def _file(home: Home, name: str, key: str) -> Path | None:
    """A TLS file, relative to the home."""
    if not name:
        return None
    if not (path := home.root / name).is_file():
        raise SettingsError("no such file", where=f"serve.{key}: {path}", todo="give a PEM file, relative to the home")
    return path
