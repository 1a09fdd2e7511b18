"""The interactive documentation with files of this machine, before the api and through a proxy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.support.rest import problem
from tests.support.system import Api, System

PREFIX: Final = {"X-Forwarded-Prefix": "/api"}


@pytest.fixture(scope="module")
def documented(routes_system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    files = tmp_path_factory.mktemp("swagger") / "ui"
    files.mkdir()
    (files / "swagger-ui-bundle.js").write_text("// the script")
    (files / "swagger-ui.css").write_text("/* the style */")
    (files.parent / "secret").write_text("not for you")
    api = routes_system.api("documented", DOCS_FILES=str(files))
    api.wait_until_ready()
    yield api
    api.terminate()
    api.assert_ended_well()


@pytest.mark.parametrize("headers", [{}, PREFIX], ids=["direct", "through a proxy"])
def test_a_page_is_made_of_what_the_api_has(documented: Api, headers: dict[str, str]) -> None:
    root = headers.get("X-Forwarded-Prefix", "")
    page = httpx.get(f"{documented.url}/docs", headers=headers)

    wanted = set(re.findall(r'(?:src|href)="([^"]+)"', page.text)) - {"data:,"}
    assert wanted == {f"{root}/docs/files/swagger-ui-bundle.js", f"{root}/docs/files/swagger-ui.css"}
    assert f"'{root}/openapi.json'" in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for path in wanted:
        answer = httpx.get(f"{documented.url}{path.removeprefix(root)}", headers=headers)
        assert (answer.status_code, answer.text[:6] in {"// the", "/* the"}) == (200, True)
    assert httpx.get(f"{documented.url}/redoc", headers=headers).headers["location"] == f"{root}/docs"


@pytest.mark.parametrize("path", ["nothing.js", "../secret", "%2e%2e/secret", "..%2fsecret", ""])
def test_nothing_else_is_served(documented: Api, path: str) -> None:
    problem(httpx.get(f"{documented.url}/docs/files/{path}"), 404)


def test_a_folder_that_is_not_there_is_told_at_the_start(routes_system: System, tmp_path: Path) -> None:
    api = routes_system.api("undocumented", DOCS_FILES=str(tmp_path / "nothing"))

    assert api.wait() == 2
    assert "docs_files" in api.log_path.read_text()
