"""Readings from a real Kafka, verdicts back to it, managers that come, go and are killed."""

import json
import random
import signal

import pytest
from kafka import Kafka
from streams import end, make_plant

ASSETS = tuple(f"blade-{i}" for i in range(9))
PARTITIONS = 4


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    it = Kafka(tmp_path_factory.mktemp("kafka") / "node")
    yield it
    it.stop()


@pytest.fixture(scope="module")
def plant(anomctl_in, tmp_path_factory):
    return make_plant(anomctl_in(tmp_path_factory.mktemp("plant")))


class Sender:
    """Rows of the assets in turn, a second of stamps apart; .sent lists (asset, payload)."""

    def __init__(self, kafka, org, seed):
        self.topic, self.producer, self.random, self.sent = f"{org}.sensor", kafka.producer(), random.Random(seed), []

    def send(self, rows):
        start = len(self.sent) // len(ASSETS)
        for row in range(start, start + rows):
            for asset in ASSETS:
                flow = self.random.gauss(0, 0.5)
                odd = 6 if row % 40 > 34 else 0  # an episode now and then
                stamp = f"2026-05-01T{row // 3600:02}:{row // 60 % 60:02}:{row % 60:02}Z"
                payload = json.dumps({"time": stamp, "flow": round(flow, 4), "power": round(2 * flow + odd, 4)})
                self.producer.produce(self.topic, payload, asset)
                self.sent.append((asset, payload))
        assert self.producer.flush(60) == 0


def replayed(plant, folder, org, readings):
    """What one undisturbed manager publishes: {(topic, asset, payload)}."""
    recording = folder / "recording.tsv"
    recording.write_text("".join(f"1777593600.000000000\t{org}/sensor/{asset}\t{payload}\n" for asset, payload in readings))
    out = plant("manage", "--bundle", "pump.bundle", "--topic-org", org, "--replay", recording, code=0).out
    messages = set()
    for line in out.splitlines():
        topic, payload = line.split("\t", 1)
        _, level, asset = topic.split("/", 2)
        messages.add((f"{org}.{level}", asset, payload))
    return messages


def judged(messages, org):
    return {message for message in messages if message[0] == f"{org}.anomaly"}


def start(plant, kafka, org, *more):
    process = plant.start("manage", "--bundle", "pump.bundle", "--topic-org", org, "--kafka-brokers", kafka.brokers,
                          "--kafka-session-timeout", "6s", "--snapshot-every", "300ms", *more)
    for line in process.stderr:
        if "judging" in line:
            return process
    raise AssertionError(process.communicate())


def test_a_killed_manager_is_taken_over(plant, kafka, tmp_path):
    org = "mill"
    kafka.make_topic(f"{org}.sensor", PARTITIONS)
    sender, reader = Sender(kafka, org, 1), kafka.reader("mill.anomaly", "mill.alert")
    more = ("--no-data-after", "0")
    first, second = start(plant, kafka, org, *more), start(plant, kafka, org, *more)
    running = []
    for process in (first, second):
        sender.send(60)
        reader.wait_for(lambda messages: len(judged(messages, org)) > len(sender.sent) // 2)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
        sender.send(20)
        running.append(start(plant, kafka, org, *more))
        sender.send(20)
        reader.wait_for(lambda messages: len(judged(messages, org)) == len(sender.sent))
    running.append(start(plant, kafka, org, *more))  # one more joins
    sender.send(20)
    end(running.pop(0))  # one is told to go
    sender.send(20)
    reader.wait_for(lambda messages: len(judged(messages, org)) == len(sender.sent))
    for process in running:
        end(process)
    expected = replayed(plant, tmp_path, org, sender.sent)
    reader.wait_for(lambda messages: len(set(messages)) >= len(expected))
    got = set(reader.messages)
    missing, foreign = expected - got, got - expected
    assert not missing and not foreign, (len(missing), len(foreign), sorted(missing)[:2], sorted(foreign)[:2])
    assert any(topic == "mill.alert" for topic, *_ in expected)
    reader.close()


def test_messages_without_use_are_counted(plant, kafka):
    org = "grove"
    kafka.make_topic(f"{org}.sensor", 1)
    producer, reader = kafka.producer(), kafka.reader("grove.anomaly", "grove.status")
    process = start(plant, kafka, org, "--topic-sensor", "+", "--json", "--client-id", "tree")
    producer.produce("grove.sensor", '{"flow": 1, "power": 2}')  # no key
    producer.produce("grove.sensor", '{"flow": 1, "power": 2}', "a\nb")
    producer.produce("grove.sensor", "hello", "leaf")
    producer.produce("grove.sensor", '{"flow": 1, "power": 2}', "leaf/of<b>")
    producer.flush(30)
    reader.wait_for(lambda messages: judged(messages, org))
    assert [asset for _, asset, _ in judged(reader.messages, org)] == ["leaf/of<b>"]
    reader.wait_for(lambda messages: any('"no_data"' in value for *_, value in messages))  # it falls silent
    counts = json.loads(end_result(process))
    assert counts["unreadable"] == 3 and counts["silent"] == 1 and counts["all_published"]
    reader.wait_for(lambda messages: ("grove.status", "tree", "stopped") in
                    {(topic, key, json.loads(value)["state"]) for topic, key, value in messages if topic == "grove.status"})
    reader.close()


def end_result(process):
    out = end(process)
    return out[out.index("{"):]


def test_what_does_not_go_with_kafka_is_refused(plant, kafka):
    def said(*arguments, code):
        return plant("manage", "--bundle", "pump.bundle", "--kafka-brokers", kafka.brokers, *arguments, code=code).err

    assert "excludes state-dir" in said("--state-dir", "s", code=2)
    assert "consumer group" in said("--shard", "0/2", code=2)
    assert "there is no topic nowhere.sensor" in said("--topic-org", "nowhere", "--connect-timeout", "1s", code=5)
    (plant.folder / "odd.conf").write_text("# ours\nsecurity.protocol=plaintext\nno.such.thing=1\n")
    assert "odd.conf:3" in said("--kafka-config", "odd.conf", code=2)
    silent = plant("manage", "--bundle", "pump.bundle", "--kafka-brokers", "127.0.0.1:9", "--connect-timeout", "1s", code=5)
    assert "127.0.0.1:9" in silent.err
