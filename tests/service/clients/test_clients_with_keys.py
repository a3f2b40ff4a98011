"""The real clients against a real server that has keys."""

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx2
import openai
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from real_server import real_server, sample
from typer.testing import CliRunner

from service.key_file import changed_keys
from service.key_records import issued
from service.settings import Settings
from trimtab.commands import app

QUICK = {"num_inference_steps": 2, "seed": 7, "policy": {}}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """A service, and one key that generates, one that only reads, and one of a tenant with a single request."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    new = {
        "maker": issued("shop", ["generate", "read"], datetime.now(UTC)),
        "reader": issued("shop", ["read"], datetime.now(UTC)),
        "seldom": issued("seldom", ["generate"], datetime.now(UTC)),
    }
    with changed_keys(file) as keys:
        keys.update({one.record.id: one.record for one in new.values()})
    tenants = {"shop": {}, "seldom": {"requests_per_minute": 1}}
    with real_server(Settings(device="cpu", keys=file, tenants=tenants)) as url:
        yield url, {name: one.key.get_secret_value() for name, one in new.items()}


@pytest.fixture
def openai_with(served):
    clients = []

    def make(key: str, **options: object) -> openai.OpenAI:
        clients.append(openai.OpenAI(base_url=f"{served[0]}/v1", api_key=key, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def test_openai_is_let_in_by_its_key(served, openai_with):
    client = openai_with(served[1]["maker"])
    assert [model.id for model in client.models.list()] == ["demo"]
    assert len(client.images.generate(prompt="a cat", n=2, extra_body=QUICK).data) == 2
    with client.images.generate(prompt="a cat", stream=True, extra_body=QUICK) as stream:
        assert [event.type for event in stream] == ["image_generation.completed"]


def test_openai_understands_who_may_not_and_does_not_try_again(served, openai_with):
    url, keys = served
    before = sample(url, 'trimtab_requests_total{outcome="unknown_key"}')
    with pytest.raises(openai.AuthenticationError) as stranger:
        openai_with("sk-none").images.generate(prompt="a cat")
    assert (stranger.value.code, stranger.value.status_code) == ("unknown_key", 401)
    assert sample(url, 'trimtab_requests_total{outcome="unknown_key"}') == before + 1
    with pytest.raises(openai.PermissionDeniedError) as reader:
        openai_with(keys["reader"]).images.generate(prompt="a cat")
    assert reader.value.code == "missing_role"


def test_openai_understands_that_an_allowance_is_used_up(served, openai_with):
    client = openai_with(served[1]["seldom"], max_retries=0)
    client.images.generate(prompt="a cat", extra_body=QUICK)
    with pytest.raises(openai.RateLimitError) as late:
        client.images.generate(prompt="a cat", extra_body=QUICK)
    assert late.value.code == "allowance_exceeded"
    assert 1 <= int(late.value.response.headers["retry-after"]) <= 60
    assert late.value.response.headers["x-should-retry"] == "true"


def test_hugging_face_is_let_in_by_its_token(served):
    url, keys = served
    model = f"{url}/hf/text-to-image"
    made = InferenceClient(model=model, token=keys["maker"]).text_to_image("a cat", num_inference_steps=2)
    assert made.size == (64, 64)
    with pytest.raises(HfHubHTTPError) as refused:
        InferenceClient(model=model, token="hf_none").text_to_image("a cat")
    assert refused.value.response.status_code == 401


def test_webui_s_clients_show_their_key_as_a_password(served):
    """As requests' and webuiapi's `auth=(user, password)` does."""
    url, keys = served
    address, body = f"{url}/sdapi/v1/txt2img", {"prompt": "a cat", "steps": 2}

    def ask(user: str, password: str, path: str = address) -> httpx2.Response:
        return httpx2.post(path, json=body, auth=(user, password), timeout=60)

    assert ask("anyone", keys["maker"]).status_code == 200
    assert ask("", keys["maker"]).status_code == 200
    answer = httpx2.get(f"{url}/sdapi/v1/samplers", auth=("api", keys["reader"]), timeout=60)
    assert answer.status_code == 200
    for password in ("", "sesame", f"x:{keys['maker']}", keys["maker"][:-1]):
        stranger = ask("anyone", password)
        assert (stranger.status_code, stranger.json()["error"]) == (401, "unknown_key")
        assert password not in stranger.text or not password
    assert stranger.headers["www-authenticate"].startswith("Bearer, Basic realm=")
    assert ask("anyone", keys["reader"]).json()["error"] == "missing_role"


@pytest.mark.parametrize("sent", ["Basic", "Basic ?", "Basic Zg==", "Basic /w=="])
def test_what_is_no_basic_authentication_is_no_key(served, sent):
    url, _ = served
    answer = httpx2.post(
        f"{url}/sdapi/v1/txt2img", json={"prompt": "a cat"}, headers={"Authorization": sent}, timeout=60
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "unknown_key")


def test_a_password_is_a_key_for_webui_s_clients_alone(served):
    url, keys = served
    answer = httpx2.post(
        f"{url}/generate", json={"prompt": "a cat"}, auth=("anyone", keys["maker"]), timeout=60
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "missing_key")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_command_shows_its_key(served, tmp_path):
    url, keys = served
    arguments = ["generate", "a cat", "--url", url, "--steps", "2", "-o", str(tmp_path / "cat.png")]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 1
    assert "The request has no key." in refused.stderr
    made = CliRunner().invoke(app, [*arguments, "--key", keys["maker"]])
    assert made.exit_code == 0, made.output
    assert keys["maker"] not in made.output
