"""Tags follow from content, and what serves a build is not in it."""

import io
import shutil
import tarfile
from pathlib import Path

import pytest

from bottle_core.errors import UsageError
from bottle_core.images import host, recipe
from bottle_core.images.build import context


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the recipes that may be changed."""
    copy = tmp_path / "containerfiles"
    shutil.copytree(recipe.containerfiles(), copy)
    monkeypatch.setattr(recipe, "containerfiles", lambda: copy)
    recipe.digest.cache_clear()
    yield copy  # type: ignore[misc]
    recipe.digest.cache_clear()


def tags() -> dict[str, str]:
    recipe.digest.cache_clear()
    return {name: recipe.tag(name) for name in (recipe.BASE, *recipe.RECIPES)}


def test_the_same_content_has_the_same_tag(recipes: Path) -> None:
    before = tags()
    (recipes / "shell" / "Containerfile").touch()
    (recipes / "shell" / "__pycache__").mkdir()
    (recipes / "shell" / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert tags() == before


def test_a_change_changes_what_depends_on_it(recipes: Path) -> None:
    before = tags()
    (recipes / "shell" / "Containerfile").write_text("FROM scratch\n", encoding="ascii")
    after = tags()
    assert {name for name in after if after[name] != before[name]} == {"shell"}
    (recipes / "base" / "base.conf").write_text("SUITE=sid\n", encoding="ascii")
    last = tags()
    assert {name for name in last if last[name] != after[name]} == set(last)


def test_an_execute_bit_and_a_name_count(recipes: Path) -> None:
    before = tags()["egress"]
    (recipes / "egress" / "install.sh").chmod(0o755)
    second = tags()["egress"]
    (recipes / "egress" / "install.sh").rename(recipes / "egress" / "other.sh")
    assert len({before, second, tags()["egress"]}) == 3


@pytest.mark.parametrize("name", ["", "nothing", "common", "../base", "entry"])
def test_an_unknown_recipe_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="claude"):
        recipe.folder(name)


def test_a_context_has_the_recipe_and_what_serves_the_build() -> None:
    with tarfile.open(fileobj=io.BytesIO(context("egress", "CA"))) as tar:
        names = tar.getnames()
        member = tar.extractfile(".build/ca.crt")
        assert member is not None
        assert member.read() == b"CA"
    assert {"Containerfile", "requirements.txt", "bottle_egress/rules.py", ".build/finish.sh"} <= set(names)


CERTIFICATE = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"


def test_the_hosts_authorities_are_gathered_once_and_public_ones_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public, company = CERTIFICATE.format("cHVibGlj"), CERTIFICATE.format("Y29tcGFueQ==")
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("text\n" + public + company + company, encoding="ascii")
    monkeypatch.setattr(host, "_SYSTEM_BUNDLES", ())
    monkeypatch.setattr(host, "_public", lambda: public)
    variables = {"SSL_CERT_FILE": str(bundle), "PIP_CERT": str(bundle), "CURL_CA_BUNDLE": "/no/such/file"}
    assert host.bundle(variables) == public + company
    assert host.extra_ca(variables) == company
    assert host.extra_ca({}) == ""


def test_only_proxy_and_index_settings_that_are_set_serve_a_build() -> None:
    variables = {"https_proxy": "http://p:1", "HTTP_PROXY": "", "PIP_INDEX_URL": "https://i.test", "TOKEN": "x"}
    assert host.build_arguments(variables) == {"https_proxy": "http://p:1", "PIP_INDEX_URL": "https://i.test"}
