"""The ASGI application: all routes, and around them errors, headers, log and metrics."""

import importlib.util
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nmt import __version__
from nmt.serving import libretranslate, v1
from nmt.serving.access import RateLimit
from nmt.serving.limits import ApiError
from nmt.serving.requests import REPORT, Context, json_answer
from nmt.serving.service import ClientGoneError, Service

logger = logging.getLogger(__name__)

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

PAGE, DOCS = Path(__file__).parent / "page", Path(__file__).parent / "docs"
CLIENT_GONE = 499
"""Status in the log if the client closed the connection before it was answered (nginx's number)."""
HEADERS = [
    (b"access-control-allow-origin", b"*"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
DEFAULT_HEADERS = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-cache",
}
"""Headers of answers that do not set them themselves."""
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "86400",
}


def create_application(service: Service, with_metrics: bool, log_text: bool) -> ASGIApp:
    """Return the application. `log_text` shows the texts of requests in the log."""
    app = FastAPI(
        title="nmt",
        version=__version__,
        description="Translation models trained with nmt. The interface is that of LibreTranslate; /v1 is our own.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    context = Context(service, RateLimit(service.limits.rate), log_text)
    routers = [libretranslate.routes(context), v1.routes(context)]
    for router in routers:
        app.include_router(router)
    _add_pages(app)

    @app.get("/health", tags=["operation"], response_model=dict[str, str])
    async def health() -> Response:
        """Say that the server works."""
        return json_answer({"status": "ok"})

    if with_metrics:

        @app.get("/metrics", tags=["operation"], response_class=Response)
        async def metrics(request: Request) -> Response:
            """Return figures for Prometheus."""
            if service.keys is not None:
                context.authorize(request)
            return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    app.add_exception_handler(ApiError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(Exception, _answer_bug)
    return Frame(app, service, _direct_routes(routers))


def _direct_routes(routers: Sequence[APIRouter]) -> dict[str, Endpoint]:
    """Return the endpoints of POST requests, by path. They take the request and nothing else.

    `Frame` calls them itself: FastAPI's own way to them costs 0.15 ms of CPU time more for each request.
    """
    routes = (route for router in routers for route in router.routes if isinstance(route, APIRoute))
    return {route.path: route.endpoint for route in routes if route.methods == {"POST"}}


def _add_pages(app: FastAPI) -> None:
    """Add the page at / and the documentation at /docs, with their files."""
    page = {"Content-Security-Policy": PAGE_POLICY}
    docs = {"Content-Security-Policy": DOCS_POLICY}

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return FileResponse(PAGE / "index.html", headers=page)

    @app.get("/docs", include_in_schema=False)
    async def documentation() -> Response:
        return FileResponse(DOCS / "index.html", headers=docs)

    app.mount("/page", StaticFiles(directory=PAGE), "page")
    app.mount("/docs-files", StaticFiles(directory=DOCS), "docs")
    if (package := importlib.util.find_spec("fastapi_offline")) is not None and package.origin is not None:
        app.mount("/swagger", StaticFiles(directory=Path(package.origin).parent / "static"), "swagger")


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return json_answer({"error": error.message}, error.status, headers)


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return json_answer({"error": error.detail}, error.status_code, error.headers)


async def _answer_bug(request: Request, error: Exception) -> Response:
    """Answer in the format of all errors. Starlette raises the error again, and `Frame` logs it."""
    return json_answer({"error": "Internal error; the log of the server has the reason"}, 500)


class Frame:
    """What happens around every request: preflight, HEAD, headers, errors, log, metrics."""

    def __init__(self, app: ASGIApp, service: Service, direct: Mapping[str, Endpoint]) -> None:
        """Wrap `app`; POST requests to a path in `direct` go to its endpoint."""
        self._app, self._service, self._direct = app, service, direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        report: dict[str, Any] = {}
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                names = {name for name, _ in message["headers"]}
                added = [(name, value) for name, value in DEFAULT_HEADERS.items() if name not in names]
                message = {**message, "headers": [*message["headers"], *HEADERS, *added]}
            await send(message)

        method = scope["method"]
        inner = {**scope, REPORT: report, "method": "GET" if method == "HEAD" else method}
        try:
            if method == "OPTIONS":
                await Response(status_code=204, headers=PREFLIGHT)(inner, receive, send_with_headers)
            elif method == "POST" and scope["path"] in self._direct:
                response = await self._answer(self._direct[scope["path"]], Request(inner, receive))
                await response(inner, receive, send_with_headers)
            else:
                await self._app(inner, receive, send_with_headers)
        except (ClientDisconnect, ClientGoneError):
            status = CLIENT_GONE
        except Exception:
            logger.exception(f"{method} {_printable(scope['path'])} failed")
        finally:
            self._log(scope, inner, status or CLIENT_GONE, time.perf_counter() - start, report)

    async def _answer(self, endpoint: Endpoint, request: Request) -> Response:
        request.scope["route"] = request.scope["path"]
        try:
            return await endpoint(request)
        except ApiError as error:
            return await _answer_error(request, error)
        except (ClientDisconnect, ClientGoneError):
            raise
        except Exception as error:
            logger.exception(f"POST {request.scope['path']} failed")
            return await _answer_bug(request, error)

    def _log(self, scope: Scope, inner: Scope, status: int, seconds: float, report: dict[str, Any]) -> None:
        found = inner.get("route")
        route = found if isinstance(found, str) else getattr(found, "path", "other")
        self._service.metrics.on_request(route, status, seconds, report.get("characters", 0))
        client = scope.get("client")
        fields = {
            "method": scope["method"],
            "path": _printable(scope["path"]),
            "status": status,
            "ms": round(1000 * seconds, 1),
            "client": client[0] if client else "",
            **report,
        }
        logger.info("request", extra={"fields": fields})


def _printable(path: str) -> str:
    """Return a path for the log, without the ids of files."""
    return json.dumps("/download_file/…" if path.startswith("/download_file/") else path[:200])[1:-1]
