"""A real Kafka on loopback (one node, KRaft), and what tests ask of it."""

import pathlib
import shutil
import subprocess
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from conftest import free_port, wait_for_port

JARS = pathlib.Path(sys.prefix) / "kafka/lib"


class Kafka:
    def __init__(self, folder):
        java = shutil.which("java")
        assert java and JARS.is_dir(), "no Kafka: run scripts/setup --test"
        self.folder, self.port, controller = folder, free_port(), free_port()
        folder.mkdir(parents=True)
        (folder / "server.properties").write_text(f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
controller.listener.names=CONTROLLER
log.dirs={folder}/logs
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
""")
        self.run = [java, "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{JARS}/*"]
        settings = str(folder / "server.properties")
        subprocess.run([*self.run, "kafka.tools.StorageTool", "format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", settings],
                       check=True, capture_output=True, timeout=120)
        with open(folder / "kafka.log", "wb") as log:
            self.process = subprocess.Popen([*self.run, "kafka.Kafka", settings], stdout=log, stderr=log)
        wait_for_port(self.port, self.process, 120)
        self.brokers = f"127.0.0.1:{self.port}"

    def stop(self):
        self.process.kill()  # an orderly end waits for clients that are still there
        self.process.wait(60)

    def make_topic(self, name, partitions):
        admin = AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})
        deadline = time.monotonic() + 60
        while True:
            try:
                admin.create_topics([NewTopic(name, partitions, 1)])[name].result(30)
                return
            except Exception:
                if time.monotonic() > deadline:
                    raise

    def producer(self):
        return Producer({"bootstrap.servers": self.brokers, "linger.ms": 2, "log_level": 0, "partitioner": "murmur2_random"})

    def reader(self, *topics):
        return Reader(self.brokers, topics)


class Reader:
    """Everything in some topics from the start on."""

    def __init__(self, brokers, topics):
        self.consumer = Consumer({"bootstrap.servers": brokers, "group.id": "reader", "log_level": 0, "enable.auto.commit": False,
                                  "auto.offset.reset": "earliest", "topic.metadata.refresh.interval.ms": 500})
        self.topics, self.messages, self.assigned = topics, [], set()

    def assign(self):
        known = self.consumer.list_topics(timeout=30).topics
        parts = {(topic, p) for topic in self.topics if topic in known for p in known[topic].partitions}
        for topic, p in parts - self.assigned:
            self.consumer.incremental_assign([TopicPartition(topic, p, 0)])
        self.assigned |= parts

    def wait_for(self, condition, seconds=60):
        """condition(messages as [(topic, key, value)])."""
        deadline, looked = time.monotonic() + seconds, 0
        while not condition(self.messages):
            if time.monotonic() - looked > 1:
                looked = time.monotonic()
                self.assign()
            assert time.monotonic() < deadline, f"{len(self.messages)} messages, the last {self.messages[-3:]}"
            if not self.assigned:
                time.sleep(0.1)
                continue
            for message in self.consumer.consume(500, 0.2):
                if not message.error():
                    self.messages.append((message.topic(), message.key().decode(), message.value().decode()))

    def close(self):
        self.consumer.close()
