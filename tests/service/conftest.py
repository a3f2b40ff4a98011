import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import torch
from fastapi.testclient import TestClient
from held_floor import FLOOR

from diffusion import DiffusionModel
from service.app import create_app
from service.settings import Settings
from vectors import ConceptVector, VectorLibrary
from vectors.concept import ConceptPrompts

CONCEPTS = ("woman", "man", "black", "white", "asian", "anti-sexual", "anti-violence")
WORDS = {"anti-sexual": ("sexual",), "anti-violence": ("violent",)}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """No TRIMTAB_* variable of the developer's shell reaches a test."""
    for variable in [name for name in os.environ if name.upper().startswith("TRIMTAB_")]:
        monkeypatch.delenv(variable)


@pytest.fixture(scope="session")
def model(models: Mapping[str, DiffusionModel]) -> DiffusionModel:
    """The served model, loaded apart from the service, to compare with."""
    return models["sd1"]


MakeVector = Callable[[DiffusionModel, str], ConceptVector]


@pytest.fixture(scope="session")
def make_vector() -> MakeVector:
    """Makes a random vector for a model, strong enough to be seen in its pictures."""

    def make(model: DiffusionModel, concept: str) -> ConceptVector:
        generator = torch.Generator().manual_seed(sum(concept.encode()))
        return ConceptVector(
            concept,
            3 * torch.randn(model.site_shape(*model.default_size), generator=generator),
            base_model=model.fingerprint,
            recommended_strength=0.8,
            prompts=ConceptPrompts(negative_prompt=WORDS.get(concept, ())),
            effect={"success": 0.9},
        )

    return make


@pytest.fixture(scope="session")
def library(
    tmp_path_factory: pytest.TempPathFactory, model: DiffusionModel, make_vector: MakeVector
) -> VectorLibrary:
    """Every concept that the shipped policies name."""
    library = VectorLibrary(tmp_path_factory.mktemp("vectors"))
    for concept in CONCEPTS:
        library.publish(make_vector(model, concept))
    return library


@pytest.fixture(scope="session")
def options(folders: Mapping[str, Path], library: VectorLibrary) -> dict[str, object]:
    """The settings of the tests' services."""
    return {
        "model": str(folders["sd1"]),
        "vectors": library.root,
        "device": "cpu",
        "max_images": 8,
        "allowed_hosts": ["testserver"],  # as starlette's TestClient calls the service
    }


Get = Callable[[str], httpx2.Response]


@pytest.fixture(scope="session")
def until_ready() -> Callable[[Get], None]:
    """Waits until a service is ready."""

    def wait(get: Get) -> None:
        deadline = time.monotonic() + 120
        while (answer := get("/readyz")).status_code != 200:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def client(options: Mapping[str, object], until_ready: Callable[[Get], None]) -> Iterator[TestClient]:
    """A ready service, shared by the tests that only ask it."""
    with TestClient(create_app(Settings(**options))) as client:
        until_ready(client.get)
        yield client


@pytest.fixture(scope="package")
def held_client(
    options: Mapping[str, object],
    model: DiffusionModel,
    make_vector: MakeVector,
    library: VectorLibrary,
    tmp_path_factory: pytest.TempPathFactory,
    until_ready: Callable[[Get], None],
) -> Iterator[TestClient]:
    """A service with a floor, whose vectors are not made for the last timesteps, and a vector against it."""
    own = VectorLibrary(tmp_path_factory.mktemp("held"))
    for stored in library.list():
        own.publish(replace(stored.vector, timesteps=(100, 1000)))
    own.publish(replace(-library.resolve("anti-sexual").vector, concept="opposed"))
    policies = {"default": {}, "research-off": {}}
    settings = Settings(
        **{**options, "vectors": own.root, "floor": FLOOR, "policies": policies, "prompts_in_images": True}
    )
    with TestClient(create_app(settings)) as client:
        until_ready(client.get)
        yield client
