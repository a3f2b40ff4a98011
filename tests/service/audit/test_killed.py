"""A replica that is killed between a line and the end of its job: the client's images have one line that counts."""

import base64
import io
import os
import signal
import subprocess
import sys
import time

import httpx2
import yaml
from fastapi.testclient import TestClient
from jobs_over_http import has_ended
from PIL import Image

from service.app import create_app
from service.audit.record import image_digest
from service.settings import Settings

ASKED = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "seed": 7, "num_images": 2}


def awaited(what, seconds=120):
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def answered(client, id):
    """The job, as soon as the store answers in its time."""
    return awaited(lambda: (answer := client.get(f"/jobs/{id}")).status_code == 200 and answer.json())


def test_a_job_whose_worker_was_killed_after_its_line_has_one_that_counts(
    tmp_path, options, until_ready, logged, own_server
):
    shared = {
        **options,
        "redis_url": f"{own_server.url}?socket_timeout=1&socket_connect_timeout=1",
        "claim_kept_s": 3,
        "max_steps": 400,
        "audit_log": str(tmp_path / "audit-{replica}.jsonl"),
    }
    (tmp_path / "a.yaml").write_text(
        yaml.safe_dump({name: str(value) if name == "vectors" else value for name, value in shared.items()})
    )
    first = subprocess.Popen(
        [sys.executable, "-c", "from trimtab.commands import main; main()", "serve", "--port", "0"],
        env={**os.environ, "TRIMTAB_CONFIG": str(tmp_path / "a.yaml"), "TRIMTAB_AUDIT_REPLICA": "a"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    line_of_first = tmp_path / "audit-a.jsonl"
    try:
        url = next(line.split()[2] for line in first.stdout if "ready at" in line)
        # Long enough for the store to stand still before it is over.
        slow = {**ASKED, "num_inference_steps": 400}
        answer = awaited(
            lambda: (one := httpx2.post(f"{url}/jobs", json=slow, timeout=60)).status_code == 202 and one
        )
        id = answer.json()["id"]
        awaited(lambda: httpx2.get(f"{url}/jobs/{id}", timeout=60).json().get("state") == "running")
        own_server.hold()
        awaited(lambda: line_of_first.read_text().count("\n") == 2)
        first.send_signal(signal.SIGKILL)
        first.wait()
    finally:
        own_server.let_go()
        first.kill()
        first.wait()
        first.stdout.close()
    with TestClient(create_app(Settings(**{**shared, "audit_replica": "b"}))) as second:
        until_ready(second.get)
        job = awaited(lambda: has_ended(found := answered(second, id)) and found)
    assert (job["state"], job["attempts"]) == ("done", 2)
    digests = []
    for image in job["answer"]["images"]:
        with Image.open(io.BytesIO(base64.b64decode(image["b64_json"]))) as picture:
            digests.append(image_digest(picture))
    found = logged(tmp_path)
    assert [(entry.image, entry.attempt, entry.image_digest) for entry in found.images] == [
        (0, 2, digests[0]),
        (1, 2, digests[1]),
    ]
    assert [(entry.image, entry.attempt) for entry in found.superseded] == [(0, 1), (1, 1)]
