"""What a host behind a company's proxy needs builds and sidecars to know: extra authorities and proxy settings.

Both serve the build only and stay in no image. Variables are the documented ones of OpenSSL, Requests, curl, pip
and Node.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_CA_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
)
_SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_INDEX_VARIABLES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "npm_config_registry")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s*([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")


def bundle(environment: Mapping[str, str] = os.environ) -> str:
    """All certificates of every bundle that the host's variables and the system name, as PEM, without repeats."""
    bodies = dict.fromkeys(body for text in _bundles(environment) for body in _bodies(text))
    return "".join(_pem(body) for body in bodies)


def extra_ca(environment: Mapping[str, str] = os.environ) -> str:
    """The certificates of the host's bundles that are not public ones (those of certifi), as PEM; "" if none."""
    public = set(_bodies(_public()))
    bodies = dict.fromkeys(body for text in _bundles(environment) for body in _bodies(text))
    return "".join(_pem(body) for body in bodies if body not in public)


def build_arguments(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Proxy and index settings of the host that are set and not empty, as build arguments."""
    names = (*_PROXY_VARIABLES, *_INDEX_VARIABLES)
    return {name: environment[name] for name in names if environment.get(name)}


def _bundles(environment: Mapping[str, str]) -> Iterator[str]:
    paths = [environment[name] for name in _CA_VARIABLES if environment.get(name)]
    for path in dict.fromkeys((*paths, *_SYSTEM_BUNDLES)):
        try:
            yield Path(path).read_text(encoding="ascii", errors="ignore")
        except OSError:
            continue


def _public() -> str:
    try:
        import certifi
    except ImportError:
        return ""
    return Path(certifi.where()).read_text(encoding="ascii", errors="ignore")


def _bodies(text: str) -> Iterator[str]:
    """The base64 of each certificate without white space; comparing it needs no parsing."""
    for match in _CERTIFICATE.finditer(text):
        yield "".join(match[1].split())


def _pem(body: str) -> str:
    lines = "\n".join(body[start : start + 64] for start in range(0, len(body), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"
