"""`Service`: translate lines for the routes, with the loaded models, the scheduler and the limits of the server."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from nmt.config.model_settings import Direction
from nmt.data.language_detection import LanguageDetector
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.source_lines import EncodedLine, InputLine
from nmt.decoding.translation import Translation
from nmt.errors import NmtError
from nmt.kernels.out_of_memory import OutOfMemory
from nmt.serving.access import ApiKeys
from nmt.serving.limits import ApiError, Limits, invalid
from nmt.serving.metrics import Metrics
from nmt.serving.models import ModelLoader, Models, ServedModel
from nmt.serving.scheduler import Job, Result, Scheduler
from nmt.storage.cores import requested_threads

logger = logging.getLogger(__name__)

INLINE_CHARACTERS = 2000
"""Texts of at most so many characters are encoded in the event loop, longer ones in a thread."""
POLL = 1.0
"""Seconds after which a waiting request looks whether its client has gone."""


class ClientGoneError(Exception):
    """The client has closed the connection, so nobody waits for the translation."""


class Service:
    """Translates for the routes. All methods but `reload` are called in the event loop."""

    def __init__(self, loader: ModelLoader, limits: Limits, keys: ApiKeys | None, metrics: Metrics) -> None:
        """Load the models. Raise `NmtError` if one cannot be loaded."""
        self._loader, self.limits, self.keys, self.metrics = loader, limits, keys, metrics
        self.models = loader.load()
        self.detector = LanguageDetector(self.models.sources)
        self._futures: dict[Job, asyncio.Future[Result]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduler = Scheduler(requested_threads(), limits.max_queue, self._on_done, metrics.on_batch)
        self._encoder = ThreadPoolExecutor(1, "nmt-encode")
        metrics.watch_queue(lambda: self._scheduler.waiting)

    def reload(self) -> None:
        """Load models and keys anew. Requests that are being translated keep the models that they began with.

        If something cannot be loaded, log the error, and go on with what was loaded before.
        """
        try:
            models: Models = self._loader.load()
            detector = LanguageDetector(models.sources)
            if self.keys is not None:
                self.keys.reload()
        except (NmtError, OSError, MemoryError, RuntimeError) as error:
            logger.error(f"reloading failed, the server goes on with the models that it has: {error}")
            return
        self.models, self.detector = models, detector
        logger.info("reloaded")

    def close(self) -> None:
        """End the threads."""
        self._scheduler.close()
        self._encoder.shutdown(wait=False)

    def check_size(self, texts: Sequence[str]) -> int:
        """Return the number of characters of the texts. Raise `ApiError` if they exceed a limit."""
        characters = sum(map(len, texts))
        for size, limit in (
            (characters, self.limits.max_characters),
            (sum(text.count("\n") + 1 for text in texts), self.limits.max_lines),
        ):
            if size > limit:
                raise invalid(f"request ({size}) exceeds text limit ({limit})")
        return characters

    def options(self, model: ServedModel, changes: dict[str, Any]) -> SearchOptions:
        """Return the options of a search within the limits. Raise `ApiError` if they are wrong."""
        try:
            options = model.options(changes)
            model.translator.lines.check(options)
        except NmtError as error:
            raise invalid(str(error)) from None
        for name in ("beam_size", "n_best"):
            if name in changes and getattr(options, name) > self.limits.max_beam:
                raise invalid(f"{name} must be at most {self.limits.max_beam}")
        return options

    async def translate(
        self,
        model: ServedModel,
        direction: Direction,
        lines: Sequence[InputLine],
        options: SearchOptions,
        is_gone: Callable[[], Awaitable[bool]],
        report: dict[str, Any],
    ) -> list[Translation]:
        """Return the translations of the lines, in order.

        `is_gone` says whether the client has closed the connection. The figures for the log are put into `report`.
        Raise `ApiError` if the request is wrong or cannot be translated.
        """
        job = Job(model.translator.lines, options, await self._encode(model, direction, lines, options))
        report.update(model=model.name, lines=len(lines), sentences=job.size)
        if not job.size:
            return job.build()
        self._loop = asyncio.get_running_loop()
        future = self._futures[job] = self._loop.create_future()
        try:
            self._scheduler.submit(job)
            result = await self._wait(job, future, is_gone)
        finally:
            del self._futures[job]
        report.update(tokens=job.tokens)
        if job.started is not None:
            report["queue_ms"] = round(1000 * (job.started - job.submitted), 1)
        if isinstance(result, Exception):
            raise _failure(result)
        return result

    async def _encode(
        self, model: ServedModel, direction: Direction, lines: Sequence[InputLine], options: SearchOptions
    ) -> list[EncodedLine]:
        def encode() -> list[EncodedLine]:
            # The tag is that of each line: jobs with different tags share batches.
            return model.translator.lines.encode(lines, options, 0, (direction.source, direction.target))

        try:
            if sum(map(len, lines)) <= INLINE_CHARACTERS:
                return encode()
            return await asyncio.get_running_loop().run_in_executor(self._encoder, encode)
        except NmtError as error:
            raise invalid(str(error)) from None

    async def _wait(self, job: Job, future: "asyncio.Future[Result]", is_gone: Callable[[], Awaitable[bool]]) -> Result:
        """Return the result of a job; give it up if it takes too long or the client has gone."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.limits.timeout
        try:
            while True:
                remaining = end - loop.time()
                await asyncio.wait([future], timeout=min(POLL, max(0.0, remaining)))
                if future.done():
                    return future.result()
                if remaining <= 0:
                    raise ApiError(
                        503, f"The translation took longer than {self.limits.timeout:g} seconds; send less text", 5
                    )
                if await is_gone():
                    raise ClientGoneError
        finally:
            if not future.done():
                self._scheduler.cancel(job)

    def _on_done(self, results: list[tuple[Job, Result]]) -> None:
        """Pass results from a thread of the scheduler to the event loop."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._resolve, results)

    def _resolve(self, results: list[tuple[Job, Result]]) -> None:
        for job, result in results:
            future = self._futures.get(job)
            if future is not None and not future.done():
                future.set_result(result)


def _failure(error: Exception) -> Exception:
    """Return the error to answer with if the translation of a job failed."""
    if isinstance(error, OutOfMemory):
        return ApiError(503, str(error), 5)
    logger.error(f"translation failed: {error}", exc_info=None if isinstance(error, NmtError) else error)
    return ApiError(500, "The translation failed; the log of the server has the reason")
