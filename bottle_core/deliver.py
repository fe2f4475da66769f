"""The grants as one POSIX sh program, sent to `sh` over an exec's stdin (SECRET-001, SECRET-002).

Values stand in the program as quoted words and are written by the builtin printf: they are on no argv, in no
environment of the exec and on no disk, and no tool beyond sh is needed in the image.
"""

from collections.abc import Iterable, Mapping

from bottle_core.agents.base import GrantFile
from bottle_core.environment import CA_BUNDLE, CA_CERTIFICATE, RUN, TRUST_STORE

ARGV = ("sh", "-s")

_IMAGE_BUNDLES = (
    "/usr/local/share/bottle/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


def quote(value: bytes) -> bytes:
    """One word of the shell that stands for exactly these bytes; raises ValueError for a NUL."""
    if b"\0" in value:
        raise ValueError("a NUL byte can't be in a variable or a text file")
    return b"'" + value.replace(b"'", b"'\\''") + b"'"


def exports(values: Mapping[str, bytes]) -> bytes:
    """The program that the entry script reads: one export a variable."""
    return b"".join(b"export %s=%s\n" % (name.encode(), quote(value)) for name, value in values.items())


def program(values: Mapping[str, bytes], files: Iterable[GrantFile], ca_certificate: str, trust_store: bytes) -> bytes:
    """Writes trust, files and grants, and opens the gate last, with its own process id in it.

    Any failing step ends it with a non-zero code. The entry script waits for that process to end.
    """
    lines = [b"set -e", b"umask 022"]
    if ca_certificate:
        lines.append(_write(CA_CERTIFICATE, quote(ca_certificate.encode())))
    if trust_store:
        lines.append(b"printf %s >%s" % (_octal(trust_store), TRUST_STORE.encode()))
    lines.append(_bundle())
    lines.append(b"umask 077")
    for file in files:
        path = file.path.encode()
        folder = path.rpartition(b"/")[0]
        lines.append(b"mkdir -p %s" % quote(folder))
        lines.append(_write(file.path, quote(file.content.encode())))
        lines.append(b"chmod %o %s" % (file.mode, quote(path)))
    lines.append(_write(f"{RUN}/grants", quote(exports(values))))
    lines.append(b'printf "%%s\\n" "$$" >%s/go' % RUN.encode())
    lines.append(b"exit 0")
    return b"\n".join(lines) + b"\n"


def _write(path: str, word: bytes) -> bytes:
    return b"printf %%s %s >%s" % (word, quote(path.encode()))


def _octal(data: bytes) -> bytes:
    return b"'" + b"".join(b"\\%03o" % byte for byte in data) + b"'"


def _bundle() -> bytes:
    """The image's own roots and the sidecar's authority as one file, for tools that read a single bundle."""
    bundle, certificate = CA_BUNDLE.encode(), CA_CERTIFICATE.encode()
    sources = b" ".join(path.encode() for path in _IMAGE_BUNDLES)
    return (
        b": >%(bundle)s\n"
        b"for roots in %(sources)s; do\n"
        b'  if [ -s "$roots" ]; then cat "$roots" >%(bundle)s; break; fi\n'
        b"done\n"
        b"if [ -s %(certificate)s ]; then\n"
        b'  while IFS= read -r line; do printf "%%s\\n" "$line"; done <%(certificate)s >>%(bundle)s\n'
        b"fi"
    ) % {b"bundle": bundle, b"sources": sources, b"certificate": certificate}
