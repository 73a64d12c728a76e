"""MQTT 5 and 3.1.1 on the wire, with a real broker: which one is spoken, and that neither loses the session or the will."""

import json

import pytest
from mqtt_wire import Wire
from streams import end, start_manage

ROW = '{{"time":"2026-06-01T00:00:{:02}Z","flow":1,"power":2}}'


@pytest.fixture
def old_broker(broker):
    """A broker that knows 3.1.1 only."""
    it = Wire(broker.port, newest=4)
    yield it
    it.close()


def kill(process):
    process.kill()
    process.communicate(timeout=20)


@pytest.mark.parametrize("version, spoken", [("auto", 5), ("5", 5), ("3.1.1", 4)])
def test_the_session_is_kept_and_the_will_is_told(plant, wire, listener, tmp_path, version, spoken):
    arguments = ("--bundle", "pump.bundle", "--state-dir", tmp_path / "state", "--no-data-after", "0", "--mqtt-version",
                 version)
    process = start_manage(plant, wire.url, listener, *arguments)
    listener.send(ROW.format(0))
    listener.wait_for(lambda: len(listener.below("anomaly")) == 1)
    kill(process)
    listener.wait_for(lambda: listener.below("status")[-1]["state"] == "lost")
    for row in range(1, 40):
        listener.send(ROW.format(row))
    process = start_manage(plant, wire.url, listener, *arguments)
    listener.wait_for(lambda: len({v["id"] for v in listener.below("anomaly")}) == 40)
    end(process)
    listener.wait_for(lambda: listener.below("status")[-1]["state"] == "stopped")
    assert set(wire.versions) == {spoken}


def test_a_broker_that_knows_only_3_1_1(plant, old_broker, listener):
    process = start_manage(plant, old_broker.url, listener, "--bundle", "pump.bundle")
    sent = plant("generate", "--mqtt-url", old_broker.url, "--rate", "0", "--rows", "200", "--json", code=0)
    assert "does not know MQTT 5: this goes by 3.1.1" in sent.err
    assert json.loads(sent.out)["acknowledged"] == 200
    listener.wait_for(lambda: len(listener.below("anomaly")) == 200)
    end(process)
    assert sorted(old_broker.versions) == [4, 4, 4, 5, 5, 5]  # of the two connections of manage and the one of generate
    plant("generate", "--mqtt-url", old_broker.url, "--mqtt-version", "5", "--connect-timeout", "1", code=5)
