"""What a service tells of a kind, and how a client names one with its parameters: both follow from the kind alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from workloads.registry import Kind


class KindView(BaseModel):
    """A kind of task and the JSON schema of its parameters."""

    name: str
    summary: str
    params: dict[str, Any] = Field(description="JSON schema")
    max_attempts: int
    time_limit_s: float

    @classmethod
    def of(cls, kind: Kind) -> KindView:
        """The view of a kind."""
        return cls(
            name=kind.name,
            summary=kind.summary,
            params=kind.params.model_json_schema(),
            max_attempts=kind.max_attempts,
            time_limit_s=kind.time_limit_s,
        )


class KindList(BaseModel):
    """All kinds."""

    items: list[KindView]


def submission(kind: Kind) -> type[BaseModel]:
    """The model of `{"kind": …, "params": …}`; params may be left out when each has a default."""
    name = "".join(part.capitalize() for part in kind.name.split("_"))
    optional = not any(field.is_required() for field in kind.params.model_fields.values())
    params = Field(default_factory=kind.params) if optional else Field()
    fields: Mapping[str, Any] = {"kind": (Literal[kind.name], Field()), "params": (kind.params, params)}
    config = ConfigDict(extra="forbid", frozen=True)
    return create_model(f"Submit{name}", __config__=config, __doc__=kind.summary, **fields)
