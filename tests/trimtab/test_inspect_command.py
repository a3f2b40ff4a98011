import base64
import io
import json
import re
import time

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from signing_chain import authority, issued
from typer.testing import CliRunner

from service.app import create_app
from service.settings import Settings
from trimtab.commands import app

ASKED = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "seed": 7}


def ran(*arguments):
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)], env={"COLUMNS": "160"})


def told(*arguments):
    ended = ran(*arguments)
    assert ended.exit_code == 0, ended.output
    return re.sub(r" +", " ", ended.stdout)


@pytest.fixture(scope="module")
def root():
    return authority()


@pytest.fixture(scope="module")
def files(root, tmp_path_factory):
    """Pictures in each format and a grid, signed and not."""
    folder = tmp_path_factory.mktemp("pictures")
    chain, key = issued(root, folder)
    (folder / "root.pem").write_text(root.pem)
    for name, more in (("plain", {}), ("signed", {"c2pa_certificate": chain, "c2pa_key": key})):
        with TestClient(create_app(Settings(device="cpu", allowed_hosts=["testserver"], **more))) as client:
            while client.get("/readyz").status_code != 200:
                time.sleep(0.02)
            for image_format in ("png", "jpeg", "webp"):
                answer = client.post("/generate", json={**ASKED, "image_format": image_format}).json()
                file = base64.b64decode(answer["images"][0]["b64_json"])
                (folder / f"{name}.{image_format}").write_bytes(file)
            grid = client.post("/generate", json={**ASKED, "num_images": 2}, headers={"Accept": "image/png"})
            (folder / f"{name}-grid.png").write_bytes(grid.content)
    return folder


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
def test_a_picture_says_how_it_was_made(files, image_format):
    said = told(files / f"plain.{image_format}")
    assert f"{image_format.upper()}, 64 x 64 pixels" in said
    assert "seed 7, 2 steps of ddim, guidance 5, 64 x 64" in said
    assert "policy default version 1 (sha256:" in said
    assert "prompt not said" in said
    assert re.search(r"anti-violence@1 1 safety sha256:\w{12}", said)
    assert "C2PA no manifest" in said


@pytest.mark.parametrize("name", ["signed.png", "signed.jpeg", "signed.webp", "signed-grid.png"])
def test_a_signed_one_says_by_whom_and_whether_it_holds(files, name):
    said = told(files / name)
    assert "C2PA as it was signed; whether its issuer is to be trusted is yours to say" in said
    assert "signed by Test Signer, organisation Trimtab Tests (Es256)" in said
    assert "says c2pa.created, trainedAlgorithmicMedia" in said
    assert "org.trimtab.steering" in said
    trusted = told(files / name, "--trust", files / "root.pem")
    assert "by an issuer that is trusted" in trusted


def test_a_grid_says_it_of_each_image(files):
    said = told(files / "plain-grid.png")
    assert "a grid of 2 images, PNG" in said
    assert "image 1 of 2" in said
    assert "seed 7," in said
    assert "image 2 of 2" in said
    assert "seed 8," in said


def test_a_changed_one_is_told(files, tmp_path):
    changed = bytearray((files / "signed.jpeg").read_bytes())
    changed[-30] ^= 1
    (tmp_path / "changed.jpeg").write_bytes(changed)
    said = told(tmp_path / "changed.jpeg")
    assert "C2PA NOT as it was signed" in said
    assert "assertion.dataHash.mismatch" in said


def test_json_has_it_all(files):
    shown = json.loads(told(files / "signed-grid.png", "--json", "--trust", files / "root.pem"))
    assert (shown["format"], len(shown["images"])) == ("PNG", 2)
    assert shown["images"][0]["applied"][0]["digest"].startswith("sha256:")
    assert shown["credentials"]["state"] == "trusted"
    assert len(shown["credentials"]["assertions"]["org.trimtab.steering"]["images"]) == 2


def test_a_picture_without_a_record_is_told_with_what_may_have_happened(files, tmp_path):
    plain = tmp_path / "plain.png"
    Image.new("RGB", (8, 8)).save(plain)
    said = re.sub(r"\s+", " ", told(plain))
    assert "There is no record of Trimtab's in it." in said
    assert "messengers" in said
    assert f"trimtab audit query --image {plain}" in said
    gif = tmp_path / "one.gif"
    Image.new("P", (8, 8)).save(gif)
    assert "GIF, 8 x 8 pixels" in told(gif)
    # Metadata of another program under the same name is none of ours.
    from PIL.PngImagePlugin import PngInfo

    for text in ("[]", "{", "null", '{"images": 3}', '{"images": [{}]}'):
        info = PngInfo()
        info.add_text("trimtab", text)
        Image.new("RGB", (8, 8)).save(plain, pnginfo=info)
        assert "There is no record of Trimtab's in it." in re.sub(r"\s+", " ", told(plain))


def test_what_is_no_picture_is_refused(files, tmp_path):
    text = tmp_path / "text.png"
    text.write_text("not a picture")
    cut = tmp_path / "cut.png"
    cut.write_bytes((files / "plain.png").read_bytes()[:900])
    for file, said in (
        (text, "is no picture. Give a PNG"),
        (cut, "is damaged"),
        (tmp_path / "missing.png", "cannot be read: No such file"),
        (tmp_path, "cannot be read"),
    ):
        refused = ran(file)
        assert refused.exit_code == 1, refused.output
        assert said in refused.stderr
    assert ran(files / "signed.png", "--trust", text).exit_code == 1


def test_every_byte_may_be_anything(files, tmp_path):
    """A hostile file is refused or told of, never a traceback."""
    signed = (files / "signed.png").read_bytes()
    hostile = tmp_path / "hostile.png"
    for place in range(8, len(signed), max(1, len(signed) // 20)):
        hostile.write_bytes(signed[:place] + bytes([signed[place] ^ 0xFF]) + signed[place + 1 :])
        ended = ran(hostile)
        assert ended.exit_code in (0, 1)
        assert ended.exception is None or isinstance(ended.exception, SystemExit), place


def test_an_image_is_what_was_served(files):
    with Image.open(files / "plain.png") as served:
        plain = served.tobytes()
    with Image.open(io.BytesIO((files / "signed.png").read_bytes())) as signed:
        assert signed.tobytes() == plain
