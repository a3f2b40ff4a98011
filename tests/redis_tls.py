"""Certificates for a Redis that speaks TLS, for tests: an authority of the test's own, and what it has signed."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """The files of an authority and of one certificate for 127.0.0.1, which serves and asks."""

    authority: Path
    certificate: Path
    key: Path

    @classmethod
    def made_in(cls, folder: Path) -> "Certificates":
        """Make them with openssl."""
        authority, authority_key = _signed_by_itself(folder, "authority")
        certificate, key, request = (folder / name for name in ("own.crt", "own.key", "own.csr"))
        _openssl("req", *_NEW_KEY, "-keyout", key, "-out", request, "-subj", "/CN=127.0.0.1")
        names = folder / "names"
        names.write_text("subjectAltName=IP:127.0.0.1\n", encoding="ascii")
        signed = ("-CA", authority, "-CAkey", authority_key, "-CAcreateserial", "-extfile", names)
        _openssl("x509", "-req", "-in", request, "-out", certificate, "-days", "1", *signed)
        return cls(authority, certificate, key)

    @property
    def server_options(self) -> tuple[str, ...]:
        """How a redis-server is told to use them, and to ask its clients for theirs."""
        return (
            *("--tls-cert-file", str(self.certificate), "--tls-key-file", str(self.key)),
            *("--tls-ca-cert-file", str(self.authority), "--tls-auth-clients", "yes"),
        )

    @property
    def url_options(self) -> str:
        """The same for a client, as its address says it."""
        return f"ssl_ca_certs={self.authority}&ssl_certfile={self.certificate}&ssl_keyfile={self.key}"


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _signed_by_itself(folder: Path, name: str) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    _openssl(
        "req", "-x509", *_NEW_KEY, "-keyout", key, "-out", certificate, "-days", "1", "-subj", f"/CN={name}"
    )
    return certificate, key


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
