"""Names of variables that a manifest can't set, and why."""

from bottle_core.manifest.interpolate import is_variable_name

_WAY_OUT = "it leads programs to the egress proxy"
_TRUST = "it tells programs which certificate authorities to trust"
_LOADER = "it changes what the dynamic loader puts into every program, the entry script's too"
_SHELL = "shells give it a meaning of their own, and a shell takes the grants over"

_RESERVED = {
    "PATH": "the image's programs are found with it; write the whole path in `command`",
    "HOME": "it names the agent's home folder, which is part of every bottle",
    "USER": "it names the agent's user, which is part of every bottle",
    "LOGNAME": "it names the agent's user, which is part of every bottle",
    "HOSTNAME": "the engine sets it",
    "container": "the engine sets it",
    **dict.fromkeys(
        (
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
            "CURL_CA_BUNDLE",
            "REQUESTS_CA_BUNDLE",
            "PIP_CERT",
            "GIT_SSL_CAINFO",
            "GIT_SSL_CAPATH",
            "GIT_PROXY_SSL_CAINFO",
            "AWS_CA_BUNDLE",
            "CARGO_HTTP_CAINFO",
            "DENO_CERT",
            "DENO_TLS_CA_STORE",
            "NODE_EXTRA_CA_CERTS",
        ),
        _TRUST,
    ),
    "JAVA_TOOL_OPTIONS": "it leads Java to the egress proxy and its certificate authority",
    **dict.fromkeys(
        (
            *("_", "PWD", "OLDPWD", "SHLVL", "IFS", "ENV", "CDPATH", "LINENO", "OPTARG", "OPTIND", "PPID"),
            *("PS1", "PS2", "PS4", "UID", "EUID", "GROUPS", "RANDOM", "SECONDS", "DIRSTACK", "FUNCNAME"),
            *("SHELLOPTS", "BASHOPTS", "POSIXLY_CORRECT"),
        ),
        _SHELL,
    ),
    **dict.fromkeys(("d", "n"), "the entry script uses it"),
}

_PROXIES = frozenset(
    prefix + "_PROXY" for prefix in ("HTTP", "HTTPS", "ALL", "NO", "FTP", "WS", "WSS", "SOCKS", "RSYNC", "CARGO_HTTP")
) | {"NPM_CONFIG_PROXY", "NPM_CONFIG_HTTPS_PROXY", "NPM_CONFIG_NOPROXY", "PIP_PROXY", "GIT_PROXY_COMMAND"}

_PREFIXES = {
    "LD_": _LOADER,
    "BASH_": _SHELL,
    "BOTTLE_": "names with BOTTLE_ are kept for bottle itself",
}


def refusal(name: str) -> str:
    """Why this name can't be set in a manifest, or the empty string."""
    if not is_variable_name(name):
        return "a variable's name has letters, digits and underscores only, and no digit first"
    if name.upper() in _PROXIES:
        return f"this variable can't be set: {_WAY_OUT}"
    if reason := _RESERVED.get(name):
        return f"this variable can't be set: {reason}"
    for prefix, reason in _PREFIXES.items():
        if name.startswith(prefix):
            return f"this variable can't be set: {reason}"
    return ""
