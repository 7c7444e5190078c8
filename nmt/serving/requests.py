"""What all routes need of a request: its fields, permission, the report for the log; and how answers are written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from nmt.serving.access import RateLimit
from nmt.serving.limits import invalid
from nmt.serving.request_body import read_fields
from nmt.serving.service import Service
from nmt.storage.json_text import dump_json

REPORT = "nmt.report"
"""Key of the ASGI scope: a dict with what the log says about the request."""
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Context:
    """What the routes share."""

    service: Service
    rate: RateLimit
    log_text: bool
    """Whether the log shows the texts."""

    async def fields(self, request: Request) -> dict[str, Any]:
        """Return the fields of the body of a request that may be answered. Raise `ApiError` if it may not."""
        fields = await read_fields(request, self.service.limits.max_body)
        self.authorize(request, fields.pop("api_key", None))
        return fields

    def authorize(self, request: Request, key: Any = None) -> None:
        """Raise `ApiError` if the server needs a key and this one is wrong, or if the client is too fast.

        The key is given in the body or in the header Authorization.
        """
        header = request.headers.get("authorization", "")
        if header[:7].lower() == "bearer ":
            key = header[7:].strip()
        client = request.client.host if request.client else ""
        if self.service.keys is not None:
            client = self.service.keys.check(key if isinstance(key, str) else None)
            report(request)["key"] = client
        self.rate.check(client)


def report(request: Request) -> dict[str, Any]:
    """Return what the log says about a request; routes add to it."""
    found: dict[str, Any] = request.scope[REPORT]
    return found


def validate(model: type[Model], fields: Mapping[str, Any]) -> Model:
    """Return the fields as a model. Raise `ApiError` that names the first wrong one."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(map(str, first["loc"][:1]))
        if first["type"] == "missing":
            raise invalid(f"missing {name} parameter") from None
        if first["type"] == "extra_forbidden":
            raise invalid(f"there is no parameter {name[:60]}") from None
        raise invalid(f"{name}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer in JSON."""
    content = dump_json(value, ensure_ascii=False).encode("utf-8", "replace")
    return Response(content, status, headers, media_type="application/json")


class ErrorAnswer(BaseModel):
    """The body of every error."""

    error: str


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "Invalid request"},
    403: {"model": ErrorAnswer, "description": "The API key is missing or wrong"},
    413: {"model": ErrorAnswer, "description": "The body is too large"},
    429: {"model": ErrorAnswer, "description": "Too many requests; Retry-After has the seconds to wait"},
    500: {"model": ErrorAnswer, "description": "The translation failed"},
    503: {"model": ErrorAnswer, "description": "Too many sentences are waiting, or the translation took too long"},
}
"""What a route that translates may answer instead."""


def body_schema(model: type[BaseModel], *kinds: str) -> dict[str, Any]:
    """Return what OpenAPI says about a body: fields of `model`, in the content types `kinds`."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}}
