"""Names in an environment variable."""

from __future__ import annotations

import pytest
from pydantic_settings import BaseSettings

from service.settings import Names


class Ours(BaseSettings):
    modules: Names = ()


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("", ()),
        (" , ", ()),
        ("one", ("one",)),
        ("a.b, c.d ,", ("a.b", "c.d")),
        ('["a"]', ('["a"]',)),  # it is not read as JSON
    ],
)
def test_names_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch, value: str, names: tuple[str, ...]) -> None:
    monkeypatch.setenv("MODULES", value)

    assert Ours().modules == names


def test_names_may_be_given_as_they_are() -> None:
    assert Ours(modules=("a,b", "c")).modules == ("a,b", "c")
