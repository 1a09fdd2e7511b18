from __future__ import annotations

import os
import socket

import pytest

from local.ports import PortTaken, WantedPort, free_port, is_free, require_free

LOCALHOST = "127.0.0.1"


def wanted(port: int, variable: str) -> WantedPort:
    return WantedPort(host=LOCALHOST, port=port, purpose=f"the thing of {variable}", variable=variable)


def test_a_free_port_is_free_and_can_be_listened_on() -> None:
    port = free_port()
    assert is_free(LOCALHOST, port)
    with socket.create_server((LOCALHOST, port)):
        assert not is_free(LOCALHOST, port)


@pytest.mark.parametrize("listens_on", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - to see that it is noticed
def test_a_taken_port_is_named_with_its_holder_and_what_to_change(listens_on: str) -> None:
    with socket.create_server((listens_on, 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            require_free([wanted(free_port(), "OTHER_PORT"), wanted(port, "API_PORT")])
    message = str(caught.value)
    assert f"port {port} on {LOCALHOST} is taken by " in message
    assert f"(pid {os.getpid()})" in message
    assert "the thing of API_PORT needs it: set API_PORT to another port" in message


def test_a_port_that_two_want_is_named_with_both() -> None:
    port = free_port()
    with pytest.raises(PortTaken, match=f"port {port} is wanted by both .*API_PORT.* and .*VALKEY_PORT"):
        require_free([wanted(port, "API_PORT"), wanted(port, "VALKEY_PORT")])


def test_a_port_whose_last_connection_lingers_is_free() -> None:
    with socket.create_server((LOCALHOST, 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as client:
            accepted, _ = listener.accept()
            accepted.close()
            assert client.recv(1) == b""
    assert is_free(*address)
