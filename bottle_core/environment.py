"""The variables that every bottle has, and the places that they name (SECRET-003)."""

from ipaddress import IPv4Address

from bottle_core.agents.base import HOME

RUN = "/run/bottle"
CA_CERTIFICATE = RUN + "/ca.crt"
CA_BUNDLE = RUN + "/ca-bundle.crt"
TRUST_STORE = RUN + "/truststore.p12"
TRUST_STORE_PASSWORD = "changeit"  # noqa: S105  Java's own default; a trust store holds no secret

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Tools that trust only what their own variable names; each is pointed at roots plus the sidecar's CA.
_BUNDLE_VARIABLES = (
    "SSL_CERT_FILE",  # OpenSSL, Python, Go, Ruby
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "DENO_CERT",
)

_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
_NO_PROXY = "localhost,127.0.0.1,::1"

SHELL_NAMES = frozenset({"_", "OLDPWD", "PWD", "SHLVL"})
"""Names that shells make up by themselves."""

ENGINE_NAMES = frozenset({"HOSTNAME", "TERM", "container"})
"""Names that engines set in every container: Docker the first two, Podman all three."""


_JAVA_TRUST = (
    f"-Djavax.net.ssl.trustStore={TRUST_STORE} -Djavax.net.ssl.trustStorePassword={TRUST_STORE_PASSWORD}"
    " -Djavax.net.ssl.trustStoreType=PKCS12 "
)


def base_environment(proxy: IPv4Address, port: int, *, inspects: bool) -> dict[str, str]:
    """The variables of a bottle whose sidecar listens at `proxy`:`port`; nothing of the host is in them.

    `inspects` says that the sidecar looks into TLS, so that Java has to trust its authority instead of the public ones.
    """
    url = f"http://{proxy}:{port}"
    java = (_JAVA_TRUST if inspects else "") + (
        f"-Dhttp.proxyHost={proxy} -Dhttp.proxyPort={port} -Dhttps.proxyHost={proxy} -Dhttps.proxyPort={port}"
    )
    return {
        "PATH": PATH,
        "HOME": HOME,
        "USER": "agent",
        "LOGNAME": "agent",
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        **dict.fromkeys(_PROXY_VARIABLES, url),
        "NO_PROXY": _NO_PROXY,
        "no_proxy": _NO_PROXY,
        **dict.fromkeys(_BUNDLE_VARIABLES, CA_BUNDLE),
        "NODE_EXTRA_CA_CERTS": CA_CERTIFICATE,
        "JAVA_TOOL_OPTIONS": java,
    }


BASE_NAMES = frozenset(base_environment(IPv4Address(0), 0, inspects=True))
"""Names of `base_environment`, whatever the address."""

DOCUMENTED_NAMES = BASE_NAMES | SHELL_NAMES | ENGINE_NAMES
"""Everything that may stand in a bottle's environment beside its grants and what the image itself sets."""
