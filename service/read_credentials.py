"""Reading C2PA manifests: who signed a file, what it says, and whether it is as it was signed.

Entry points: `found_credentials`, and what it returns, `FoundCredentials`.
"""

import io
import json
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from service.errors import CredentialsError
from service.schemas import ImageFormat

SETTINGS: Final[Mapping[str, Any]] = {
    # Nothing is fetched from anywhere, whatever a file says.
    "verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}
"""What c2pa-python does beyond reading and signing: nothing."""

State = Literal["trusted", "valid", "invalid", "unread"]

# What an issuer is trusted to issue: emailProtection, documentSigning, timeStamping, and C2PA's own.
_PURPOSES: Final = "1.3.6.1.5.5.7.3.4\n1.3.6.1.5.5.7.3.36\n1.3.6.1.5.5.7.3.8\n1.3.6.1.4.1.62558.2.1\n"

# Whether the issuer is known is said by the state.
_NO_FAULT: Final = frozenset({"signingCredential.untrusted"})


class FoundCredentials(BaseModel):
    """The manifest of a file."""

    model_config = ConfigDict(frozen=True)

    state: State
    """trusted: as it was signed, by a certificate of an issuer that was given. valid: by one of unknown issuer.
    invalid: not as it was signed. unread: c2pa-python is not installed."""
    problems: tuple[str, ...] = ()
    signed_by: str | None = None
    issuer: str | None = None
    algorithm: str | None = None
    generator: str | None = None
    actions: tuple[str, ...] = ()
    digital_source_types: tuple[str, ...] = ()
    assertions: Mapping[str, JsonValue] = {}


def found_credentials(
    file: bytes, image_format: ImageFormat, trusted: str | None = None
) -> FoundCredentials | None:
    """Return what a file's manifest says and is worth; None where it has none. `trusted` are issuers' PEM texts.

    Raises CredentialsError where `trusted` cannot be used.
    """
    if find_spec("c2pa") is None:
        is_there = b"jumb" in file and b"c2pa" in file
        return FoundCredentials(state="unread") if is_there else None
    import c2pa

    if trusted is not None:
        _check_certificates(trusted)
    settings = {**SETTINGS, "verify": {**SETTINGS["verify"], "verify_trust": trusted is not None}}
    if trusted is not None:
        settings["trust"] = {"trust_anchors": trusted, "trust_config": _PURPOSES}
    context = c2pa.Context.from_dict(settings)
    try:
        with c2pa.Reader(f"image/{image_format}", io.BytesIO(file), context=context) as reader:
            store: dict[str, Any] = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return None
    except c2pa.C2paError as error:
        return FoundCredentials(state="invalid", problems=(f"The manifest cannot be read: {error}.",))
    return _read(store)


def _check_certificates(trusted: str) -> None:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        load_pem_x509_certificates(trusted.encode())
    except ValueError as error:
        raise CredentialsError(
            "There are no certificates to trust in it.", cure="Give a PEM file with those of issuers."
        ) from error


def _read(store: Mapping[str, Any]) -> FoundCredentials:
    manifest: Mapping[str, Any] = store.get("manifests", {}).get(store.get("active_manifest"), {})
    results = store.get("validation_results", {}).get("activeManifest", {})
    problems = [
        f"{failure.get('code')}: {failure.get('explanation', '')}"
        for failure in results.get("failure", [])
        if failure.get("code") not in _NO_FAULT
    ]
    assertions = {str(one.get("label")): one.get("data") for one in manifest.get("assertions", [])}
    actions = [
        action
        for label, data in assertions.items()
        if label.startswith("c2pa.actions") and isinstance(data, dict)
        for action in data.get("actions", [])
        if isinstance(action, dict)
    ]
    signature = manifest.get("signature_info", {})
    generators = manifest.get("claim_generator_info") or [{}]
    return FoundCredentials(
        state=_state(str(store.get("validation_state")), problems),
        problems=tuple(problems),
        signed_by=signature.get("common_name"),
        issuer=signature.get("issuer"),
        algorithm=signature.get("alg"),
        generator=" ".join(str(generators[0][key]) for key in ("name", "version") if key in generators[0]),
        actions=tuple(str(action.get("action")) for action in actions),
        digital_source_types=tuple(
            str(action["digitalSourceType"]) for action in actions if "digitalSourceType" in action
        ),
        assertions=assertions,
    )


def _state(said: str, problems: list[str]) -> State:
    match said:
        case "Trusted":
            return "trusted"
        case "Valid":
            return "valid"
    return "invalid" if problems else "valid"
