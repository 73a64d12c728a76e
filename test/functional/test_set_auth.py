"""The secrets that set-auth writes, at a real broker with the settings of the composition: who may do what."""

import ssl
import subprocess
import threading

import paho.mqtt.client as mqtt
import pytest
from compose import broker_settings

ROLES = ("sensor", "manager", "telegraf")
LEVELS = ("sensor", "anomaly", "alert", "status", "maintenance")
MAY_WRITE = {"sensor": {"sensor"}, "manager": {"anomaly", "alert", "status"}, "telegraf": set()}
MAY_READ = {"sensor": set(), "manager": {"sensor", "maintenance"}, "telegraf": set(LEVELS)}


class Client:
    """An MQTT 5 client that waits for each answer."""

    def __init__(self, port, user, password=None, tls=None):
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        if user:
            self.client.username_pw_set(user, password)
        if tls:
            self.client.tls_set(**tls)
        self.changed, self.got, self.reasons = threading.Condition(), [], {}
        self.connected = None
        self.client.on_connect = lambda _c, _d, _f, reason, _p: self.note("connected", reason)
        self.client.on_message = lambda _c, _d, message: self.note(None, message)
        self.client.on_publish = lambda _c, _d, mid, reason, _p: self.note(mid, reason)
        self.client.on_subscribe = lambda _c, _d, mid, reasons, _p: self.note("subscribed", reasons)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.wait(lambda: "connected" in self.reasons)
        self.connected = not self.reasons["connected"].is_failure

    def note(self, key, value):
        with self.changed:
            if key is None:
                self.got.append((value.topic, value.payload.decode()))
            else:
                self.reasons[key] = value
            self.changed.notify_all()

    def wait(self, condition):
        with self.changed:
            assert self.changed.wait_for(condition, 20)

    def publish(self, topic, payload):
        """Whether the broker took it."""
        mid = self.client.publish(topic, payload, 1).mid
        self.wait(lambda: mid in self.reasons)
        return not self.reasons[mid].is_failure

    def subscribe(self, topic):
        self.client.subscribe(topic, 1)
        self.wait(lambda: "subscribed" in self.reasons)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def secrets(anomctl):
    anomctl("set-auth", "--generate", code=0)
    return anomctl.folder / "compose/secrets"


def composed(make_broker, secrets, tmp_path, name="mosquitto.conf"):
    (tmp_path / "data").mkdir(exist_ok=True)
    return make_broker(config=broker_settings(secrets, tmp_path / "data", name), anonymous=False)


def login(secrets, role):
    return tuple((secrets / f"mosquitto_{role}_{what}").read_text() for what in ("user", "pass"))


def test_who_may_read_and_write_what(secrets, make_broker, tmp_path):
    broker = composed(make_broker, secrets, tmp_path)
    clients = {role: Client(broker.port, *login(secrets, role)) for role in ROLES}
    for role, client in clients.items():
        assert client.connected
        client.subscribe("#")
    # A topic of another organisation is nobody's.
    for role, client in clients.items():
        wrote = {level for level in LEVELS if client.publish(f"windmill/{level}/blade", f"{role} {level}")}
        assert wrote == MAY_WRITE[role], role
        assert not client.publish("other/sensor/blade", "x") and not client.publish("windmill/sensor/blade/deep", "x")
    for role, client in clients.items():
        expected = {(f"windmill/{level}/blade", f"{writer} {level}") for writer in ROLES for level in MAY_WRITE[writer]
                    if level in MAY_READ[role]}
        client.wait(lambda: expected <= set(client.got))
        assert set(client.got) == expected, role
        client.close()


def test_nobody_else_comes_in(secrets, make_broker, tmp_path):
    broker = composed(make_broker, secrets, tmp_path)
    user, password = login(secrets, "sensor")
    for stranger in ((None, None), (user, "wrong"), ("nobody", password), (login(secrets, "manager")[0], password)):
        client = Client(broker.port, *stranger)
        assert not client.connected, stranger
        client.close()


def test_rotation_locks_the_old_passwords_out(anomctl, secrets, make_broker, tmp_path):
    before = {role: login(secrets, role) for role in ROLES}
    token = (secrets / "influxdb_token").read_text()
    assert "--rotate" in anomctl("set-auth", "--generate", code=2).err  # nothing is overwritten by chance
    anomctl("set-auth", "--rotate", code=0)
    assert (secrets / "influxdb_token").read_text() == token  # InfluxDB knows no other
    broker = composed(make_broker, secrets, tmp_path)
    for role in ROLES:
        assert login(secrets, role)[1] != before[role][1]
        for words, lets_in in ((login(secrets, role), True), (before[role], False)):
            client = Client(broker.port, *words)
            assert client.connected == lets_in
            client.close()


def test_certificates_of_its_own(anomctl, make_broker, tmp_path):
    anomctl("set-auth", "--generate", "--tls", "--tls-hosts", "plant.example", code=0)
    secrets = anomctl.folder / "compose/secrets"
    for path in secrets.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path
    shown = subprocess.run(["openssl", "x509", "-in", secrets / "tls_server.crt", "-noout", "-text"], check=True,
                           capture_output=True, text=True).stdout
    assert "DNS:plant.example" in shown and "IP Address:127.0.0.1" in shown and "CA:FALSE" in shown
    subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", secrets / "tls_ca.crt", secrets / "tls_server.crt",
                    secrets / "tls_sensor.crt"], check=True, capture_output=True)
    broker = composed(make_broker, secrets, tmp_path, "mosquitto-tls.conf")
    sensor = dict(ca_certs=secrets / "tls_ca.crt", certfile=secrets / "tls_sensor.crt", keyfile=secrets / "tls_sensor.key")
    client = Client(broker.port, None, tls=sensor)  # the certificate's name is the user
    assert client.connected and client.publish("windmill/sensor/blade", "1") and not client.publish("windmill/alert/blade", "1")
    client.close()
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        Client(broker.port, *login(secrets, "sensor"), tls=dict(ca_certs=secrets / "tls_ca.crt"))
    authority = (secrets / "tls_ca.crt").read_text()
    anomctl("set-auth", "--rotate", "--tls", code=0)
    assert (secrets / "tls_ca.crt").read_text() == authority  # clients trust it
    outcome = anomctl("generate", "--plant", "pump-loop", "--rows", "3", "--rate", "0", "--mqtt-url",
                      f"mqtts://127.0.0.1:{broker.port}", "--ca-file", secrets / "tls_ca.crt", "--cert-file",
                      secrets / "tls_sensor.crt", "--key-file", secrets / "tls_sensor.key", code=0)
    assert "3 acknowledged" in outcome.out
