from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from redis_server import RedisServer
from tiny_pipelines import BUILDERS

from diffusion import DiffusionModel, load_model


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of each kind of tiny pipeline."""
    root = tmp_path_factory.mktemp("pipelines")
    for kind, build in BUILDERS.items():
        build().save_pretrained(root / kind)
    return {kind: root / kind for kind in BUILDERS}


@pytest.fixture(scope="session")
def models(folders: dict[str, Path]) -> dict[str, DiffusionModel]:
    return {kind: load_model(folder, device="cpu") for kind, folder in folders.items()}


@pytest.fixture
def sd1(models: dict[str, DiffusionModel]) -> DiffusionModel:
    return models["sd1"]


@pytest.fixture(params=BUILDERS)
def model(request: pytest.FixtureRequest, models: dict[str, DiffusionModel]) -> DiffusionModel:
    """Each kind of model in turn."""
    return models[request.param]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for tests that do not stop it; what they write has keys of its own."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that a test may hold, stop and fill."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server
