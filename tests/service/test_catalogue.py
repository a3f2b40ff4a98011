"""What one service publishes, retires and reloads."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
import yaml
from fastapi.testclient import TestClient
from held_engines import held_steps

from diffusion import DiffusionModel
from service.app import create_app
from service.key_file import changed_keys
from service.key_records import issued
from service.settings import Settings
from vectors import ConceptVector, VectorLibrary
from vectors.errors import VectorFormatError
from vectors.file_format import MAX_FILE_BYTES, content_of

QUICK = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "seed": 7}

Make = Callable[..., bytes]


@pytest.fixture
def file(model: DiffusionModel, make_vector) -> Make:
    """Makes the file of a vector, different by its factor."""

    def made(concept: str = "tall", factor: float = 1.0, **parts: object) -> bytes:
        vector: ConceptVector = make_vector(model, concept)
        return content_of(replace(vector * factor, **{"recommended_strength": 0.8, **parts}))

    return made


@pytest.fixture
def own_client(options: Mapping[str, object], until_ready) -> Iterator[TestClient]:
    """A service of its own, to change what it serves."""
    with TestClient(create_app(Settings(**options))) as client:
        until_ready(client.get)
        yield client


def publish(client: TestClient, content: bytes) -> httpx2.Response:
    return client.post("/admin/vectors", content=content)


def applied(client: TestClient, *concepts: str, **parts: object) -> list[tuple[str, int]]:
    """What an image gets under a policy that adds these concepts."""
    policy = {"safety": [{"concept": concept} for concept in concepts]}
    answer = client.post("/generate", json={**QUICK, **parts, "policy": policy})
    assert answer.status_code == 200, answer.text
    return [(one["concept"], one["version"]) for one in answer.json()["images"][0]["applied"]]


def states(client: TestClient, concept: str) -> dict[int, str]:
    listed = client.get("/admin/vectors").json()["vectors"]
    return {one["version"]: one["state"] for one in listed if one["concept"] == concept}


def error_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_new_concept_is_served_at_once(own_client, file):
    assert "tall" not in own_client.get("/vectors").text
    answer = publish(own_client, file())
    assert answer.status_code == 201
    assert (answer.json()["concept"], answer.json()["version"], answer.json()["state"]) == (
        "tall",
        1,
        "served",
    )
    assert own_client.get("/vectors/tall").json()["version"] == 1
    assert applied(own_client, "tall") == [("tall", 1)]


def test_versions_go_on_from_the_library_s_and_are_never_given_twice(own_client, file):
    content = file("woman", 1.1)
    assert publish(own_client, content).json()["version"] == 2
    assert publish(own_client, content).json()["version"] == 2  # the same file is the same version
    assert publish(own_client, file("woman", 1.2)).json()["version"] == 3
    assert own_client.delete("/admin/vectors/woman/3").json() == {"retired": ["woman@3"], "served": "woman@2"}
    assert publish(own_client, file("woman", 1.3)).json()["version"] == 4
    assert states(own_client, "woman") == {1: "superseded", 2: "superseded", 3: "retired", 4: "served"}
    assert applied(own_client, "woman") == [("woman", 4)]


def test_a_vector_of_the_library_can_be_retired_and_its_folder_stays_as_it_is(own_client, options, file):
    before = {path: path.read_bytes() for path in Path(options["vectors"]).rglob("*") if path.is_file()}
    publish(own_client, file("woman", 1.1))
    assert own_client.delete("/admin/vectors/woman/1").json() == {"retired": ["woman@1"], "served": "woman@2"}
    assert states(own_client, "woman") == {1: "retired", 2: "served"}
    assert own_client.delete("/admin/vectors/woman/1").json() == {"retired": [], "served": "woman@2"}
    assert {
        path: path.read_bytes() for path in Path(options["vectors"]).rglob("*") if path.is_file()
    } == before


def test_what_a_policy_needs_cannot_be_retired(own_client):
    answer = own_client.delete("/admin/vectors/woman")
    assert error_of(answer) == (409, "vector_needed")
    assert "'default'" in answer.json()["error"]["message"]
    assert "'strict'" in answer.json()["error"]["message"]
    assert applied(own_client, "woman") == [("woman", 1)]


def test_what_a_floor_needs_cannot_be_retired_nor_turned_round(options, until_ready, file):
    floor = {"name": "held", "safety": [{"concept": "anti-sexual"}]}
    settings = Settings(**options, policies={"default": {}}, floor=floor)
    with TestClient(create_app(settings)) as client:
        until_ready(client.get)
        answer = client.delete("/admin/vectors/anti-sexual")
        assert error_of(answer) == (409, "vector_needed")
        assert "The floor" in answer.json()["error"]["message"]
        assert client.delete("/admin/vectors/woman").json()["retired"] == ["woman@1"]


def test_a_tenant_s_floor_counts_too_and_is_read_again(options, tmp_path, until_ready):
    keys, config = tmp_path / "keys.json", tmp_path / "trimtab.yaml"
    with changed_keys(keys) as records:
        new = issued("acme", ("admin", "read"), datetime.now(UTC), expires=None)
        records[new.record.id] = new.record
    holding = {"floor": {"name": "held", "safety": [{"concept": "man"}]}}
    config.write_text(yaml.safe_dump({"policies": {"default": {}}, "tenants": {"acme": holding}}))
    with TestClient(create_app(Settings(**options, keys=keys, config=config))) as client:
        client.headers["X-API-Key"] = new.key.get_secret_value()
        until_ready(client.get)
        answer = client.delete("/admin/vectors/man")
        assert error_of(answer) == (409, "vector_needed")
        assert "'acme'" in answer.json()["error"]["message"]
        assert client.get("/policies").json()["tenant_floor"]["name"] == "held"
        engine = client.app.state.readiness.generation().loaded.engine
        given: list[Mapping[str, float]] = []
        set_weights = engine.set_weights

        def seen(weights: Mapping[str, float]) -> None:
            given.append(weights)
            set_weights(weights)

        engine.set_weights = seen
        config.write_text(yaml.safe_dump({"policies": {"default": {}}, "tenants": {"acme": {"share": 2}}}))
        assert client.post("/admin/policies/reload").json()["waiting"] == []
        assert given == [{"acme": 2.0}]
        assert client.get("/policies").json()["tenant_floor"] is None
        assert client.delete("/admin/vectors/man").json()["retired"] == ["man@1"]


def test_a_vector_that_a_policy_could_not_be_followed_with_is_refused(options, until_ready, file):
    library = VectorLibrary(options["vectors"])
    held = library.resolve("anti-sexual").vector.values
    settings = Settings(
        **options,
        policies={"default": {"safety": [{"concept": "woman", "strength": 0.5}]}},
        floor={"name": "held", "safety": [{"concept": "anti-sexual"}]},
    )
    with TestClient(create_app(settings)) as client:
        until_ready(client.get)
        answer = publish(client, file("woman", values=-held))
        assert error_of(answer) == (409, "against_policies")
        assert "'default'" in answer.json()["error"]["message"]
        assert states(client, "woman") == {1: "served"}
        assert publish(client, file("woman", 1.1)).status_code == 201


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "unsound_vector"),
        (b"not a vector", "unsound_vector"),
        (b'{"concept": "tall"}', "unsound_vector"),
    ],
)
def test_hostile_uploads_are_answered_and_change_nothing(client, content, code):
    before = client.get("/admin/vectors").json()
    answer = publish(client, content)
    assert error_of(answer) == (422, code)
    assert answer.json()["error"]["cure"]
    assert client.get("/admin/vectors").json() == before


def test_a_vector_that_does_not_fit_is_answered_with_its_field(client, file):
    answer = publish(client, file(base_model="sha256:" + "0" * 64))
    assert error_of(answer) == (422, "vector_does_not_fit")
    assert answer.json()["error"]["field"] == "base_model"


def test_an_upload_may_be_larger_than_other_bodies_but_not_larger_than_a_vector(client):
    large = b"x" * 100_000
    assert error_of(publish(client, large)) == (422, "unsound_vector")
    assert error_of(client.post("/generate", content=large)) == (413, "body_too_large")
    assert error_of(client.post("/policies/explain", content=large)) == (413, "body_too_large")
    assert error_of(publish(client, bytes(MAX_FILE_BYTES + 1))) == (413, "body_too_large")
    announced = {"content-length": str(MAX_FILE_BYTES + 1)}
    assert error_of(client.post("/admin/vectors", content=b"x", headers=announced)) == (413, "body_too_large")


@pytest.mark.parametrize("path", ["short", "woman/7", "..%2f..%2fetc", "Woman"])
def test_what_is_not_there_cannot_be_retired(client, path):
    assert error_of(client.delete(f"/admin/vectors/{path}"))[0] == 404


def test_a_version_that_is_none(client):
    assert error_of(client.delete("/admin/vectors/woman/0")) == (422, "invalid_request")


def test_images_in_flight_finish_with_the_version_that_they_began_with(own_client, file):
    publish(own_client, file())
    started = threading.Event()
    generation = own_client.app.state.readiness.generation()
    prepare = generation.loaded.engine.prepare

    def seen(*arguments: object) -> object:
        orders = prepare(*arguments)
        started.set()
        return orders

    generation.loaded.engine.prepare = seen
    with ThreadPoolExecutor(1) as pool, held_steps() as held:
        running = pool.submit(applied, own_client, "tall")
        assert started.wait(60)
        assert own_client.delete("/admin/vectors/tall").json() == {"retired": ["tall@1"], "served": None}
        policy = {"safety": [{"concept": "tall"}]}
        refused = own_client.post("/generate", json={**QUICK, "policy": policy})
        assert error_of(refused) == (422, "unknown_concept")
        assert not running.done()
        held.let_go()
        assert running.result() == [("tall", 1)]


def test_a_version_is_read_once_and_again_where_its_file_has_changed(own_client, file):
    publish(own_client, file())
    engine = own_client.app.state.readiness.generation().loaded.engine
    stored = engine.vectors.resolve("tall@1")
    assert engine.vectors.resolve("tall@1") is stored
    content = stored.path.read_bytes()
    stored.path.write_bytes(content)
    again = engine.vectors.resolve("tall@1")
    assert again is not stored
    assert again.digest == stored.digest
    stored.path.write_bytes(content[:-4])
    with pytest.raises(VectorFormatError):
        engine.vectors.resolve("tall@1")
    stored.path.unlink()
    taken_again = engine.vectors.resolve("tall@1")  # from the shelf
    assert taken_again is not again
    assert taken_again.digest == stored.digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    return folder


def write(folder: Path, name: str, **rules: object) -> None:
    (folder / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, "version": 1, **rules}))


@pytest.fixture
def reloading(options: Mapping[str, object], folder: Path, until_ready) -> Iterator[TestClient]:
    """A service with policies in a folder."""
    write(folder, "default")
    write(folder, "calm", safety=[{"concept": "anti-violence"}])
    with TestClient(create_app(Settings(**options, policy_folder=folder))) as client:
        until_ready(client.get)
        yield client


def test_policies_are_read_again_when_asked_and_not_before(reloading, folder):
    write(folder, "calm", safety=[{"concept": "anti-sexual"}])
    write(folder, "people", fairness=[{"set": "gender"}])
    assert set(reloading.get("/policies").json()["policies"]) == {"default", "calm"}
    answer = reloading.post("/admin/policies/reload")
    assert answer.json() == {"policies": ["calm", "default", "people"], "waiting": []}
    calm = reloading.post("/generate", json={**QUICK, "policy": "calm"}).json()["images"][0]
    assert [one["concept"] for one in calm["applied"]] == ["anti-sexual"]
    assert reloading.post("/generate", json={**QUICK, "policy": "people"}).status_code == 200


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"safety": [{"concept": "unheard-of"}]}, "unheard-of"),
        ({"safety": [{"concept": "anti-violence", "strength": 9}]}, "strength"),
        ({"safety": "anti-violence"}, "calm.yaml"),
    ],
)
def test_policies_that_are_wrong_stay_as_they_were(reloading, folder, rules, told):
    before = reloading.get("/policies").json()
    write(folder, "calm", **rules)
    answer = reloading.post("/admin/policies/reload")
    assert error_of(answer) == (409, "policies_not_reloaded")
    assert told in answer.json()["error"]["message"]
    assert reloading.get("/policies").json() == before
    assert reloading.post("/generate", json={**QUICK, "policy": "calm"}).status_code == 200


def test_a_policy_may_need_what_was_uploaded_and_then_it_stays(reloading, folder, file):
    publish(reloading, file())
    write(folder, "calm", safety=[{"concept": "tall"}])
    assert reloading.post("/admin/policies/reload").status_code == 200
    assert error_of(reloading.delete("/admin/vectors/tall")) == (409, "vector_needed")
    write(folder, "calm")
    reloading.post("/admin/policies/reload")
    assert reloading.delete("/admin/vectors/tall").json()["retired"] == ["tall@1"]


def test_the_configuration_file_is_read_again_and_what_waits_is_named(options, tmp_path, until_ready):
    config = tmp_path / "trimtab.yaml"
    config.write_text("policies: {default: {}}\nmax_images: 4\n")
    given = {name: value for name, value in options.items() if name != "max_images"}
    with TestClient(create_app(Settings(**given, config=config))) as client:
        until_ready(client.get)
        config.write_text("policies: {default: {}, other: {}}\ndefault_policy: other\nmax_images: 5\n")
        assert client.post("/admin/policies/reload").json() == {
            "policies": ["default", "other"],
            "waiting": ["max_images"],
        }
        assert client.get("/policies").json()["default"] == "other"
        config.write_text("policies: {default: {}\n")
        assert error_of(client.post("/admin/policies/reload")) == (409, "policies_not_reloaded")
        assert client.get("/policies").json()["default"] == "other"
