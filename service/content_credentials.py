"""C2PA manifests: image files signed as made by a trained model, with the vectors that were applied.

Entry points: `open_credentials`, which checks certificate and key, and `Credentials.signed`. It needs the extra c2pa.
"""

import io
import json
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from service.errors import CredentialsError
from service.provenance import AI_GENERATED, Provenance
from service.read_credentials import SETTINGS, found_credentials
from service.schemas import ImageFormat
from service.settings import Settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

ASSERTION: Final = "org.trimtab.steering"
"""The label of our own assertion: the records of the images, as in the file's other metadata."""

INSTALL: Final = "Install it with pip install 'trimtab[c2pa]'."

_CURVES: Final[Mapping[str, str]] = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


class Credentials:
    """A certificate and its key; safe to use from several threads."""

    def __init__(
        self, chain: bytes, key: bytes, algorithm: str, ends: datetime, timestamp_url: str | None
    ) -> None:
        """Take PEM texts that fit each other, and when the certificate ends; see `open_credentials`."""
        import c2pa

        info = c2pa.C2paSignerInfo(
            alg=c2pa.C2paSigningAlg[algorithm.upper()],
            sign_cert=chain,
            private_key=key,
            ta_url=None if timestamp_url is None else timestamp_url.encode(),
        )
        self._signer = c2pa.Signer.from_info(info)
        self._context = c2pa.Context.from_dict(SETTINGS)
        self._ends = ends
        self._lock = threading.Lock()

    def signed(self, file: bytes, image_format: ImageFormat, records: Sequence[Provenance]) -> bytes:
        """Return the file with a manifest; raises CredentialsError where it cannot be signed (any more)."""
        import c2pa

        if datetime.now(UTC) >= self._ends:
            raise _ended(self._ends)
        media_type, signed = f"image/{image_format}", io.BytesIO()
        manifest = json.dumps(_manifest(media_type, records))
        try:
            with self._lock, c2pa.Builder(manifest, self._context) as builder:
                builder.sign(self._signer, media_type, io.BytesIO(file), signed)
        except c2pa.C2paError as error:
            raise CredentialsError(
                f"The image cannot be signed: {error}.",
                cure="See that the certificate may sign C2PA claims, and that the timestamp authority answers.",
            ) from error
        return signed.getvalue()


def open_credentials(settings: Settings) -> Credentials | None:
    """Return what the settings' certificate and key sign with, tried out once; None where they name none.

    Raises CredentialsError where a file cannot be read, they do not fit each other, or the certificate is not valid now
    or is none that may sign C2PA claims.
    """
    if settings.c2pa_certificate is None or settings.c2pa_key is None:
        return None
    if find_spec("c2pa") is None:
        raise CredentialsError("Signing images takes c2pa-python, which is not installed.", cure=INSTALL)
    chain, key = _read(settings.c2pa_certificate), _read(settings.c2pa_key)
    certificate = _certificate(chain, settings.c2pa_certificate)
    private_key = _private_key(key, settings.c2pa_key)
    if certificate.public_key() != private_key.public_key():
        raise CredentialsError(
            f"The key {settings.c2pa_key} is not that of the certificate {settings.c2pa_certificate}.",
            value=str(settings.c2pa_key),
            cure="Set c2pa_key to the key that the first certificate of the file was issued for.",
        )
    algorithm = _algorithm(private_key, settings)
    ends = certificate.not_valid_after_utc
    _try_out(Credentials(chain, key, algorithm, ends, None), settings.c2pa_certificate)
    return Credentials(chain, key, algorithm, ends, settings.c2pa_timestamp_url)


def _manifest(media_type: str, records: Sequence[Provenance]) -> dict[str, Any]:
    generator = {"name": "Trimtab", "version": version("trimtab")}
    created = {"action": "c2pa.created", "digitalSourceType": AI_GENERATED, "softwareAgent": generator}
    images = [record.model_dump(mode="json", exclude_none=True) for record in records]
    return {
        "claim_generator_info": [generator],
        "format": media_type,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
            {"label": ASSERTION, "data": {"images": images}},
        ],
    }


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CredentialsError(
            f"{file} cannot be read: {error.strerror}.",
            value=str(file),
            cure="Set c2pa_certificate and c2pa_key to files that the service's user may read.",
        ) from error


def _certificate(chain: bytes, file: Path) -> "Certificate":
    """Return the certificate that signs, the first one; raises CredentialsError where it is not valid now."""
    from cryptography.x509 import load_pem_x509_certificates

    try:
        certificate, *_ = load_pem_x509_certificates(chain)
    except ValueError as error:
        raise CredentialsError(
            f"{file} holds no certificate.",
            value=str(file),
            cure="Write the signing certificate into it in PEM, then those that issued it.",
        ) from error
    now = datetime.now(UTC)
    if now >= certificate.not_valid_after_utc:
        raise _ended(certificate.not_valid_after_utc)
    if now < certificate.not_valid_before_utc:
        raise CredentialsError(
            f"The C2PA certificate is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC.",
            cure="See that the machine's clock is right, or wait.",
        )
    return certificate


def _ended(ends: datetime) -> CredentialsError:
    return CredentialsError(
        f"The C2PA certificate ended on {ends:%Y-%m-%d %H:%M} UTC.",
        cure="Set c2pa_certificate and c2pa_key to new ones, and restart the service.",
    )


def _private_key(key: bytes, file: Path) -> "PrivateKeyTypes":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # The library's words might say something of the key.
        problem = "is encrypted" if isinstance(error, TypeError) else "holds no private key"
        raise CredentialsError(
            f"{file} {problem}.", value=str(file), cure="Write the key into it in PEM, not encrypted."
        ) from None


def _algorithm(key: "PrivateKeyTypes", settings: Settings) -> str:
    """Return how a key signs: as the settings say, or as it can; raises CredentialsError."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    match key:
        case ec.EllipticCurvePrivateKey():
            fitting = [_CURVES[key.curve.name]] if key.curve.name in _CURVES else []
        case rsa.RSAPrivateKey():
            fitting = ["ps256", "ps384", "ps512"]
        case ed25519.Ed25519PrivateKey():
            fitting = ["ed25519"]
        case _:
            fitting = []
    if not fitting:
        raise CredentialsError(
            f"{settings.c2pa_key} is a key of a kind that C2PA does not sign with.",
            value=str(settings.c2pa_key),
            cure="Take one of P-256, P-384, P-521, Ed25519 or RSA.",
        )
    if settings.c2pa_algorithm == "auto":
        return fitting[0]
    if settings.c2pa_algorithm not in fitting:
        raise CredentialsError(
            f"The key {settings.c2pa_key} does not sign by {settings.c2pa_algorithm}.",
            value=settings.c2pa_algorithm,
            cure=f"Set c2pa_algorithm to {' or '.join(fitting)}, or to auto.",
        )
    return settings.c2pa_algorithm


def _try_out(credentials: Credentials, certificate: Path) -> None:
    """Sign a small picture and verify it; raises CredentialsError where that does not go."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "png")
    try:
        found = found_credentials(credentials.signed(file.getvalue(), "png", []), "png")
    except CredentialsError as error:
        problem = error.problem
    else:
        if found is not None and found.state != "invalid":
            return
        problem = "" if found is None else "; ".join(found.problems)
    raise CredentialsError(
        f"The certificate {certificate} cannot sign C2PA claims. {problem}",
        value=str(certificate),
        cure="It needs the key usage digitalSignature, an extended key usage such as emailProtection, and an issuer, "
        "whose certificate follows it in the file.",
    )
