"""`GET /docs`: the interactive documentation, of files that this service has: it is there without the internet."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

_FILES: Final = "/docs/files"
_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""FastAPI's page has its script in itself."""
_NO_ICON: Final = "data:,"


def install(app: FastAPI, files: Path) -> None:
    """Serve the pages of `router` with the swagger-ui-bundle.js and swagger-ui.css of the folder `files`."""
    app.mount(_FILES, StaticFiles(directory=files))
    app.include_router(router)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Swagger UI."""
    root = request.scope.get("root_path", "")
    page = get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title=request.app.title,
        swagger_js_url=f"{root}{_FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{_FILES}/swagger-ui.css",
        swagger_favicon_url=_NO_ICON,
    )
    page.headers["Content-Security-Policy"] = _POLICY
    page.headers["X-Content-Type-Options"] = "nosniff"
    return page


@router.get("/redoc")
async def redoc(request: Request) -> Response:
    """Where FastAPI has its other documentation."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}/docs")
