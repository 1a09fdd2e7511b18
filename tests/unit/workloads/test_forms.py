"""The form of a kind, as a service shows it and as a client fills it in."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from workloads.forms import KindView, submission
from workloads.registry import Kind
from workloads.updates import Run


class Count(BaseModel):
    """All with a default."""

    to: int = Field(default=3, ge=1)


class Read(BaseModel):
    """Not all with a default."""

    text: str
    times: int = 1


def run(_: Any) -> Run:
    yield from ()
    return None


COUNT_UP = Kind("count_up", Count, run, "Counts.", max_attempts=5, time_limit_s=7.0)
READ = Kind("read", Read, run, "Reads.")


def test_a_view_tells_what_the_kind_says_of_itself() -> None:
    view = KindView.of(COUNT_UP)

    assert (view.name, view.summary, view.max_attempts, view.time_limit_s) == ("count_up", "Counts.", 5, 7.0)
    assert view.params["properties"]["to"] == {"default": 3, "minimum": 1, "title": "To", "type": "integer"}


def test_params_that_all_have_a_default_may_be_left_out_and_others_not() -> None:
    assert submission(COUNT_UP).model_validate({"kind": "count_up"}).model_dump()["params"] == {"to": 3}
    assert submission(READ).model_json_schema()["required"] == ["kind", "params"]
    with pytest.raises(ValidationError, match="params"):
        submission(READ).model_validate({"kind": "read"})


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "read", "params": {}},
        {"kind": "count_up", "params": {"to": 0}},
        {"kind": "count_up", "params": {}, "more": 1},
    ],
)
def test_what_is_of_another_kind_or_not_of_this_form_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        submission(COUNT_UP).model_validate(body)


def test_the_model_is_named_and_described_after_the_kind() -> None:
    model = submission(COUNT_UP)

    assert (model.__name__, model.__doc__) == ("SubmitCountUp", "Counts.")
