"""How a URL becomes an engine; nothing connects here."""

from __future__ import annotations

import pytest

from api.storage.database import address, asyncpg_url, create_engine


@pytest.mark.parametrize(
    ("url", "complete"),
    [
        ("postgresql://u:p%40ss@host:5433/db", "postgresql+asyncpg://u:p%40ss@host:5433/db"),
        ("postgres://host/db", "postgresql+asyncpg://host/db"),
        ("postgresql+asyncpg://host/db", "postgresql+asyncpg://host/db"),
        ("postgresql:///db?host=/run/pg", "postgresql+asyncpg:///db?host=%2Frun%2Fpg"),
    ],
)
def test_a_url_without_a_driver_gets_asyncpg(url: str, complete: str) -> None:
    assert asyncpg_url(url) == complete


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://user:secret@db.example:5433/x", "db.example:5433"),
        ("postgresql://db.example/x", "db.example:5432"),
        ("postgresql:///x?host=/run/pg", "/run/pg:5432"),
        ("postgresql:///x", "localhost:5432"),
    ],
)
def test_an_address_is_told_without_user_and_password(url: str, told: str) -> None:
    assert address(create_engine(url, application_name="test")) == told
