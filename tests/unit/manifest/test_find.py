"""Where manifests are looked for, and which could have come with a folder."""

from pathlib import Path

from bottle_core.manifest.find import find


def test_the_projects_first_then_the_users(tmp_path: Path) -> None:
    home, project = tmp_path / "home", tmp_path / "work" / "repo"
    inner = project / "a" / "b"
    inner.mkdir(parents=True)
    (project / ".git").mkdir()
    (home / ".config" / "bottle").mkdir(parents=True)
    for path in (inner / "bottle.json", project / "bottle.jsonc", tmp_path / "work" / "bottle.jsonc"):
        path.write_text("{}", encoding="utf-8")
    (home / ".config" / "bottle" / "bottle.jsonc").write_text("{}", encoding="utf-8")
    (home / "claude-bottle.json").write_text("{}", encoding="utf-8")
    found = find(inner, home, None)
    assert [(str(c.path.relative_to(tmp_path)), c.project) for c in found] == [
        ("work/repo/a/b/bottle.json", True),
        ("work/repo/bottle.jsonc", True),
        ("home/.config/bottle/bottle.jsonc", False),
        ("home/claude-bottle.json", False),
    ]


def test_outside_of_a_repository_only_the_folder_itself_counts(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "bottle.json").write_text("{}", encoding="utf-8")
    assert find(inner, tmp_path / "home", None) == []


def test_a_relative_configuration_folder_is_ignored(tmp_path: Path) -> None:
    (tmp_path / ".config" / "bottle").mkdir(parents=True)
    (tmp_path / ".config" / "bottle" / "bottle.jsonc").write_text("{}", encoding="utf-8")
    assert [c.project for c in find(tmp_path, tmp_path, Path("relative"))] == [False]
