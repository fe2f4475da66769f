"""The end-to-end tests use the Docker tests' engine and user."""

from pathlib import Path

import pytest

from tests.docker.conftest import clean, engine, user

__all__ = ["clean", "engine", "user"]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.docker)
