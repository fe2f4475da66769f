"""Texts that look like credentials, for a warning: a manifest is read by many, a secret should not stand in it."""

import re

# Prefixes that the issuers document, for tokens to be found by scanners. Deliberately short: no entropy guesses,
# since a false alarm at every start teaches people to ignore the true one.
_KINDS = (
    (r"sk-ant-[\w-]{8}", "an Anthropic key"),
    (r"sk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{20}", "an API key"),
    (r"gh[pousr]_[A-Za-z0-9]{16}", "a GitHub token"),
    (r"github_pat_[A-Za-z0-9_]{16}", "a GitHub token"),
    (r"glpat-[\w-]{16}", "a GitLab token"),
    (r"xox[abeoprs]-[\w-]{10}", "a Slack token"),
    (r"(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])", "an AWS access key"),
    (r"AIza[\w-]{35}", "a Google API key"),
    (r"npm_[A-Za-z0-9]{30}", "an npm token"),
    (r"pypi-AgEI[\w-]{16}", "a PyPI token"),
    (r"hf_[A-Za-z0-9]{30}", "a Hugging Face token"),
    (r"[sr]k_live_[A-Za-z0-9]{16}", "a Stripe key"),
    (r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.", "a JSON web token"),
)
_PATTERNS = tuple((re.compile(r"(?<![A-Za-z0-9])" + pattern), name) for pattern, name in _KINDS)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")
_URL_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,200}:[^\s/@]{1,200}@")


def looks_like_credential(text: str) -> str:
    """What kind of credential the text seems to hold ("a GitHub token"), or the empty string."""
    for pattern, name in _PATTERNS:
        if pattern.search(text):
            return name
    if _PRIVATE_KEY.search(text):
        return "a private key"
    return "a URL with a password" if _URL_PASSWORD.search(text) else ""
