"""Read the body of a request: JSON, a form, or a multipart form, all within the limit of the server."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from nmt.serving.limits import ApiError, invalid


@dataclass(frozen=True)
class Upload:
    """An uploaded file."""

    name: str
    content: bytes


class _InMemoryParser(MultiPartParser):
    """Keeps files in memory: a body has a limit, and nothing shall be left on disk."""

    spool_max_size = 1 << 40

    def on_part_end(self) -> None:
        """Raise UnicodeDecodeError for a text that is not UTF-8; Starlette would read it as Latin-1."""
        if self._current_part.file is None:
            self._current_part.data.decode("utf-8")
        super().on_part_end()


async def read_fields(request: Request, max_bytes: int) -> dict[str, Any]:
    """Return the fields of the body: JSON values, or texts and an `Upload` for each file.

    Fields in the query of the URL count, too, unless the body has them. Raise `ApiError` if the body is not valid.
    """
    body = await _read(request, max_bytes)
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    fields: dict[str, Any]
    if kind == "multipart/form-data":
        fields = await _parse_multipart(request, body)
    elif kind == "application/x-www-form-urlencoded":
        fields = _parse_form(body, "the body")
    elif kind in ("", "application/json", "text/json") or kind.endswith("+json"):
        fields = _parse_json(body) if body else {}
    else:
        raise invalid(f"the content type {kind[:60]} is not supported; send JSON or a form")
    return {**_parse_form(request.url.query.encode("ascii", "replace"), "the URL"), **fields}


async def _read(request: Request, max_bytes: int) -> bytes:
    too_large = ApiError(413, f"Invalid request: the body has more than {max_bytes} bytes")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise too_large
    parts, total = [], 0
    async for part in request.stream():
        total += len(part)
        if total > max_bytes:
            raise too_large
        parts.append(part)
    return b"".join(parts)


def _parse_json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(_decode(body, "the body"), parse_constant=_reject_constant)
    except RecursionError:
        raise invalid("the JSON of the body is nested too deeply") from None
    except ValueError as error:
        raise invalid(f"the body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise invalid("the body must be a JSON object")
    return found


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _parse_form(body: bytes, place: str) -> dict[str, Any]:
    try:
        return dict(parse_qsl(_decode(body, place), keep_blank_values=True, errors="strict", max_num_fields=100))
    except ValueError:
        raise invalid(f"{place} is not a form of UTF-8 text with at most 100 fields") from None


async def _parse_multipart(request: Request, body: bytes) -> dict[str, Any]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    _, parameters = parse_options_header(request.headers["content-type"])
    if parameters.get(b"charset", b"utf-8").lower() != b"utf-8":  # other codecs of Python may take very long
        raise invalid("the charset of a multipart form must be utf-8")
    parser = _InMemoryParser(request.headers, stream(), max_files=1, max_fields=100, max_part_size=max(1, len(body)))
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError, UnicodeDecodeError):
        raise invalid("the body is not a multipart form with at most one file and 100 fields") from None
    fields: dict[str, Any] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            fields[name] = Upload(value.filename or "", await value.read())
            await value.close()
        else:
            fields[name] = value
    return fields


def _decode(body: bytes, place: str) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid(f"{place} is not UTF-8 (byte {error.start})") from None
