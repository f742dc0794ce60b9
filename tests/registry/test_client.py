"""What is said of a registry that does not answer."""

from __future__ import annotations

import socket

import pytest

from paas.registry.client import RegistryClient, RegistryUnreachable


async def test_a_registry_that_is_silent_is_said_to_be_late() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with RegistryClient(f"127.0.0.1:{port}", username="x", password="x", timeout=0.2) as client:
            with pytest.raises(RegistryUnreachable, match=r"cannot be reached: .+"):
                await client.digest("demo/shop", "latest")
