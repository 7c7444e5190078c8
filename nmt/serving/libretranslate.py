"""LibreTranslate's interface, so that its clients work with this server: routes, fields and texts of errors are theirs.

`alignments`, `score`, `beam_size` and `n_best` are our own fields.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from nmt.data.language_names import language_name
from nmt.decoding.source_lines import InputLine
from nmt.serving.limits import ApiError, invalid
from nmt.serving.request_body import Upload
from nmt.serving.requests import ERRORS, Context, body_schema, json_answer, report, validate
from nmt.serving.texts import Text, TextTranslation
from nmt.serving.translated_files import TranslatedFiles, translated_name

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"


class TranslateRequest(BaseModel):
    """The body of /translate."""

    q: str | list[str] = Field(description="Text to translate, of one or more lines; a list of texts only in JSON.")
    source: str = Field(description="Language code of the text, or auto to detect it.")
    target: str = Field(description="Language code of the translation.")
    format: str = Field("text", description="text; html is not supported.")
    alternatives: int = Field(0, ge=0, description="Number of further translations; at most beam_size - 1.")
    api_key: str = Field("", description="API key, if the server needs one.")
    alignments: bool = Field(False, description="Return word alignments.")
    score: bool = Field(False, description="Return the score by which the search ranks.")
    beam_size: int | None = Field(None, description="Hypotheses that the search keeps; default that of the model.")
    n_best: int | None = Field(None, ge=1, description="Number of translations: alternatives + 1.")


class DetectedLanguage(BaseModel):
    """A language that a text may be in."""

    confidence: float = Field(description="0 to 100.")
    language: str


class TranslateAnswer(BaseModel):
    """The answer of /translate; all fields are lists if q is a list."""

    translatedText: str | list[str]
    alternatives: list[str] | list[list[str]] | None = None
    detectedLanguage: DetectedLanguage | list[DetectedLanguage] | None = None
    alignments: list[list[int]] | list[list[list[int]]] | None = Field(
        None, description="Pairs of a word of q and of translatedText, from 0. Words end at spaces and line breaks."
    )
    score: float | list[float] | None = None


class DetectRequest(BaseModel):
    """The body of /detect."""

    q: str = Field(description="Text in an unknown language.")
    api_key: str = Field("", description="API key, if the server needs one.")


class FileRequest(BaseModel):
    """The body of /translate_file."""

    file: bytes = Field(description="A text file in UTF-8.", json_schema_extra={"format": "binary"})
    source: str = Field(description="Language code of the text, or auto to detect it.")
    target: str = Field(description="Language code of the translation.")
    api_key: str = Field("", description="API key, if the server needs one.")


class FileAnswer(BaseModel):
    """The answer of /translate_file."""

    translatedFileUrl: str


class Language(BaseModel):
    """A source language."""

    code: str
    name: str
    targets: list[str] = Field(description="Codes of the languages into which it can be translated.")


def routes(context: Context) -> APIRouter:
    """Return LibreTranslate's routes."""
    router = APIRouter(tags=["LibreTranslate"])
    add_translation(router, context)
    add_files(router, context)

    @router.get("/languages", response_model=list[Language])
    async def languages() -> Response:
        """List the languages."""
        models = context.service.models
        found = [{"code": code, "name": language_name(code), "targets": models.targets(code)} for code in models.codes]
        return json_answer(found)

    @router.get("/frontend/settings", response_model=dict[str, Any])
    async def settings() -> Response:
        """Return what LibreTranslate's own page asks for."""
        models, limits = context.service.models, context.service.limits
        needs_key = context.service.keys is not None
        source = models.sources[0]
        pair = {"source": source, "target": models.targets(source)[0]}
        return json_answer(
            {
                "apiKeys": needs_key,
                "keyRequired": needs_key,
                "charLimit": limits.max_characters,
                "frontendTimeout": 500,
                "language": {side: {"code": code, "name": language_name(code)} for side, code in pair.items()},
                "suggestions": False,
                "filesTranslation": True,
                "supportedFilesFormat": [".txt"],
            }
        )

    return router


def add_translation(router: APIRouter, context: Context) -> None:
    """Add /translate and /detect."""

    @router.post(
        "/translate",
        response_model=TranslateAnswer,
        response_model_exclude_none=True,
        responses=ERRORS,
        openapi_extra=body_schema(TranslateRequest, JSON, FORM, MULTIPART),
    )
    async def translate(request: Request) -> Response:
        """Translate a text or a list of texts."""
        fields = await context.fields(request)
        for name in ("q", "source", "target"):
            if not fields.get(name):
                raise invalid(f"missing {name} parameter")
        body = validate(TranslateRequest, fields)
        texts = [body.q] if isinstance(body.q, str) else body.q
        report(request)["characters"] = context.service.check_size(texts)
        if body.format != "text":
            raise ApiError(400, f"{body.format[:20]} format is not supported")
        answers = await _translate(context, request, texts, body)
        if isinstance(body.q, str):
            return json_answer(answers[0])
        return json_answer({key: [answer[key] for answer in answers] for key in answers[0]})

    @router.post(
        "/detect",
        response_model=list[DetectedLanguage],
        responses=ERRORS,
        openapi_extra=body_schema(DetectRequest, JSON, FORM, MULTIPART),
    )
    async def detect(request: Request) -> Response:
        """Detect the language of a text, among the source languages of the server."""
        fields = await context.fields(request)
        if not fields.get("q"):
            raise invalid("missing q parameter")
        body = validate(DetectRequest, fields)
        report(request)["characters"] = context.service.check_size([body.q])
        found = context.service.detector.detect(body.q)
        return json_answer([{"confidence": each.confidence, "language": each.language} for each in found])


def add_files(router: APIRouter, context: Context) -> None:
    """Add /translate_file and the route to download the result."""
    files = TranslatedFiles()

    @router.post(
        "/translate_file",
        response_model=FileAnswer,
        responses=ERRORS,
        openapi_extra=body_schema(FileRequest, MULTIPART),
    )
    async def translate_file(request: Request) -> Response:
        """Translate a text file. The result can be downloaded for ten minutes."""
        fields = await context.fields(request)
        upload = fields.get("file")
        if not isinstance(upload, Upload):
            raise invalid("missing file parameter")
        if not upload.name.lower().endswith(".txt"):
            raise invalid("file format not supported; send a text file whose name ends in .txt")
        for name in ("source", "target"):
            if not fields.get(name):
                raise invalid(f"missing {name} parameter")
        try:
            text = upload.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise invalid(f"the file is not UTF-8 (byte {error.start})") from None
        body = validate(TranslateRequest, {"q": text, "source": fields["source"], "target": fields["target"]})
        report(request)["characters"] = context.service.check_size([text])
        [answer] = await _translate(context, request, [text], body)
        content = answer["translatedText"].encode("utf-8", "replace")
        name = translated_name(upload.name, body.target)
        file_id = files.add(name, content)
        return json_answer({"translatedFileUrl": f"{request.base_url}download_file/{file_id}/{quote(name)}"})

    @router.get(
        "/download_file/{file_id}/{name}",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, 404: ERRORS[400]},
    )
    async def download_file(file_id: str, name: str) -> Response:
        """Download a translated file."""
        found = files.find(file_id)
        if found is None:
            raise HTTPException(404, "there is no such file, or it is older than ten minutes")
        disposition = f"attachment; filename*=UTF-8''{quote(found.name)}"
        return Response(found.content, media_type="text/plain", headers={"Content-Disposition": disposition})


async def _translate(
    context: Context, request: Request, texts: Sequence[str], body: TranslateRequest
) -> list[dict[str, Any]]:
    """Return the answer for each text."""
    models = context.service.models
    target = models.find_code(body.target)
    if body.source == "auto":
        detected = [_detect(context, text, target) for text in texts]
        sources = [each["language"] for each in detected]
    else:
        detected = []
        sources = [models.find_code(body.source)] * len(texts)
    if context.log_text:
        report(request)["text"] = list(texts)
    answers: list[dict[str, Any]] = [{} for _ in texts]
    for source in dict.fromkeys(sources):
        chosen = [i for i, each in enumerate(sources) if each == source]
        found = await _translate_from(context, request, [texts[i] for i in chosen], (source, target), body)
        for i, answer in zip(chosen, found, strict=True):
            answers[i] = answer
    for answer, each in zip(answers, detected, strict=False):
        answer["detectedLanguage"] = each
    return answers


def _detect(context: Context, text: str, target: str) -> dict[str, Any]:
    """Return the most likely language of a text among those that can be translated into `target`."""
    models = context.service.models
    for each in context.service.detector.detect(text):
        if target in models.targets(each.language) or each.language == target:
            return {"confidence": each.confidence, "language": each.language}
    source = next((code for code in models.sources if target in models.targets(code)), models.sources[0])
    return {"confidence": 0.0, "language": source}


async def _translate_from(
    context: Context, request: Request, texts: Sequence[str], languages: tuple[str, str], body: TranslateRequest
) -> list[dict[str, Any]]:
    """Return the answers for texts of the same language."""
    service = context.service
    source, target = languages
    if source == target and target not in service.models.targets(source):
        unchanged = [TextTranslation(text, 0.0, []) for text in texts]
        return [_answer([each], body) for each in unchanged]
    model, direction = service.models.find(source, target)
    n_best = max(body.alternatives + 1, body.n_best or 1)
    changes: dict[str, Any] = {"split_sentences": True, "beam_size": body.beam_size, "n_best": n_best}
    changes["alignments"] = body.alignments and model.has_attention
    options = service.options(model, {name: value for name, value in changes.items() if value is not None})
    parsed = [Text(text) for text in texts]
    lines = [InputLine(line.text, tag=direction.tag) for text in parsed for line in text.inputs]
    rest = iter(await service.translate(model, direction, lines, options, request.is_disconnected, report(request)))
    answers = []
    for text in parsed:
        translations = [next(rest) for _ in text.inputs]
        count = max((len(each.targets) for each in translations), default=1)
        answers.append(_answer([text.join(translations, rank) for rank in range(count)], body))
    return answers


def _answer(ranked: Sequence[TextTranslation], body: TranslateRequest) -> dict[str, Any]:
    """Return the answer for a text from its translations, best first."""
    best = ranked[0]
    answer: dict[str, Any] = {"translatedText": best.text}
    if body.alternatives or body.n_best:
        answer["alternatives"] = list(dict.fromkeys(each.text for each in ranked[1:] if each.text != best.text))
    if body.alignments:
        answer["alignments"] = best.alignments
    if body.score:
        answer["score"] = best.score
    return answer
