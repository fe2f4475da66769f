"""Which egress proxy a bottle gets, and why (docs/egress.md, "Which proxy")."""

from bottle_core.contract import Backend
from bottle_core.egress.base import EgressProxy
from bottle_core.errors import PluginError
from bottle_core.plugins import Plugins
from bottle_core.spec import ImageSource

AUTO = "auto"
_PREFERRED = ("pipelock",)
_FALLBACK = "mitmproxy"
_PULL_TIMEOUT = 3.0


def choose(wanted: str, plugins: Plugins, backend: Backend) -> tuple[EgressProxy, str]:
    """The proxy and the reason for it; raises UsageError for an unknown name."""
    if wanted != AUTO:
        return plugins.proxy(wanted), "named in the manifest"
    reasons = []
    for name in _PREFERRED:
        if name not in plugins.egress:
            continue
        proxy = plugins.proxy(name)
        because = _unavailable(proxy.image, backend)
        if not because:
            return proxy, "its image is at hand"
        reasons.append(f"{name} is not used: {because}")
    if _FALLBACK not in plugins.egress:
        raise PluginError("choose an egress proxy", f"{_FALLBACK} is not installed", "reinstall bottle-core")
    return plugins.proxy(_FALLBACK), "; ".join(reasons) or "the default"


def _unavailable(source: ImageSource, backend: Backend) -> str:
    """Empty if the image is present or can be pulled, else the reason."""
    if source.recipe or backend.image_size(source.reference) is not None:
        return ""
    return backend.can_pull(source.reference, _PULL_TIMEOUT)
