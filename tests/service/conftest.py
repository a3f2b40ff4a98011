import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import torch
from fastapi.testclient import TestClient
from tiny_pipelines import tiny_sd1

from diffusion import DiffusionModel, load_model
from service.app import create_app
from service.settings import Settings
from vectors import ConceptVector, VectorLibrary

CONCEPTS = ("woman", "man", "black", "white", "asian", "anti-sexual", "anti-violence")
MAKE_QUICK = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "seed": 7}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """No TRIMTAB_* variable of the developer's shell reaches a test."""
    import os

    for variable in [name for name in os.environ if name.upper().startswith("TRIMTAB_")]:
        monkeypatch.delenv(variable)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_sd1().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def model(model_folder: Path) -> DiffusionModel:
    """The served model, loaded apart from the service, to compare with."""
    return load_model(model_folder, device="cpu")


def random_vector(model: DiffusionModel, concept: str, *, strength: float = 0.8) -> ConceptVector:
    generator = torch.Generator().manual_seed(sum(concept.encode()))
    return ConceptVector(
        concept,
        3 * torch.randn(model.site_shape(*model.default_size), generator=generator),
        base_model=model.fingerprint,
        recommended_strength=strength,
        effect={"success": 0.9},
    )


def publish_all(root: Path, model: DiffusionModel) -> VectorLibrary:
    library = VectorLibrary(root)
    for concept in CONCEPTS:
        library.publish(random_vector(model, concept))
    return library


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory, model: DiffusionModel) -> VectorLibrary:
    return publish_all(tmp_path_factory.mktemp("vectors"), model)


@pytest.fixture(scope="session")
def options(model_folder: Path, library: VectorLibrary) -> dict[str, object]:
    """The settings of the tests' services."""
    return {"model": str(model_folder), "vectors": library.root, "device": "cpu", "max_images": 8}


def wait_until_ready(get: Callable[[str], object], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while get("/readyz").status_code != 200:
        assert time.monotonic() < deadline, get("/readyz").json()
        time.sleep(0.05)


@pytest.fixture(scope="session")
def client(options: Mapping[str, object]) -> Iterator[TestClient]:
    """A ready service, shared by the tests that only ask it."""
    with TestClient(create_app(Settings(**options))) as client:
        wait_until_ready(client.get)
        yield client
