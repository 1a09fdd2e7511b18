"""deploy/kubernetes, rendered."""

from __future__ import annotations

import pytest

from tests.unit.deploy.rendering import BASE, PRODUCTION, Rendered, render


@pytest.fixture(params=[BASE, PRODUCTION], ids=["base", "production"])
def rendered(request: pytest.FixtureRequest) -> Rendered:
    return Rendered(render(request.param))


@pytest.fixture
def production() -> Rendered:
    return Rendered(render(PRODUCTION))
