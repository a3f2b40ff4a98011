from pathlib import Path

import pytest
from pydantic import ValidationError

from policies.document import Policy
from policies.files import shipped_policies
from service.settings import Settings, SettingsError, load_settings
from service.tenants import TenantSettings


def written(folder: Path, text: str) -> Path:
    file = folder / "trimtab.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_defaults_serve_the_demo_on_loopback():
    settings = load_settings()
    assert (settings.host, settings.port, settings.model, settings.vectors) == (
        "127.0.0.1",
        8000,
        "demo",
        None,
    )
    default = settings.policies[settings.default_policy]
    assert [rule.set for rule in default.fairness] == ["gender", "race"]
    assert [rule.concept for rule in default.safety] == ["anti-sexual", "anti-violence"]
    assert settings.policies == shipped_policies()
    assert settings.held_floor is None


def test_options_win_over_variables_over_the_file(tmp_path, monkeypatch):
    file = written(tmp_path, "port: 1\nmax_images: 2\nmax_steps: 3\n")
    monkeypatch.setenv("TRIMTAB_PORT", "10")
    monkeypatch.setenv("TRIMTAB_MAX_IMAGES", "20")
    settings = load_settings({"config": file, "port": 100, "host": None})
    assert (settings.port, settings.max_images, settings.max_steps) == (100, 20, 3)
    assert settings.host == "127.0.0.1"


def test_a_variable_can_name_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMTAB_CONFIG", str(written(tmp_path, "port: 1234")))
    assert load_settings().port == 1234


def test_policies_of_the_file_replace_the_shipped_ones(tmp_path):
    text = """
default_policy: calm
policies:
  calm:
    safety: [{concept: anti-violence, strength: 1.5}]
"""
    settings = load_settings({"config": written(tmp_path, text)})
    assert settings.policies == {
        "calm": Policy.model_validate(
            {"name": "calm", "safety": [{"concept": "anti-violence", "strength": 1.5}]}
        )
    }


def test_policies_as_a_variable(monkeypatch):
    monkeypatch.setenv("TRIMTAB_POLICIES", '{"default": {"fairness": [{"set": "gender"}]}}')
    assert load_settings().policies["default"].fairness[0].set == "gender"


def test_an_empty_file_changes_nothing(tmp_path):
    assert load_settings({"config": written(tmp_path, "")}).port == 8000


def test_an_empty_variable_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("TRIMTAB_MODEL", "")
    assert load_settings().model == "demo"


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().port = 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("max_image: 3", "max_image: not a setting. Did you mean 'max_images'"),
        ("port: 70000", "port = 70000: Input should be less than or equal to 65535."),
        ("port: http", "port = 'http'"),
        ("max_strength: .nan", "max_strength = nan"),
        ("dtype: float8", "dtype = 'float8'"),
        ("vectors: /does/not/exist", "vectors = '/does/not/exist'"),
        ("default_policy: calm", "there is no policy 'calm'. There are: default, research-off, strict."),
        (
            "policies: {default: {fairness: [{set: gender, target: {woman: 0.4}}]}}",
            "policies.default.fairness.0.target: The shares sum to 0.4, not to 1. Make",
        ),
        ("policies: {default: {safety: [{concept: x, weight: 1}]}}", "policies.default.safety.0.weight"),
        ("policies: {default: {name: other}}", "policies: The policy 'default' calls itself 'other'. Leave"),
        ("floor: calm", "floor: there is no policy 'calm'. There are: default, research-off, strict."),
        ("floor: {safety: [{concept: x, weight: 1}]}", "floor.safety.0.weight"),
        ("policies: {Default policy: {}}", "policies.Default policy"),
        ("host: 0.0.0.0", "host: without keys the service listens to this machine alone, and '0.0.0.0' is"),
        ("host: example.org", "'example.org' is for others too. Set keys"),
        ("{keys: keys.json, allow_anonymous: true}", "allow_anonymous: there are keys"),
        ("tenants: {shop: {}}", "tenants: without keys nobody is one of them. Set keys"),
        (
            "{keys: k, tenants: {shop: {floor: calm}}}",
            "tenants.shop.floor: there is no policy 'calm'. There are:",
        ),
        ("{keys: k, tenants: {shop: {share: 0}}}", "tenants.shop.share = 0"),
        ("{keys: k, tenants: {shop: {images_per_minute: 0}}}", "tenants.shop.images_per_minute = 0"),
        ("{keys: k, tenants: {shop: {image_per_minute: 1}}}", "tenants.shop.image_per_minute"),
        ("{keys: k, tenants: {Shop: {}}}", "tenants.Shop"),
        ("- port: 1", "holds [{'port': 1}], not settings"),
        ("just words", "not settings"),
        ("port: [", "cannot be read"),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path, text, named):
    with pytest.raises(SettingsError) as refused:
        load_settings({"config": written(tmp_path, text)})
    assert named in str(refused.value)


def test_every_problem_is_named_at_once(tmp_path):
    with pytest.raises(SettingsError, match=r"(?s)max_images = 0.*max_steps = -1"):
        load_settings({"config": written(tmp_path, "max_images: 0\nmax_steps: -1")})


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere\.yaml cannot be read"):
        load_settings({"config": tmp_path / "nowhere.yaml"})


def test_a_misspelt_variable_is_refused(monkeypatch):
    monkeypatch.setenv("TRIMTAB_MAX_IMAGE", "3")
    with pytest.raises(
        SettingsError, match=r"TRIMTAB_MAX_IMAGE sets nothing\. Did you mean 'TRIMTAB_MAX_IMAGES'"
    ):
        load_settings()


def test_a_variable_that_is_no_json_is_refused(monkeypatch):
    monkeypatch.setenv("TRIMTAB_POLICIES", "{")
    with pytest.raises(SettingsError, match=r"(?s)policies.*JSON"):
        load_settings()


def test_every_setting_is_described():
    for model in (Settings, TenantSettings):
        assert [name for name, field in model.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1", "localhost"])
def test_this_machine_alone_needs_no_keys(host):
    assert load_settings({"host": host}).keys is None


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "", "0", "192.168.0.1", "::ffff:10.0.0.1", "fe80::1", "localhost.example", "127.1"],
)
def test_other_addresses_need_keys_or_to_be_told(host, tmp_path):
    with pytest.raises(SettingsError, match="Set keys"):
        load_settings({"host": host})
    assert load_settings({"host": host, "keys": tmp_path / "keys.json"}).host == host
    assert load_settings({"host": host, "allow_anonymous": True}).host == host


def test_tenants_as_a_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("TRIMTAB_KEYS", str(tmp_path / "keys.json"))
    monkeypatch.setenv("TRIMTAB_TENANTS", '{"shop": {"floor": "strict", "concepts": ["woman"], "share": 2}}')
    settings = load_settings()
    tenant = settings.tenants["shop"].tenant("shop", settings.policies)
    assert (tenant.name, tenant.allowance.share, tenant.concepts) == ("shop", 2.0, {"woman"})
    assert tenant.floor == settings.policies["strict"]
    assert tenant.allowance.unlimited


CALM = "name: calm\nversion: 1\nsafety: [{concept: anti-violence}]\n"


def test_policies_of_a_folder_replace_the_shipped_ones(tmp_path):
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "calm.yaml").write_text(CALM)
    (folder / "notes.txt").write_text("no policy")
    text = f"policy_folder: {folder}\ndefault_policy: calm\nfloor: other\npolicies: {{other: {{}}}}"
    settings = load_settings({"config": written(tmp_path, text)})
    assert settings.policies.keys() == {"calm", "other"}
    assert settings.held_floor == Policy(name="other")


def test_a_bad_policy_file_is_refused_with_its_line(tmp_path):
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "calm.yaml").write_text(CALM + "fairness:\n  - set: gender\n    target: {woman: 2.0}\n")
    with pytest.raises(SettingsError) as refused:
        load_settings({"policy_folder": folder})
    assert f"{folder / 'calm.yaml'}, line 6: fairness.0.target: The shares sum to 2, not to 1." in str(
        refused.value
    )


def test_a_policy_in_the_folder_and_in_the_settings_is_refused(tmp_path):
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "calm.yaml").write_text(CALM)
    with pytest.raises(SettingsError, match="'calm' is in the folder"):
        load_settings({"policy_folder": folder, "policies": {"calm": {}}})


@pytest.mark.parametrize(
    ("variable", "concepts"), [("strict", 2), ('{"safety": [{"concept": "anti-violence"}]}', 1)]
)
def test_the_floor_is_a_name_or_a_policy(monkeypatch, variable, concepts):
    monkeypatch.setenv("TRIMTAB_FLOOR", variable)
    assert len(load_settings().held_floor.safety) == concepts
