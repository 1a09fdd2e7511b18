"""An AsyncAPI document, read as a client would read it: which message of a channel is this?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final
from uuid import UUID

from jsonschema_rs import Draft7Validator

from local.settings import ROOT
from tests.support.absent import do_without

Node = dict[str, Any]

_OFFICIAL: Final = ROOT / "demo_client" / "node_modules" / "@asyncapi" / "specs" / "schemas"
_PARTS: Final = {"payload", "headers", "request", "status"}
"""What of a message is compared."""


def official(version: str) -> Draft7Validator:
    """Of documents: the schema that the specification comes with."""
    path = _OFFICIAL / f"{version}.json"
    if not path.exists():
        do_without(f"{path} is missing: make check-hub")
    return Draft7Validator(json.loads(path.read_text("utf-8")), validate_formats=True)


def references(node: Any) -> Iterator[str]:
    """Every $ref, wherever it stands."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from references(part)


class Description:
    """The document of a service. What it does not name counts as wrong here, though a client ignores it."""

    def __init__(self, document: Node) -> None:
        self.document = document
        self._schemas = {name: _sealed(schema) for name, schema in document["components"]["schemas"].items()}
        self._parts = cache(self._parts_of)

    def at(self, reference: str) -> Any:
        """What a $ref leads to. Raises KeyError."""
        node: Any = self.document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        return node

    def messages(self, channel: str) -> set[str]:
        """The names of its messages."""
        return set(self.document["channels"][channel]["messages"])

    def close_codes(self, channel: str) -> set[int]:
        return {int(code) for code in self.document["channels"][channel]["x-close-codes"]}

    def address(self, channel: str, task: Mapping[str, Any]) -> str:
        """Where a task's channel is."""
        return str(self.document["channels"][channel]["address"]).format(task_id=task["id"])

    def names(self, channel: str, **parts: Any) -> set[str]:
        """Which messages of a channel have these parts: `payload`, `headers`, those of the `request`, `status`."""
        return {name for name in self.messages(channel) if self._fits(self._parts(channel, name), parts)}

    @staticmethod
    def _fits(described: Mapping[str, Draft7Validator], parts: Mapping[str, Any]) -> bool:
        assert parts.keys() <= _PARTS
        return described.keys() == parts.keys() and all(
            validator.is_valid(parts[name]) for name, validator in described.items()
        )

    def _parts_of(self, channel: str, name: str) -> Mapping[str, Draft7Validator]:
        message = self.at(self.document["channels"][channel]["messages"][name]["$ref"])
        found = {part: _sealed(message[part]) for part in ("payload", "headers") if part in message}
        http = message.get("bindings", {}).get("http", {})
        if "headers" in http:
            found["request"] = http["headers"]  # a client sends others too
        if "statusCode" in http:
            found["status"] = {"const": http["statusCode"]}
        return {part: self._validator(schema) for part, schema in found.items()}

    def _validator(self, schema: Node) -> Draft7Validator:
        whole = {"allOf": [schema], "components": {"schemas": self._schemas}}
        return Draft7Validator(whole, validate_formats=True, formats={"uuid": _is_uuid})


def _sealed(schema: Any) -> Any:
    """The schema, with nothing allowed that it does not name."""
    if isinstance(schema, list):
        return [_sealed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    sealed = {key: _sealed(value) for key, value in schema.items()}
    return {"additionalProperties": False, **sealed} if schema.get("type") == "object" else sealed


def _is_uuid(text: str) -> bool:
    """As the service writes it: in lower case, with hyphens."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
