"""``serve``: the viewer and the API.

What does not belong here: the application, and which addresses are refused (``serve``).
"""

import signal
import sys
from datetime import UTC, datetime

import click

from audit_pipelines.cli.place import home_of


@click.command()
@click.option("--host", help="Listen on this address instead of serve.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Listen on this port instead of serve.port; 0 = any that is free.")
@click.pass_context
def serve(context: click.Context, host: str | None, port: int | None) -> None:
    """Serve the viewer and the API until SIGTERM or Ctrl-C.

    Reads the home and writes nothing but the access log. On loopback by default; a public address needs TLS or a proxy.
    """
    import msgspec

    from audit_pipelines.serve import app, listening

    home = home_of(context)
    settings = home.settings()
    given = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    settings = msgspec.structs.replace(settings, serve=msgspec.structs.replace(settings.serve, **given))
    listening.check_address(settings.serve)
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn ends what is in progress, then sends the signal once more
        signal.signal(number, lambda *_: sys.exit(0))
    application = app.build(home, now=lambda: datetime.now(UTC), settings=settings)
    server = listening.server(application, settings.serve, home)
    with listening.listen(settings.serve) as socket:
        if sys.stdout.isatty():
            click.echo(f"{settings.organisation.name}: {listening.address_of(settings.serve, socket)} (Ctrl-C ends it)")
        server.run(sockets=[socket])
