"""What is said of a hub that others than this machine reach."""

from __future__ import annotations

import pytest

from local.hub import exposure


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_of_a_hub_that_only_this_machine_reaches_nothing_is_said(host: str) -> None:
    assert exposure(host, as_root=True) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "hub.example"])  # noqa: S104 - nothing is bound
def test_of_another_it_is_said_that_nobody_signs_in(host: str) -> None:
    assert str(exposure(host, as_root=False)).startswith(
        f"HUB_HOST={host}: whoever reaches this machine may use the hub"
    )
    assert "root" not in str(exposure(host, as_root=False))
    assert str(exposure(host, as_root=True)).endswith("its processes are root's.")
