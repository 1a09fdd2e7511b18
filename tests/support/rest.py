"""Requests that many tests make, and what the answers must look like."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx


def submit(http: httpx.Client, kind: str = "synthetic", **params: Any) -> dict[str, Any]:
    """Submit a task that is taken; returns it."""
    answer = http.post("/tasks", json={"kind": kind, "params": params})
    assert answer.status_code == 202, answer.text
    task: dict[str, Any] = answer.json()
    return task


def ended(http: httpx.Client, task: dict[str, Any], *, within_s: int = 30) -> dict[str, Any]:
    """The task once it has ended."""
    answer: dict[str, Any] = http.get(task["links"]["self"], headers={"Prefer": f"wait={within_s}"}).json()
    assert answer["state"] in {"succeeded", "failed", "cancelled"}, answer
    return answer


def unknown() -> str:
    """The path of a task that does not exist."""
    return f"/tasks/{uuid4()}"


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem of an answer that must be one (RFC 9457)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert {"type", "title", "detail"} <= body.keys()
    return body


def fields(answer: httpx.Response) -> list[str]:
    """The fields that a 422 complains of."""
    body = problem(answer, 422)
    assert all(error["message"] and error["type"] for error in body["errors"])
    assert body["detail"].startswith(body["errors"][0]["field"])
    return [error["field"] for error in body["errors"]]
