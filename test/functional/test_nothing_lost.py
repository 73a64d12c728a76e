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
from bundles import make_bundle
from conftest import REPOSITORY, wait_for_port
from mqtt_wire import Wire
from streams import Listener, end, start_manage

ASSETS = ("blade-0", "blade-1", "blade-2")


class Sender:
    """Publishes rows of the three assets in turn, a second of stamps apart, until told to stop. After its connection broke
    it waits until the broker has all it sent before: paho sends what is published while it connects ahead of what it
    sends again, and a reading behind one that is minutes ahead is late, not lost."""

    def __init__(self, port, seed, pause=0.006):
        self.sent, self.random, self.ended, self.pause = 0, random.Random(seed), threading.Event(), pause
        self.acknowledged, self.broken = 0, False  # counted: numbers of messages begin anew after 65,535
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"sender-{port}", clean_session=False)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_publish = self.count
        self.client.on_disconnect = self.break_off
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def count(self, *_):
        self.acknowledged += 1

    def break_off(self, *_):
        self.broken = True

    def run(self):
        while not self.ended.is_set():
            if self.broken:
                if self.acknowledged < self.sent:
                    self.ended.wait(self.pause)
                    continue
                self.broken = False
            row, asset = divmod(self.sent, len(ASSETS))
            flow = self.random.gauss(0, 0.5)
            odd = 6 if row % 90 > 80 else 0  # an episode now and then
            stamp = f"2026-05-01T{row // 3600:02}:{row // 60 % 60:02}:{row % 60:02}Z"
            payload = json.dumps({"time": stamp, "flow": round(flow, 4), "power": round(2 * flow + odd, 4)})
            self.client.publish(f"windmill/sensor/{ASSETS[asset]}", payload, 1)
            self.sent += 1
            self.ended.wait(self.pause)

    def stop(self):
        """Ends once the broker has acknowledged all."""
        self.ended.set()
        self.thread.join()
        deadline = time.monotonic() + 20
        while self.acknowledged < self.sent and time.monotonic() < deadline:
            time.sleep(0.02)
        assert self.acknowledged == self.sent
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


def check(plant, folder, readings, listener, *more, late=0):
    """Every one of these readings, acknowledged on the wire, has exactly the messages of an undisturbed run; `late` of
    them have no verdict."""
    expected = replayed(plant, folder, readings, *more)
    got = published(listener)
    missing, foreign = set(expected) - set(got), set(got) - set(expected)
    assert not missing and not foreign, (len(missing), len(foreign), sorted(missing)[:2], sorted(foreign)[:2])
    ids = {json.loads(payload)["id"] for topic, payload in expected if "/anomaly/" in topic}
    assert len(ids) == len(readings) - late
    return len(got) - len(expected)  # repeats


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)


def killed_at_random_points(plant, broker, wire, listener, folder, *, kills, seed, more=()):
    points = random.Random(seed)
    arguments = ("manage", "--mqtt-url", wire.url, "--bundle", "pump.bundle", "--state-dir", folder / "state",
                 "--snapshot-every", "300ms", "--no-data-after", "0", *more)  # silence is no reading's
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
    # Looked at now and then: a look at each of the last messages takes long after a thousand kills.
    deadline = time.monotonic() + 60 + kills / 5
    while len({p for _, p in listener.payloads("anomaly")}) < sender.sent and time.monotonic() < deadline:
        time.sleep(0.2)
    end(process)
    repeats = check(plant, folder, once(wire.acknowledged), listener)
    print(f"{kills} kills, {sender.sent} readings, {repeats} messages came twice")
    assert sender.sent > 20 * kills
    # Many kills that all missed what lies between sent and acknowledged would prove nothing; a few may miss it by chance.
    assert repeats > 0 or kills < 20


def test_killed_at_twenty_random_points(plant, broker, wire, listener, tmp_path):
    killed_at_random_points(plant, broker, wire, listener, tmp_path, kills=20, seed=11)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_killed_at_a_thousand_random_points(plant, broker, wire, listener, tmp_path):
    killed_at_random_points(plant, broker, wire, listener, tmp_path, kills=1000, seed=12)


def test_killed_with_mqtt_3(plant, broker, wire, listener, tmp_path):
    killed_at_random_points(plant, broker, wire, listener, tmp_path, kills=6, seed=14, more=("--mqtt-version", "3.1.1"))
    assert set(wire.versions) == {4}


def test_killed_with_durable(plant, broker, wire, listener, tmp_path):
    killed_at_random_points(plant, broker, wire, listener, tmp_path, kills=4, seed=13, more=("--durable",))


@pytest.fixture
def composed_broker(make_broker, tmp_path):
    """A broker with the settings of the composition, but for its paths, port and users."""
    ours = ("listener", "allow_anonymous", "password_file", "acl_file", "per_listener_settings", "#", "persistence_location")
    lines = [line for line in (REPOSITORY / "compose/mosquitto.conf").read_text().splitlines()
             if not line.startswith(ours)]
    (tmp_path / "data").mkdir()
    return make_broker(config=[*lines, f"persistence_location {tmp_path}/data/"])


def test_broker_restarts_under_load(plant, composed_broker, tmp_path):
    broker, wire = composed_broker, Wire(composed_broker.port)
    listener = Listener(broker.port)
    # This mosquitto, come back, at times sends one message ahead of those it queued: with few in the queue it is ahead
    # by less than the gap unless set.
    gap = ("--max-gap", "1s")
    process = start_manage(plant, wire.url, listener, "--bundle", "pump.bundle", "--state-dir", tmp_path / "state", *gap)
    sender = Sender(broker.port, 21)
    for _ in range(3):
        enough = len(wire.acknowledged) + 100
        wire.wait_for(lambda: len(wire.acknowledged) >= enough)
        broker.stop()
        broker.start()
    sender.stop()
    wire.wait_for(lambda: len(set(wire.acknowledged)) == sender.sent, 60)
    listener.wait_for(lambda: len({p for _, p in listener.payloads("anomaly")}) == sender.sent, 60)
    end(process)
    check(plant, tmp_path, once(wire.acknowledged), listener, *gap)
    assert wire.clients.count("manage-windmill-blade") == 4
    listener.close()
    wire.close()


def test_what_a_killed_broker_had_not_saved_is_counted(plant, composed_broker, tmp_path):
    broker, wire = composed_broker, Wire(composed_broker.port)
    listener = Listener(broker.port)
    arguments = ("--bundle", "pump.bundle", "--state-dir", tmp_path / "state")
    process = start_manage(plant, wire.url, listener, *arguments)
    broker.process.send_signal(signal.SIGUSR1)  # it saves now: it is to remember the two sessions
    sender = Sender(broker.port, 22)
    wire.wait_for(lambda: len(wire.acknowledged) >= 100)
    kill(process)
    queued_for = sender.sent + 200
    while sender.sent < queued_for:  # the broker keeps these for manage, and has not saved the last of them
        time.sleep(0.01)
    broker.kill()
    broker.start()
    process = start_manage(plant, wire.url, listener, *arguments, "--json")
    enough = len(wire.acknowledged) + 100
    wire.wait_for(lambda: len(wire.acknowledged) >= enough)
    sender.stop()
    settled = [-1]
    while settled[-1] != len(wire.acknowledged):
        settled.append(len(wire.acknowledged))
        time.sleep(0.5)
    listener.wait_for(lambda: {p for _, p in listener.payloads("anomaly")} >=
                      {p for t, p in wire.taken if "/anomaly/" in t}, 60)
    said = json.loads(end(process))
    # One that manage had stored when it was killed need not have been acknowledged.
    missing = sender.sent - len({p for t, p in wire.taken if "/anomaly/" in t})
    print(f"{sender.sent} readings sent and acknowledged by the broker, {missing} never delivered, said: {said}")
    # New readings may come ahead of those that the broker kept: these are late then, and were counted as missing.
    late = said["late"] + said["set_back"]
    assert missing > 0 and (said["missing"] == missing or late > 0 and missing <= said["missing"] <= missing + 2 * late)
    # One that manage had stored and not yet acknowledged when it was killed has its verdict, and the broker forgot it.
    judged = {(topic.rsplit("/", 1)[1], json.loads(payload)["time"]) for topic, payload in listener.payloads("anomaly")}
    kept = set(wire.acknowledged) | {(topic, payload) for topic, payload in wire.delivered
                                     if (topic.rsplit("/", 1)[1], json.loads(payload)["time"]) in judged}
    check(plant, tmp_path, [message for message in once(wire.delivered) if message in kept], listener, late=said["late"])
    listener.close()
    wire.close()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_subscribes_again_at_a_broker_that_forgot_it(plant, broker, wire, listener, version):
    process = start_manage(plant, wire.url, listener, "--bundle", "pump.bundle", "--mqtt-version", version)
    for round in range(2):
        listener.wait_for(lambda: listener.client.is_connected())
        broker.stop()
        broker.start()  # without persistence: no session, no subscription is left
        wire.wait_for(lambda: wire.clients.count("manage-windmill-blade") == round + 2)
        listener.wait_for(lambda: listener.client.is_connected())
        heard = len(listener.below("anomaly"))
        row = 0
        while len(listener.below("anomaly")) == heard and row < 400:  # until the subscription is back
            listener.send(json.dumps({"time": f"2026-06-0{round + 1}T00:{row // 60:02}:{row % 60:02}Z", "flow": 1, "power": 2}))
            row += 1
            time.sleep(0.05)
        assert len(listener.below("anomaly")) > heard
    end(process)


def test_a_full_disk_acknowledges_nothing(plant, broker, wire, listener, tmp_path):
    state = tmp_path / "state"
    arguments = ("--bundle", "pump.bundle", "--state-dir", state, "--drain-timeout", "2s")
    process = start_manage(plant, wire.url, listener, *arguments)
    sender = Sender(broker.port, 23)
    wire.wait_for(lambda: len(wire.acknowledged) >= 100)

    def limit(more):
        # Files may grow by as much and no more, as on a disk with as much room.
        size = max((state / name).stat().st_size for name in ("readings.spool-wal", "verdicts.spool-wal"))
        hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard if more is None else max(size + more, 0), hard))

    def nothing_is_acknowledged():
        acknowledged, sent = len(wire.acknowledged), sender.sent
        while sender.sent < sent + 100:
            time.sleep(0.01)
        assert len(wire.acknowledged) == acknowledged

    limit(6_000_000)  # little room: readings are held back in time
    listener.wait_for(lambda: any(s["state"] == "not_storing" for s in listener.below("status")))
    assert "room" in listener.below("status")[-1]["reason"]
    nothing_is_acknowledged()
    limit(None)
    listener.wait_for(lambda: listener.below("status")[-1]["state"] == "ready")
    enough = len(wire.acknowledged) + 100
    wire.wait_for(lambda: len(wire.acknowledged) >= enough)

    limit(-10_000_000)  # none at all from one moment to the next, and stopped so
    time.sleep(0.3)
    nothing_is_acknowledged()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "must not be acknowledged" in err, err
    process = start_manage(plant, wire.url, listener, *arguments)
    sender.stop()
    wire.wait_for(lambda: len(set(wire.acknowledged)) == sender.sent, 60)
    listener.wait_for(lambda: len({p for _, p in listener.payloads("anomaly")}) == sender.sent, 60)
    end(process)
    check(plant, tmp_path, once(wire.acknowledged), listener)


def test_flipped_bits_are_survived_and_counted(plant, broker, wire, listener, tmp_path):
    state, dice = tmp_path / "state", random.Random(24)
    arguments = ("--bundle", "pump.bundle", "--state-dir", state, "--json")
    lost, flips = 0, 0
    kill(start_manage(plant, wire.url, listener, *arguments))
    sender = Sender(broker.port, 24)
    for round in range(6):
        process = start_manage(plant, wire.url, listener, *arguments)
        enough = len(wire.acknowledged) + dice.randrange(50, 250)
        wire.wait_for(lambda: len(wire.acknowledged) >= enough)
        kill(process)
        for path in sorted(state.glob("*.spool*")):
            if path.suffix == ".damaged" or path.stat().st_size == 0 or round == 0:
                continue
            with open(path, "r+b") as file:
                at = dice.randrange(path.stat().st_size)
                file.seek(at)
                byte = file.read(1)[0] ^ 1 << dice.randrange(8)
                file.seek(at)
                file.write(bytes([byte]))
                flips += 1
        process = start_manage(plant, wire.url, listener, *arguments)
        said = json.loads(end(process))
        lost += said["lost"]
    sender.stop()
    process = start_manage(plant, wire.url, listener, *arguments)
    wire.wait_for(lambda: len(set(wire.acknowledged)) == sender.sent, 60)
    readings = once(wire.acknowledged)
    expected = {json.loads(p)["id"] for t, p in replayed(plant, tmp_path, readings) if "/anomaly/" in t}
    listener.wait_for(lambda: len(expected - {v["id"] for v in listener.below("anomaly")}) <= lost, 60)
    end(process)
    missing = expected - {v["id"] for v in listener.below("anomaly")}
    print(f"{flips} bits flipped, {len(readings)} readings, {len(missing)} without a verdict, {lost} said to be lost")
    assert flips >= 10 and {v["id"] for v in listener.below("anomaly")} <= expected


def test_a_recording_gives_the_live_verdicts_byte_for_byte(plant, broker, listener, tmp_path):
    bundle = make_bundle(plant, tmp_path / "net.bundle", sensors=3, window=8, threshold=0.5)
    dice, recording = random.Random(25), tmp_path / "recording.tsv"
    process = start_manage(plant, broker.url, listener, "--bundle", bundle, "--record", recording)
    for row in range(150):
        values = [round(dice.gauss(0, 1), 3) for _ in range(3)]
        listener.send(json.dumps(values), "windmill/sensor/blade-1")  # without a stamp: the time of arrival counts
        listener.send(json.dumps({"time": f"2026-06-01T00:{row // 60:02}:{row % 60:02}Z", "values": values}),
                      "windmill/sensor/blade-2")
    listener.send("not a reading\n\x01", "windmill/sensor/blade-1")
    listener.wait_for(lambda: len(listener.below("anomaly")) == 300)
    end(process)
    out = plant("manage", "--bundle", bundle, "--replay", recording, code=0).out
    assert [tuple(line.split("\t", 1)) for line in out.splitlines()] == \
        [(t, p.decode()) for t, p in listener.messages if t.split("/")[1] in ("anomaly", "alert")]
    assert sum("score" in v for v in listener.below("anomaly")) > 250
    recording.write_text(recording.read_text() + "nonsense\n")
    assert "line 302" in plant("manage", "--bundle", bundle, "--replay", recording, code=4).err
    plant("manage", "--bundle", bundle, "--replay", recording, "--state-dir", "state", code=2)


def test_readings_wait_on_disk_while_the_server_is_away(plant, broker, wire, listener, free_port, tmp_path):
    bundle, port = make_bundle(plant, tmp_path / "net.bundle", sensors=2, window=4, threshold=0.5), free_port()

    def start_server():
        process = plant.start("serve", "--bundle", bundle, "--http-port", port, "--metrics-port", "0")
        wait_for_port(port, process)
        return process

    server = start_server()
    arguments = ("--server-url", f"http://127.0.0.1:{port}", "--state-dir", tmp_path / "state")
    process = start_manage(plant, wire.url, listener, *arguments)
    kill(server)

    def send(rows):
        for row in rows:
            listener.send(f'{{"time":"2026-06-01T00:{row // 60:02}:{row % 60:02}Z","values":[{row % 7},{row % 5}]}}')

    send(range(60))
    wire.wait_for(lambda: len(set(wire.acknowledged)) == 60)
    kill(process)
    server = start_server()
    process = start_manage(plant, wire.url, listener, *arguments)
    send(range(60, 80))
    listener.wait_for(lambda: len({v["id"] for v in listener.below("anomaly")}) == 80)
    end(process)
    verdicts = list({v["id"]: v for v in listener.below("anomaly")}.values())  # by id: some may come twice
    assert [v["time"] for v in verdicts] == sorted(v["time"] for v in verdicts)
    assert sum("score" in v for v in verdicts) == 80 - 4
    kill(server)
