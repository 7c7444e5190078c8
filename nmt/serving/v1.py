"""Our own interface: /v1/translate, with the request and the answer of the Python API, and /v1/models."""

import typing
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, create_model
from starlette.requests import Request
from starlette.responses import Response

from nmt.config.model_settings import Direction
from nmt.decoding.search_options import SearchKeywords
from nmt.decoding.source_lines import InputLine
from nmt.decoding.translation import Target, Translation
from nmt.serving.limits import ApiError, invalid
from nmt.serving.models import ServedModel
from nmt.serving.requests import ERRORS, Context, body_schema, json_answer, report, validate

NOT_OPTIONS = frozenset(
    {"window", "tokens_per_batch", "shortlist", "max_source_tokens", "max_length_ratio", "max_length_extra", "tag"}
)
"""Keywords of the Python API that the server decides; `tag` is that of each line."""
MAX_MIN_LENGTH = 250
"""Largest `min_length`: a search goes on for at least as many steps."""
MAX_PREFIX = 1000
"""Characters of a prefix."""


class SourceFields(BaseModel):
    """The fields of /v1/translate that are not options of the search."""

    model_config = ConfigDict(strict=True, extra="forbid")

    source: str | list[str] = Field(description="Line to translate, or a list of lines.")
    model: str | None = Field(None, description="Name of a model of /v1/models; default the first one that fits.")
    source_language: str | None = Field(None, description="Language code; default that of the model.")
    target_language: str | None = Field(None, description="Language code; default that of the model.")
    tag: str | None = Field(None, description="Tag before each line, such as <2de>; default that of the direction.")
    prefixes: list[str] | None = Field(None, description="For each line the text that its translation begins with.")
    split_sentences: bool = Field(False, description="Translate each sentence of a line on its own.")
    attention: bool = Field(False, description="Return subword pieces and the attention over the source.")


_KEYWORDS = {name: hint for name, hint in typing.get_type_hints(SearchKeywords).items() if name not in NOT_OPTIONS}
_OPTIONS: dict[str, Any] = {name: (hint | None, None) for name, hint in _KEYWORDS.items() if name != "split_sentences"}
TranslateLines: type[SourceFields] = create_model(
    "TranslateLines", __base__=SourceFields, __doc__="The body of /v1/translate.", **_OPTIONS
)


class TargetAnswer(BaseModel):
    """One of the best translations of a line."""

    text: str
    score: float | None = Field(description="The score by which the search ranks.")
    log_prob: float | None = Field(description="Natural logarithm of p(text | source).")
    alignment: list[list[int]] | None = Field(None, description="Pairs (source word, target word), from 0.")


class SentenceAnswer(TargetAnswer):
    """The best translation of a sentence."""

    source: str
    source_pieces: list[str] | None = Field(None, description="Subword pieces of the source.")
    pieces: list[str] | None = Field(None, description="Subword pieces of the translation.")
    attention: list[list[float]] | None = Field(
        None, description="For each piece of the translation its attention to each piece of the source and to its end."
    )


class TranslationAnswer(SentenceAnswer):
    """The translation of a line."""

    targets: list[TargetAnswer] = Field(description="The n_best translations, the best first.")
    sentences: list[SentenceAnswer] | None = Field(None, description="The sentences, with split_sentences.")


class LinesAnswer(BaseModel):
    """The answer of /v1/translate."""

    model: str
    source_language: str
    target_language: str
    translations: list[TranslationAnswer] = Field(description="One for each line of the source.")


class DirectionAnswer(BaseModel):
    """A translation direction."""

    source: str
    target: str
    tag: str


class ModelAnswer(BaseModel):
    """A served model."""

    name: str
    checkpoint: str
    directions: list[DirectionAnswer]
    has_attention: bool
    beam_size: int
    precision: str


class ModelsAnswer(BaseModel):
    """The answer of /v1/models."""

    models: list[ModelAnswer]


def routes(context: Context) -> APIRouter:
    """Return the routes under /v1."""
    router = APIRouter(prefix="/v1", tags=["nmt"])

    @router.get("/models", response_model=ModelsAnswer)
    async def models() -> Response:
        """List the models."""
        return json_answer({"models": [_describe(model) for model in context.service.models.models]})

    @router.post(
        "/translate",
        response_model=LinesAnswer,
        response_model_exclude_none=True,
        responses=ERRORS,
        openapi_extra=body_schema(TranslateLines, "application/json"),
    )
    async def translate(request: Request) -> Response:
        """Translate lines, with the options and the results of the Python API."""
        fields = await context.fields(request)
        body = validate(TranslateLines, fields)
        return json_answer(await _translate(context, request, body))

    return router


def _describe(model: ServedModel) -> dict[str, Any]:
    translator = model.translator
    return {
        "name": model.name,
        "checkpoint": model.checkpoint,
        "directions": [{"source": each.source, "target": each.target, "tag": each.tag} for each in model.directions],
        "has_attention": model.has_attention,
        "beam_size": translator.options.num_hypotheses,
        "precision": translator.machine.arithmetic,
    }


async def _translate(context: Context, request: Request, body: SourceFields) -> dict[str, Any]:
    service = context.service
    sources = [body.source] if isinstance(body.source, str) else body.source
    prefixes = body.prefixes or [""] * len(sources)
    if len(prefixes) != len(sources):
        raise invalid(f"there are {len(sources)} lines in source and {len(prefixes)} prefixes")
    if max(map(len, prefixes), default=0) > MAX_PREFIX:
        raise invalid(f"a prefix has at most {MAX_PREFIX} characters")
    report(request)["characters"] = service.check_size(sources)
    model, direction = _choose(context, body)
    changes = {name: value for name in _OPTIONS if (value := getattr(body, name)) is not None}
    if changes.get("min_length", 0) > MAX_MIN_LENGTH:
        raise invalid(f"min_length must be at most {MAX_MIN_LENGTH}")
    if body.attention:
        changes["alignments"] = True
    options = service.options(model, {**changes, "split_sentences": body.split_sentences})
    if context.log_text:
        report(request)["text"] = sources
    tag = direction.tag if body.tag is None else body.tag
    lines = [InputLine(text, prefix, tag) for text, prefix in zip(sources, prefixes, strict=True)]
    found = await service.translate(model, direction, lines, options, request.is_disconnected, report(request))
    return {
        "model": model.name,
        "source_language": direction.source,
        "target_language": direction.target,
        "translations": [_line(each, options.with_alignment, body) for each in found],
    }


def _choose(context: Context, body: SourceFields) -> tuple[ServedModel, Direction]:
    """Return the model and the direction that a request asks for."""
    models = context.service.models
    source = None if body.source_language is None else models.find_code(body.source_language)
    target = None if body.target_language is None else models.find_code(body.target_language)
    candidates: Sequence[ServedModel] = models.models if body.model is None else [models.named(body.model)]
    for model in candidates:
        for direction in model.directions:
            if source in (None, direction.source) and target in (None, direction.target):
                return model, direction
    raise ApiError(400, f"Invalid request: no model translates from {source or 'any'} to {target or 'any'}")


def _line(translation: Translation, with_alignment: bool, body: SourceFields) -> dict[str, Any]:
    answer = _sentence(translation, with_alignment, body.attention and not body.split_sentences)
    answer["targets"] = [_target(each, with_alignment) for each in translation.targets]
    if body.split_sentences:
        answer["sentences"] = [_sentence(each, with_alignment, body.attention) for each in translation.sentences]
    return answer


def _sentence(translation: Translation, with_alignment: bool, with_attention: bool) -> dict[str, Any]:
    best = translation.targets[0]
    answer = {"source": translation.source, **_target(best, with_alignment)}
    if with_attention:
        attention = None if best.attention is None else best.attention.astype(float).round(4).tolist()
        answer |= {"source_pieces": translation.source_pieces, "pieces": best.pieces, "attention": attention}
    return answer


def _target(target: Target, with_alignment: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"text": target.text, "score": target.score, "log_prob": target.log_prob}
    if with_alignment:
        answer["alignment"] = [list(pair) for pair in target.alignment or ()]
    return answer
