"""C2PA manifests in what the service serves, with a certificate chain made here."""

import base64
import io
import json
import time
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from pydantic import ValidationError
from signing_chain import DAY, authority, issued, new_key, written_key

from service.app import create_app
from service.content_credentials import ASSERTION, open_credentials
from service.errors import CredentialsError
from service.inspecting import inspect_file
from service.provenance import AI_GENERATED
from service.read_credentials import found_credentials
from service.settings import Settings, SettingsError, load_settings

ASKED = {"prompt": "a shy doctor", "num_inference_steps": 2, "seed": 7}
POLICY = {"fairness": [{"set": "gender"}], "safety": [{"concept": "anti-sexual", "by": "both"}]}
FORMATS = ["png", "jpeg", "webp"]


@pytest.fixture(scope="module")
def root():
    return authority()


@pytest.fixture(scope="module")
def client(options, until_ready, root, tmp_path_factory):
    chain, key = issued(root, tmp_path_factory.mktemp("signer"))
    with TestClient(create_app(Settings(**options, c2pa_certificate=chain, c2pa_key=key))) as client:
        until_ready(client.get)
        yield client


def file_of(client, image_format, **changes):
    answer = client.post("/generate", json={**ASKED, "image_format": image_format, **changes})
    assert answer.status_code == 200, answer.text
    return base64.b64decode(answer.json()["images"][0]["b64_json"]), answer.json()["images"][0]


def configured(chain, key, **more):
    return Settings(c2pa_certificate=chain, c2pa_key=key, **more)


@pytest.mark.parametrize("image_format", FORMATS)
def test_the_manifest_says_what_made_the_picture_and_how(client, root, image_format):
    file, item = file_of(client, image_format)
    found = found_credentials(file, image_format, root.pem)
    assert (found.state, found.problems) == ("trusted", ())
    assert (found.signed_by, found.issuer) == ("Test Signer", "Trimtab Tests")
    assert found.generator.startswith("Trimtab ")
    assert (found.actions, found.digital_source_types) == (("c2pa.created",), (AI_GENERATED,))
    (image,) = found.assertions[ASSERTION]["images"]
    told = [(one["concept"], one["version"], one["digest"], one["strength"]) for one in image["applied"]]
    assert told == [
        (one["concept"], one["version"], one["digest"], one["strength"]) for one in item["applied"]
    ]
    assert len(told) >= 3
    # The record of the other metadata is still there.
    with Image.open(io.BytesIO(file)) as picture:
        picture.load()
        assert picture.format == image_format.upper()


@pytest.mark.parametrize("image_format", FORMATS)
def test_nothing_private_is_in_the_file(client, image_format):
    file, item = file_of(client, image_format, policy=POLICY, negative_prompt="zebra")
    assert "doctor" in item["applied"][0]["reason"]
    assert not [word for word in (b"doctor", b"zebra") if word in file]


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_changed_picture_fails(client, root, image_format):
    file, _ = file_of(client, image_format)
    # The manifest is at the end of a WebP and at the beginning of the others.
    where = file.index(b"VP8") + 40 if image_format == "webp" else len(file) - 30
    changed = bytearray(file)
    changed[where] ^= 1
    found = found_credentials(bytes(changed), image_format, root.pem)
    assert found.state == "invalid"
    assert any("dataHash.mismatch" in problem for problem in found.problems)


def test_a_changed_record_fails_too(client, root):
    file, _ = file_of(client, "jpeg")
    assert b'"seed": 7' in file
    found = found_credentials(file.replace(b'"seed": 7', b'"seed": 8'), "jpeg", root.pem)
    assert found.state == "invalid"


def test_an_issuer_that_is_not_trusted_is_said_to_be_unknown(client):
    file, _ = file_of(client, "png")
    assert found_credentials(file, "png").state == "valid"
    stranger = found_credentials(file, "png", authority("Another").pem)
    assert (stranger.state, stranger.problems) == ("valid", ())
    with pytest.raises(CredentialsError, match="PEM"):
        found_credentials(file, "png", "nonsense")


def test_a_picture_that_was_saved_anew_has_no_manifest(client):
    file, _ = file_of(client, "png")
    saved = io.BytesIO()
    with Image.open(io.BytesIO(file)) as picture:
        picture.save(saved, "png")
    assert found_credentials(saved.getvalue(), "png") is None


def test_grids_and_other_clients_pictures_are_signed(client, root, tmp_path):
    grid = client.post("/generate", json={**ASKED, "num_images": 2}, headers={"Accept": "image/png"}).content
    body = {"inputs": ASKED["prompt"], "parameters": {"num_inference_steps": 2}}
    alone = client.post("/hf/text-to-image", json=body, headers={"Accept": "image/webp"}).content
    (tmp_path / "root.pem").write_text(root.pem)
    for name, file, images in (("grid.png", grid, 2), ("one.webp", alone, 1)):
        (tmp_path / name).write_bytes(file)
        inspected = inspect_file(tmp_path / name, tmp_path / "root.pem")
        assert inspected.credentials.state == "trusted"
        assert len(inspected.images) == len(inspected.credentials.assertions[ASSERTION]["images"]) == images


@pytest.mark.parametrize(("kind", "algorithm"), [("p384", "Es384"), ("rsa", "Ps256"), ("ed25519", "Ed25519")])
def test_every_usual_kind_of_key_signs(root, tmp_path, kind, algorithm):
    credentials = open_credentials(configured(*issued(root, tmp_path, kind)))
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "png")
    found = found_credentials(credentials.signed(file.getvalue(), "png", []), "png", root.pem)
    assert (found.state, found.algorithm) == ("trusted", algorithm)


def test_without_a_certificate_nothing_is_signed():
    assert open_credentials(Settings()) is None


def test_what_cannot_sign_is_refused_with_its_cure(root, tmp_path):
    chain, key = issued(root, tmp_path)
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    other = written_key(new_key(), tmp_path / "other.key")
    locked = written_key(new_key(), tmp_path / "locked.key", b"secret")
    (tmp_path / "ended").mkdir()
    ended = issued(root, tmp_path / "ended", begins=-2 * DAY, ends=-DAY)
    (tmp_path / "early").mkdir()
    early = issued(root, tmp_path / "early", begins=DAY)
    (tmp_path / "idle").mkdir()
    idle = issued(root, tmp_path / "idle", may_sign=False)
    k256 = written_key(new_key("k256"), tmp_path / "k256.key")
    for files, more, said in (
        ((chain, other), {}, "is not that of the certificate"),
        ((chain, locked), {}, "is encrypted"),
        ((chain, empty), {}, "holds no private key"),
        ((empty, key), {}, "holds no certificate"),
        ((chain, k256), {}, "is not that of the certificate"),
        (ended, {}, "ended on"),
        (early, {}, "not valid before"),
        (idle, {}, "extended key usage"),
        ((chain, key), {"c2pa_algorithm": "ps256"}, "Set c2pa_algorithm to es256"),
    ):
        with pytest.raises(CredentialsError, match=said) as refused:
            open_credentials(configured(*files, **more))
        assert "secret" not in str(refused.value)


def test_a_certificate_alone_or_a_missing_file_is_no_configuration(root, tmp_path):
    chain, key = issued(root, tmp_path)
    with pytest.raises(ValidationError, match="c2pa_key: images are signed with both"):
        Settings(c2pa_certificate=chain)
    with pytest.raises(SettingsError, match="c2pa_certificate"):
        load_settings({"c2pa_certificate": tmp_path / "missing.pem", "c2pa_key": key})


def test_a_service_whose_certificate_cannot_sign_does_not_start(options, root, tmp_path, until_ready):
    files = issued(root, tmp_path, begins=-2 * DAY, ends=-DAY)
    settings = Settings(**options, c2pa_certificate=files[0], c2pa_key=files[1])
    with TestClient(create_app(settings)) as client:
        while (answer := client.get("/readyz")).json()["error"]["code"] == "not_ready":
            time.sleep(0.02)
        assert client.get("/startupz").json() == answer.json()
    assert answer.json()["error"]["code"] == "credentials_unusable"


def test_a_certificate_that_ends_while_the_service_runs_signs_no_more(root, tmp_path):
    credentials = open_credentials(configured(*issued(root, tmp_path)))
    credentials._ends -= timedelta(days=40)
    with pytest.raises(CredentialsError, match="restart"):
        credentials.signed(b"", "png", [])


def test_a_manifest_can_be_read_by_any_reader_of_c2pa(client):
    """The library itself, as others use it."""
    import c2pa

    file, _ = file_of(client, "png")
    with c2pa.Reader("image/png", io.BytesIO(file)) as reader:
        store = json.loads(reader.json())
    (manifest,) = store["manifests"].values()
    labels = [one["label"] for one in manifest["assertions"]]
    assert labels == ["c2pa.actions.v2", ASSERTION]
