"""Rendering the pages: Jinja with every value escaped, and addresses built from the routes' names.

What does not belong here: what a page says (``web``), and how it looks (``templates/viewer``).
"""

import functools
from typing import Any, Final

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from audit_pipelines.serve import sessions
from audit_pipelines.serve.gate import gate_of
from audit_pipelines.serve.web import navigation, show, static
from audit_pipelines.shipped import shipped


@functools.cache
def environment() -> jinja2.Environment:
    """The templates of ``templates/viewer``: autoescape always, nothing unseen, an undefined name is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(shipped("templates") / "viewer"),
        autoescape=True,
        finalize=show.printable,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(show.FILTERS)
    return made


def address(request: Request, name: str, /, **params: Any) -> str:
    """The path of the route ``name``, below the prefix of a reverse proxy if there is one."""
    return below(request, str(request.app.url_path_for(name, **params)))


def below(request: Request, path: str) -> str:
    """``path`` of this application as browsers must ask for it."""
    return str(request.scope.get("root_path", "")).rstrip("/") + path


FRAGMENT: Final = "x-fragment"
"""Header of our scripts, which want a page without what is around it."""


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """The page ``template``.

    Beside ``values`` templates get ``request``, ``principal`` (whoever is signed in, or ``None``), ``csrf()`` for the
    hidden field of forms, ``address(name, ...)``, ``static(name)``, ``organisation``, ``navigation`` and ``base``, the
    template that they extend: ``base.html.j2``, or ``fragment.html.j2`` when a script asks for the main part alone.
    """
    to = functools.partial(address, request)
    text = (
        environment()
        .get_template(template)
        .render(
            request=request,
            principal=getattr(request.state, "principal", None),
            csrf=lambda: sessions.csrf_token(request),
            address=to,
            static=lambda name: to("static", digest=static.files().digest, name=name),
            organisation=gate_of(request).settings.organisation.name,
            navigation=navigation.links(request, to),
            base="fragment.html.j2" if FRAGMENT in request.headers else "base.html.j2",
            **values,
        )
    )
    return HTMLResponse(text, status_code=status)
