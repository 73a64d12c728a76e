"""What tests of streams share: a listener, a plant with a judged bundle, a manage that is ready."""

import csv
import json
import math
import random
import signal
import threading

import paho.mqtt.client as mqtt


class Listener:
    """Everything below an organisation's topics, as it arrives."""

    def __init__(self, port):
        self.messages, self.arrived = [], threading.Condition()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"listener-{port}", clean_session=False)
        self.client.reconnect_delay_set(1, 1)
        self.client.max_inflight_messages_set(1000)
        self.client.on_message = self.take
        self.client.on_connect = lambda client, *_: client.subscribe("windmill/#", 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def take(self, _client, _data, message):
        with self.arrived:
            self.messages.append((message.topic, message.payload))
            self.arrived.notify_all()

    def payloads(self, level):
        return [(topic, payload) for topic, payload in list(self.messages) if topic.split("/")[1] == level]

    def below(self, level):
        return [json.loads(payload) for _, payload in self.payloads(level)]

    def wait_for(self, condition, seconds=20):
        with self.arrived:
            assert self.arrived.wait_for(condition, seconds), [topic for topic, _ in self.messages][-20:]

    def send(self, payload, topic="windmill/sensor/blade"):
        self.client.publish(topic, payload, 1).wait_for_publish(10)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def make_plant(anomctl):
    """A data set of two related sensors with a judged bundle of the panel (needs no libtorch)."""
    noise = random.Random(3)
    with open(anomctl.folder / "pump.csv", "w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["time", "flow", "power", "fault"])
        for row in range(3000):
            odd = 2500 <= row < 2560
            flow = math.sin(row / 30) + 0.05 * noise.gauss(0, 1)
            table.writerow([f"2026-01-01T{row // 3600:02}:{row // 60 % 60:02}:{row % 60:02}Z", f"{flow:.5f}",
                            f"{2 * flow + 0.05 * noise.gauss(0, 1) + (4 if odd else 0):.5f}", int(odd)])
    anomctl("create-datasets", "--source", "table", "--data", "pump.csv", "--name", "pump", "--label-column", "fault",
            code=0)
    anomctl("train", "--kind", "panel", "--relation-epochs", "0", "--output", "pump.bundle", code=0)
    # A limit with room: these tests are about messages, not about how rare a score is.
    anomctl("evaluate", "--threshold", "2.1", code=0)
    anomctl("evaluate", "--bundle", "pump.bundle", "--dataset", "pump", "--threshold", "2.1", code=0)
    return anomctl


def start_manage(anomctl, url, listener, *more):
    listener.wait_for(lambda: True)
    before = sum(s["state"] == "ready" for s in listener.below("status"))
    process = anomctl.start("manage", "--mqtt-url", url, *more)
    listener.wait_for(lambda: sum(s["state"] == "ready" for s in listener.below("status")) > before)
    return process


def end(process, code=143):
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code, err
    return out
