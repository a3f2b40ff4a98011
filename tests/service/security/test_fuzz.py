"""A few hundred of the requests and files that `benchmarks/service` makes up by the thousand; always the same ones."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import schemathesis
import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel
from real_server import real_server

from benchmarks.service.contract import asked_of
from benchmarks.service.document_mutations import SOUND, mutated_document, mutated_file
from benchmarks.service.mutated_files import (
    over_a_connection,
    part_of,
    policies_of_requests,
    policy_files,
    vector_files,
)
from benchmarks.service.schema_fuzz import SchemaFuzz
from benchmarks.service.vector_mutations import mutated_vector
from policies.document import Policy
from service.loading import LoadedModel, load_service
from service.settings import Settings


@pytest.fixture(scope="module")
def loaded(options) -> LoadedModel:
    return load_service(Settings(**options))


@pytest.fixture(scope="module")
def url(options):
    with real_server(Settings(**{**options, "max_images": 2, "max_steps": 4, "max_pixels": 64 * 64})) as url:
        yield url


def test_made_up_requests_are_answered_as_the_description_says(url):
    asked = asked_of(url, examples=8, phases=["examples", "fuzzing"], seed=7)
    assert asked.is_sound, (asked.findings, asked.errors)
    assert asked.cases >= 150
    assert len(asked.operations) >= 26
    assert asked.statuses[200] >= 20
    assert asked.statuses[422] >= 20
    part = SchemaFuzz(asked, {"this": asked}, 1.0).part()
    assert part.holds
    assert json.loads(json.dumps(part.figures))["requests"] == asked.cases


@pytest.mark.parametrize("path", ["/generate", "/v1/images/generations"])
def test_streams_are_as_the_description_says(url, path):
    operation = schemathesis.openapi.from_url(f"{url}/openapi.json")[path]["POST"]
    body = {"prompt": "a doctor", "stream": True, "num_inference_steps": 2}
    answer = operation.Case(body=body, media_type="application/json").call()
    assert answer.status_code == 200
    assert answer.headers["content-type"][0].startswith("text/event-stream")
    operation.validate_response(answer)


def test_mutated_vector_files_are_refused_or_valid(loaded):
    tally = vector_files(loaded, 200)
    assert tally.crashed == []
    assert tally.accepted + tally.refused.total() == 200
    assert {"UnsoundVectorError", "MisfitVectorError", "VectorRangeError"} <= set(tally.refused)
    assert 0 < tally.accepted < 50
    part = part_of([tally], 1.0)
    assert part.holds
    assert json.loads(json.dumps(part.figures))["vector files"]["refused"] == dict(tally.refused)
    tally.crashed.append("7: KeyError: 'x'")
    assert not part_of([tally], 1.0).holds


def test_mutated_policies_are_refused_or_valid(loaded):
    for tally in (policy_files(loaded, 150), policies_of_requests(loaded, 150)):
        assert tally.crashed == []
        assert tally.accepted + tally.refused.total() == 150
        assert 0 < tally.accepted < 60


def test_mutated_files_are_answered_over_a_connection(loaded, url):
    tally = over_a_connection(loaded, url, 40)
    assert tally.crashed == []
    assert tally.refused["unsound_vector"] > 5


def test_what_is_changed_is_sound_to_begin_with_and_the_same_every_time(loaded):
    assert Policy.model_validate(SOUND).name == "people"
    sound = loaded.vectors["woman"].path.read_bytes()
    for make in (lambda seed: mutated_vector(sound, seed), mutated_document, mutated_file):
        first = [make(seed) for seed in range(50)]
        assert repr(first) == repr([make(seed) for seed in range(50)])
        assert len({repr(one) for one in first}) > 30


class Small(BaseModel):
    number: int


@contextmanager
def wrong_service() -> Iterator[str]:
    """A service whose description is not true."""
    app = FastAPI()

    @app.get("/other", response_model=Small)
    def other() -> Response:
        return Response('{"number": "one"}', media_type="application/json")

    @app.get("/status")
    def status() -> Response:
        return Response(status_code=418)

    @app.post("/broken")
    def broken(body: Small) -> Response:
        return Response(status_code=500)

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def test_answers_that_are_not_as_described_are_found():
    with wrong_service() as url:
        asked = asked_of(url, examples=3, phases=["fuzzing"], seed=7)
    assert not asked.is_sound
    assert not SchemaFuzz(asked, {"this": asked}, 1.0).part().holds
    found = {(finding.operation, finding.check) for finding in asked.findings}
    assert ("GET /other", "response_schema_conformance") in found
    assert ("GET /status", "status_code_conformance") in found
    assert ("POST /broken", "not_a_server_error") in found
    assert len({finding.kind for finding in asked.findings}) == len(asked.findings)
