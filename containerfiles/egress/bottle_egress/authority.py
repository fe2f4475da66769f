"""The certificate authority of one bottle. Its key is made here, stays in memory, and ends with the sidecar."""

import contextlib
import datetime
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

_VALID = datetime.timedelta(days=30)
_SKEW = datetime.timedelta(hours=2)
_JAVA_PASSWORD = b"changeit"
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class Authority(NamedTuple):
    """`key_and_certificate` is PEM and secret; `certificate` PEM; `trust_store` a PKCS#12 file for Java."""

    key_and_certificate: bytes
    certificate: bytes
    trust_store: bytes


def make(session: str, others: bytes = b"") -> Authority:
    """A fresh authority whose certificate names the bottle. Java trusts `others`, PEM certificates, beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"bottle {session}"[:64])])
    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoded = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    store = pkcs12.serialize_java_truststore(
        [
            pkcs12.PKCS12Certificate(certificate, b"bottle"),
            # Equal names of entries would replace each other.
            *(pkcs12.PKCS12Certificate(root, b"root %d" % number) for number, root in enumerate(_read(others))),
        ],
        serialization.BestAvailableEncryption(_JAVA_PASSWORD),
    )
    return Authority(private + encoded, encoded, store)


def _read(bundle: bytes) -> Iterator[x509.Certificate]:
    """The certificates of a bundle; those that can't be read, as some old roots, are left out."""
    for block in _PEM.findall(bundle):
        with warnings.catch_warnings(), contextlib.suppress(ValueError, UserWarning):
            warnings.simplefilter("error")
            yield x509.load_pem_x509_certificate(block)
