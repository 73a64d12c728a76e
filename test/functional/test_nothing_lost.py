"""An acknowledged reading has its verdict, whatever is killed. What `manage` acknowledged is read on the wire, and what
must come of it from a replay that nothing disturbed: bytes against bytes, not the program's own counters."""

import json
import random
import resource
import signal
import threading
import time

import paho.mqtt.client as mqtt
import pytest
from mqtt_wire import Wire
from streams import Listener, end, make_plant, start_manage

ASSETS = ("blade-0", "blade-1", "blade-2")


@pytest.fixture(scope="module")
def plant(anomctl_in, tmp_path_factory):
    return make_plant(anomctl_in(tmp_path_factory.mktemp("plant")))


@pytest.fixture
def listener(broker):
    it = Listener(broker.port)
    yield it
    it.close()


@pytest.fixture
def wire(broker):
    it = Wire(broker.port)
    yield it
    it.close()


class Sender:
    """Publishes rows of the three assets in turn, a second of stamps apart, until told to stop."""

    def __init__(self, port, seed, pause=0.006):
        self.sent, self.random, self.ended, self.pause = 0, random.Random(seed), threading.Event(), pause
        self.acknowledged = set()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"sender-{port}", clean_session=False)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_publish = lambda _client, _data, mid, *_: self.acknowledged.add(mid)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended.is_set():
            row, asset = divmod(self.sent, len(ASSETS))
            flow = self.random.gauss(0, 0.5)
            odd = 6 if row % 90 > 80 else 0  # an episode now and then
            stamp = f"2026-05-01T{row // 3600:02}:{row // 60 % 60:02}:{row % 60:02}Z"
            payload = json.dumps({"time": stamp, "flow": round(flow, 4), "power": round(2 * flow + odd, 4)})
            self.client.publish(f"windmill/sensor/{ASSETS[asset]}", payload, 1)
            self.sent += 1
            self.ended.wait(self.pause)

    def stop(self):
        self.ended.set()
        self.thread.join()
        deadline = time.monotonic() + 20
        while len(self.acknowledged) < self.sent and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(self.acknowledged) == self.sent
        self.client.disconnect()
        self.client.loop_stop()


def once(messages):
    return list(dict.fromkeys(messages))


def replayed(plant, folder, readings, *more):
    """What an undisturbed manage publishes for these readings: {(topic, payload)}."""
    recording = folder / "recording.tsv"
    recording.write_bytes(b"".join(b"1777593600.000000000\t" + topic.encode() + b"\t" + payload + b"\n"
                                   for topic, payload in readings))
    out = plant("manage", "--bundle", "pump.bundle", "--replay", recording, *more, code=0).out
    return [tuple(line.split("\t", 1)) for line in out.splitlines()]


def published(listener):
    return [(topic, payload.decode()) for level in ("anomaly", "alert") for topic, payload in listener.payloads(level)]


def check(plant, folder, wire, listener):
    """Every reading that was acknowledged on the wire has exactly the messages of an undisturbed run."""
    readings = once(wire.acknowledged)
    expected = replayed(plant, folder, readings)
    got = published(listener)
    missing, foreign = set(expected) - set(got), set(got) - set(expected)
    assert not missing and not foreign, (len(missing), len(foreign), sorted(missing)[:2], sorted(foreign)[:2])
    ids = {json.loads(payload)["id"] for topic, payload in expected if "/anomaly/" in topic}
    assert len(ids) == len(readings)
    return len(got) - len(expected)  # repeats


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)


def killed_at_random_points(plant, broker, wire, listener, folder, *, kills, seed, more=()):
    points = random.Random(seed)
    arguments = ("manage", "--mqtt-url", wire.url, "--bundle", "pump.bundle", "--state-dir", folder / "state",
                 "--snapshot-every", "300ms", *more)
    kill(start_manage(plant, wire.url, listener, *arguments[3:]))  # from now on the broker keeps messages for it
    sender = Sender(broker.port, seed)
    for _ in range(kills):
        process = plant.start(*arguments)
        if points.random() < 0.3:
            time.sleep(points.uniform(0.02, 0.5))  # at times before it is ready
        else:
            enough = len(wire.acknowledged) + points.randrange(1, 400)
            wire.wait_for(lambda: len(wire.acknowledged) >= enough)
        kill(process)
    sender.stop()
    process = plant.start(*arguments)
    wire.wait_for(lambda: len(set(wire.acknowledged)) == sender.sent, 60)
    listener.wait_for(lambda: len({p for _, p in listener.payloads("anomaly")}) == sender.sent, 60)
    end(process)
    repeats = check(plant, folder, wire, listener)
    print(f"{kills} kills, {sender.sent} readings, {repeats} messages came twice")
    assert sender.sent > 20 * kills and repeats > 0  # or the kills missed what lies between sent and acknowledged


def test_killed_at_twenty_random_points(plant, broker, wire, listener, tmp_path):
    killed_at_random_points(plant, broker, wire, listener, tmp_path, kills=20, seed=11)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_killed_at_a_thousand_random_points(plant, broker, wire, listener, tmp_path):
    killed_at_random_points(plant, broker, wire, listener, tmp_path, kills=1000, seed=12)


def test_killed_with_durable(plant, broker, wire, listener, tmp_path):
    killed_at_random_points(plant, broker, wire, listener, tmp_path, kills=4, seed=13, more=("--durable",))
