"""The responses of the application are those of its OpenAPI document, for random requests."""

import schemathesis
from toy_service import ToyServer, toy_model

from nmt.serving.limits import Limits
from scripts.verification import openapi_server

REQUESTS = 60


def test_responses_are_those_of_the_openapi_document(bpe):
    limits = Limits(max_characters=500, max_lines=5, timeout=20.0)
    with ToyServer([toy_model(bpe)], limits, with_metrics=True) as server:
        schema = schemathesis.openapi.from_asgi("/openapi.json", server.application)
        found = openapi_server.check_all(schema, REQUESTS, 1, ("en", "de"))
    assert [example for tally in found.values() for example in tally.examples] == []
    assert sum(tally.requests for tally in found.values()) > 0.8 * REQUESTS
    for route in ("POST /translate", "POST /v1/translate", "POST /detect"):
        assert found[route].statuses[200] and found[route].statuses[400]
    assert not any(status >= 500 for tally in found.values() for status in tally.statuses)
