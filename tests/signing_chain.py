"""A certificate that may sign C2PA claims, with the authority that issued it, made anew for each test run."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)


def new_key(kind: str = "p256"):
    match kind:
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "rsa":
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "k256":
            return ec.generate_private_key(ec.SECP256K1())
    raise ValueError(kind)


@dataclass(frozen=True)
class Authority:
    """A root of trust of one's own."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def authority(name: str = "Test Authority") -> Authority:
    key = new_key()
    return Authority(key, _certificate(name, name, key.public_key(), key, is_authority=True))


def issued(root: Authority, folder: Path, kind: str = "p256", **changes: object) -> tuple[Path, Path]:
    """The files of a certificate with its issuer's, and of its key; `changes` are those of `_certificate`."""
    key = new_key(kind)
    certificate = _certificate("Test Signer", "Test Authority", key.public_key(), root.key, **changes)
    chain = folder / f"{kind}.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + root.pem.encode())
    return chain, written_key(key, folder / f"{kind}.key")


def written_key(key, file: Path, password: bytes | None = None) -> Path:
    locked = (
        serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password)
    )
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    return file


def _certificate(
    subject: str,
    issuer: str,
    public_key,
    issuer_key,
    *,
    is_authority: bool = False,
    begins: timedelta = -DAY,
    ends: timedelta = 30 * DAY,
    may_sign: bool = True,
) -> x509.Certificate:
    now = datetime.now(UTC)
    signs = not is_authority
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=signs,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if signs and may_sign:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Trimtab Tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
