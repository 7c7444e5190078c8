"""The application with toy models, in the process of the test."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from decoding_toys import make

from nmt.config.model_settings import Direction
from nmt.serving.access import ApiKeys
from nmt.serving.application import create_application
from nmt.serving.limits import Limits
from nmt.serving.metrics import Metrics
from nmt.serving.models import Models, ServedModel
from nmt.serving.service import Service


@dataclass(frozen=True)
class ToyLoader:
    """Stands for `ModelLoader`."""

    models: Sequence[ServedModel]

    def load(self) -> Models:
        return Models(tuple(self.models))


def toy_model(bpe: Any, *directions: tuple[str, str, str], name: str = "toy", engine: Any = None) -> ServedModel:
    """Return a model that copies its source, with directions (source, target, tag)."""
    directions = directions or (("en", "de", ""),)
    source, target, _ = directions[0]
    translator = make(bpe, engine, target, source, tags=tuple(tag or None for _, _, tag in directions))
    return ServedModel(name, "step-1", translator, tuple(Direction(*each) for each in directions))


class ToyServer:
    """Sends requests to the application."""

    def __init__(
        self,
        models: Sequence[ServedModel],
        limits: Limits | None = None,
        keys: ApiKeys | None = None,
        with_metrics: bool = False,
        log_text: bool = False,
    ) -> None:
        self.service = Service(ToyLoader(models), limits or Limits(timeout=20.0), keys, Metrics())  # type: ignore[arg-type]
        self.application = create_application(self.service, with_metrics, log_text)

    def __enter__(self) -> "ToyServer":
        return self

    def __exit__(self, *error: object) -> None:
        self.service.close()

    def send(self, method: str, path: str, **given: Any) -> httpx.Response:
        """Send one request."""
        [response] = self.send_all([(method, path, given)])
        return response

    def send_all(self, requests: Sequence[tuple[str, str, dict[str, Any]]]) -> list[httpx.Response]:
        """Send requests at the same time."""

        async def run() -> list[httpx.Response]:
            transport = httpx.ASGITransport(app=self.application, client=("192.0.2.7", 5), raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://server", timeout=30) as client:
                return await asyncio.gather(*(client.request(method, path, **kw) for method, path, kw in requests))

        return asyncio.run(run())

    def post(self, path: str, values: Any = None, **given: Any) -> httpx.Response:
        """Send JSON."""
        return self.send("POST", path, json=values, **given)

    def translate(self, q: Any, **more: Any) -> Any:
        """Return the answer of /translate from English to German."""
        response = self.post("/translate", {"q": q, "source": "en", "target": "de", **more})
        assert response.status_code == 200, response.text
        return response.json()
