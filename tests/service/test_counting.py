"""What the ledger counts is what is served."""

import asyncio
from pathlib import Path

import pytest

from policies.memory_ledger import MemoryLedger
from service.audit.file_sink import FileSink
from service.audit.log import AuditLog
from service.errors import AuditUnavailableError
from service.generation import Generation
from service.loading import load_service
from service.schemas import GenerateRequest
from service.settings import Settings

REQUEST = GenerateRequest.model_validate(
    {
        "prompt": "a photo of a doctor",
        "num_images": 3,
        "num_inference_steps": 2,
        "policy": {"fairness": [{"set": "gender"}], "assignment": "ledger"},
    }
)


class Watched(MemoryLedger):
    """Remembers its keys."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: set[str] = set()

    def take(self, key, target, count):
        self.keys.add(key)
        return super().take(key, target, count)

    @property
    def total(self) -> int:
        return sum(sum(self.served(key).values()) for key in self.keys)


@pytest.fixture(scope="module")
def loaded(options):
    return load_service(Settings(**options))


def test_served_images_are_counted(loaded, options):
    ledger = Watched()
    asyncio.run(Generation(loaded, Settings(**options), ledger).generate(REQUEST))
    assert ledger.total == 3


def test_images_that_the_audit_log_cannot_take_are_not_counted(loaded, options):
    ledger, log = Watched(), AuditLog(FileSink(Path("/dev/full"), "one", max_bytes=10**9))
    generation = Generation(loaded, Settings(**options), ledger, audit=log)
    with pytest.raises(AuditUnavailableError):
        asyncio.run(generation.generate(REQUEST))
    log.close()
    assert ledger.keys
    assert ledger.total == 0


def test_a_cancelled_request_gives_back_what_it_took(loaded, options):
    ledger = Watched()
    generation = Generation(loaded, Settings(**options), ledger)

    async def cancelled() -> None:
        task = asyncio.create_task(generation.generate(REQUEST))
        while not ledger.keys:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert ledger.keys
    assert ledger.total == 0
