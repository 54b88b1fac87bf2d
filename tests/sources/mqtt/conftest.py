"""What the tests of the MQTT source share: a real broker, and both versions of the protocol."""

import pytest
from rigs.mosquitto import Mosquitto


@pytest.fixture
def broker(tmp_path, free_port):
    """A broker that takes anybody."""
    with Mosquitto(tmp_path, free_port()) as running:
        yield running


@pytest.fixture(params=["3.1.1", "5"])
def protocol(request) -> str:
    return request.param
