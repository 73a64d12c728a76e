"""The secrets that set-auth writes, at a real broker with the settings of the composition: who may do what."""

import os
import signal
import ssl
import subprocess
import termios
import threading

import paho.mqtt.client as mqtt
import pytest
from compose import broker_settings

ROLES = ("sensor", "manager", "telegraf", "operator")
LEVELS = ("sensor", "anomaly", "alert", "status", "maintenance")
MAY_WRITE = {"sensor": {"sensor"}, "manager": {"anomaly", "alert", "status"}, "telegraf": set(),
             "operator": {"maintenance"}}
MAY_READ = {"sensor": set(), "manager": {"sensor", "maintenance"}, "telegraf": set(LEVELS),
            "operator": set(LEVELS)}


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
    anomctl("set-auth", "--generate", "--with-operator", code=0)
    return anomctl.folder / "compose/secrets"


def composed(make_broker, secrets, tmp_path, name="mosquitto.conf"):
    (tmp_path / "data").mkdir(exist_ok=True)
    return make_broker(config=broker_settings(secrets, tmp_path / "data", name), anonymous=False)


def login(secrets, role):
    return tuple((secrets / f"mosquitto_{role}_{what}").read_text() for what in ("user", "pass"))


def test_who_may_read_and_write_what(secrets, make_broker, tmp_path):
    broker = composed(make_broker, secrets, tmp_path)
    # The broker ends the connection of who writes what it may not.
    readers, writers = ({role: Client(broker.port, *login(secrets, role)) for role in ROLES} for _ in range(2))
    for reader in readers.values():
        assert reader.connected
        reader.subscribe("#")
    # A topic of another organisation is nobody's.
    for role, client in writers.items():
        wrote = {level for level in LEVELS if client.publish(f"windmill/{level}/blade", f"{role} {level}")}
        assert wrote == MAY_WRITE[role], role
        assert not client.publish("other/sensor/blade", "x") and not client.publish("windmill/sensor/blade/deep", "x")
        client.close()
    for role, client in readers.items():
        expected = {(f"windmill/{level}/blade", f"{writer} {level}") for writer in ROLES for level in MAY_WRITE[writer]
                    if level in MAY_READ[role]}
        client.wait(lambda: expected <= set(client.got))
        assert set(client.got) == expected, role
        client.close()


def test_a_sender_that_may_not_write_ends_at_once(anomctl, secrets, make_broker, tmp_path):
    broker = composed(make_broker, secrets, tmp_path)
    user, password = login(secrets, "sensor")
    outcome = anomctl("generate", "--plant", "pump-loop", "--rate", "10", "--loop", "--topic-org", "other", "--mqtt-url",
                      f"mqtt://127.0.0.1:{broker.port}", "--mqtt-user", user, "--mqtt-pass", password, code=1)
    assert outcome.err.count("the broker refuses readings: not authorized") == 1


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


def contents(secrets):
    return {path.name: path.read_text() for path in secrets.iterdir()}


def changed(before, after):
    return {name for name in after if before.get(name) != after[name]}


def environment(anomctl):
    lines = (anomctl.folder / "compose/.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


PASSWORDS = {"mosquitto_sensor_pass", "mosquitto_manager_pass", "mosquitto_telegraf_pass", "mosquitto_users"}


def test_what_is_there_is_kept_unless_it_is_meant(anomctl):
    secrets = anomctl.folder / "compose/secrets"
    anomctl("set-auth", "--generate", "--topic-org", "acme", "--mosquitto-sensor-user", "s1", "--tls", code=0)
    first = contents(secrets)
    assert "topic write acme/sensor/+" in first["mosquitto_acl"] and environment(anomctl)["ORG"] == "acme"
    anomctl("set-auth", "--rotate", code=0)
    assert changed(first, contents(secrets)) == PASSWORDS
    # New passwords may be given; InfluxDB's are its own.
    anomctl("set-auth", "--rotate", "--mosquitto_sensor_pass", "given-here-1234", code=0)
    assert contents(secrets)["mosquitto_sensor_pass"] == "given-here-1234"
    assert "InfluxDB changes" in anomctl("set-auth", "--rotate", "--influxdb-pass", "another-1234", code=2).err
    before = contents(secrets)
    outcome = anomctl("set-auth", "--topic-org", "mill", code=0)
    assert changed(before, contents(secrets)) == {"mosquitto_acl", "mosquitto_users"}  # the latter by its salt
    assert "influx org update" in outcome.err
    assert environment(anomctl)["ORG"] == "mill"
    before = contents(secrets)
    anomctl("set-auth", "--generate", "--tls", code=0)
    assert not changed(before, contents(secrets)) & {"mosquitto_sensor_pass", "tls_ca.crt", "influxdb_token", "mosquitto_acl"}
    assert "tls_server.crt" in changed(before, contents(secrets))
    before = contents(secrets)
    anomctl("set-auth", "--mosquitto-sensor-user", "s2", code=0)
    assert {"mosquitto_sensor_user", "tls_sensor.crt", "mosquitto_acl"} <= changed(before, contents(secrets))
    assert not changed(before, contents(secrets)) & {"tls_server.crt", "tls_ca.crt"}
    before = contents(secrets)
    assert "lets nobody in" not in anomctl("set-auth", "--force", "--generate", code=0).err
    assert PASSWORDS <= changed(before, contents(secrets))
    assert not changed(before, contents(secrets)) & {"influxdb_pass", "influxdb_token", "mosquitto_acl"}
    assert "lets nobody in" in anomctl("set-auth", "--force", "--generate", "--influxdb-pass", "a-new-one-1234", code=0).err
    assert "nothing to rotate" in anomctl("set-auth", "--rotate", "--output", "elsewhere", code=2).err
    assert not (anomctl.folder / "elsewhere").exists()


def test_an_operator_comes_when_asked_for_and_stays(anomctl):
    secrets = anomctl.folder / "compose/secrets"
    anomctl("set-auth", "--generate", "--tls", code=0)
    before = contents(secrets)
    assert not any("operator" in name + text for name, text in before.items())
    assert "no password for operator" in anomctl("set-auth", "--with-operator", code=2).err
    anomctl("set-auth", "--mosquitto-operator-pass", "given-here-1234", code=0)
    after = contents(secrets)
    assert after["mosquitto_operator_pass"] == "given-here-1234" and "tls_operator.crt" in after
    assert not changed(before, after) & {"mosquitto_sensor_pass", "mosquitto_manager_pass", "tls_ca.crt", "influxdb_pass"}
    anomctl("set-auth", "--rotate", code=0)
    assert contents(secrets)["mosquitto_operator_pass"] != "given-here-1234"
    assert "topic write windmill/maintenance/+" in contents(secrets)["mosquitto_acl"]
    assert "different user names" in anomctl("set-auth", "--mosquitto-operator-user", "telegraf", code=2).err
    assert "either" in anomctl("set-auth", "--without-operator", "--with-operator", code=2).err
    before = contents(secrets)
    anomctl("set-auth", "--without-operator", code=0)
    after = contents(secrets)
    assert not any("operator" in name + text for name, text in after.items() if not name.endswith((".crt", ".key")))
    assert "tls_operator.crt" not in after and changed(before, after) == {"mosquitto_acl", "mosquitto_users"}


def subject(certificate):
    return subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-subject"], check=True, capture_output=True,
                          text=True).stdout


def test_certificates_follow_the_users_and_the_authority_stays(anomctl):
    secrets = anomctl.folder / "compose/secrets"
    anomctl("set-auth", "--generate", "--tls", code=0)
    authority = (secrets / "tls_ca.crt").read_text()
    for how, user in (("--force", "s2"), ("--rotate", "s3")):
        anomctl("set-auth", how, "--generate", "--mosquitto-sensor-user", user, code=0)
        assert user in subject(secrets / "tls_sensor.crt") and (secrets / "tls_ca.crt").read_text() == authority
    # Its key may be kept elsewhere: nothing is signed without it, and nobody's certificate becomes worthless.
    key = (secrets / "tls_ca.key").read_text()
    (secrets / "tls_ca.key").unlink()
    before = contents(secrets)
    for more in (("--rotate", "--tls"), ("--generate", "--tls"), ("--with-operator", "--generate"),
                 ("--mosquitto-sensor-user", "s4")):
        assert "tls_ca.key is missing" in anomctl("set-auth", *more, code=2).err, more
    assert contents(secrets) == before
    anomctl("set-auth", "--rotate", code=0)
    (secrets / "tls_ca.key").write_text(key)
    anomctl("set-auth", "--with-operator", "--generate", code=0)
    assert "operator" in subject(secrets / "tls_operator.crt") and (secrets / "tls_ca.crt").read_text() == authority
    anomctl("set-auth", "--force", "--tls", "--generate", code=0)
    assert (secrets / "tls_ca.crt").read_text() != authority


def test_the_organisation_of_the_services_is_taken(anomctl):
    (anomctl.folder / "compose").mkdir()
    (anomctl.folder / "compose/.env").write_text("ORG=acme\nSENSOR=pump\n")
    anomctl("set-auth", "--generate", code=0)
    assert "topic write acme/sensor/+" in (anomctl.folder / "compose/secrets/mosquitto_acl").read_text()
    assert environment(anomctl)["SENSOR"] == "pump"


@pytest.mark.parametrize("line", ['ORG="acme"', "ORG='acme'", "ORG=acme # the plant", "export ORG=acme", "ORG=acme\r"])
def test_the_organisation_is_read_as_compose_does(anomctl, line):
    (anomctl.folder / "compose").mkdir()
    (anomctl.folder / "compose/.env").write_bytes(f"A='x y'\r\n{line}\nSENSOR=pump\n".encode())
    anomctl("set-auth", "--generate", code=0)
    assert "topic write acme/sensor/+\n" in (anomctl.folder / "compose/secrets/mosquitto_acl").read_text()
    text = (anomctl.folder / "compose/.env").read_text()
    assert text.startswith("A='x y'\nORG=acme\nSENSOR=pump\n"), text


@pytest.mark.parametrize("line", ["ORG=${PLANT}", 'ORG="a', "ORG", "ORG='a b'"])
def test_an_organisation_that_may_be_another_is_refused(anomctl, line):
    (anomctl.folder / "compose").mkdir()
    (anomctl.folder / "compose/.env").write_text(f"{line}\n")
    outcome = anomctl("set-auth", "--generate")
    assert outcome.code in (2, 4) and ("a b" in outcome.err or "compose/.env" in outcome.err), outcome
    assert not (anomctl.folder / "compose/secrets").exists()
    assert (anomctl.folder / "compose/.env").read_text() == f"{line}\n"


def test_an_organisation_has_one_name_everywhere(anomctl):
    for org in ("a$b", 'a"b', "a'b", "a\\b", "a\tb", "a b", "a/b", "a#b", "a+", "%u", "a\r"):
        assert "first part of a topic" in anomctl("set-auth", "--generate", "--topic-org", org, code=2).err, org
    assert not (anomctl.folder / "compose").exists()


@pytest.mark.parametrize("output", ["compose/secrets/", "compose/secrets/.", "./compose//secrets", "compose/x/../secrets"])
def test_env_lies_beside_the_folder_however_it_is_written(anomctl, output):
    anomctl("set-auth", "--generate", "--output", output, code=0)
    assert environment(anomctl)["ORG"] == "windmill"
    assert not list((anomctl.folder / "compose/secrets").glob(".env"))


def test_what_is_others_stays_theirs(anomctl):
    shared = anomctl.folder / "deep/shared"
    shared.mkdir(parents=True)
    (shared / "theirs").touch()
    shared.chmod(0o755)
    anomctl("set-auth", "--generate", "--output", shared, code=0)
    assert shared.stat().st_mode & 0o777 == 0o755
    anomctl("set-auth", "--generate", code=0)
    assert (anomctl.folder / "compose/secrets").stat().st_mode & 0o777 == 0o700


def test_a_password_is_one_line(anomctl):
    (anomctl.folder / "word").write_text("given-here\n-1234")
    assert "line end" in anomctl("set-auth", "--generate", "--mosquitto-sensor-pass-file", "word", code=2).err
    assert not (anomctl.folder / "compose").exists()


def test_env_stays_a_link_and_its_owners(anomctl):
    (anomctl.folder / "compose").mkdir()
    shared, env = anomctl.folder / "shared.env", anomctl.folder / "compose/.env"
    env.symlink_to(shared)
    assert "link to nothing" in anomctl("set-auth", "--generate", code=2).err
    owner = 12345 if os.getuid() == 0 else os.getuid()
    shared.write_text(f"ORG=acme\nANOMCTL_UID={owner}\nANOMCTL_GID={owner}\n")
    if os.getuid() == 0:
        os.chown(shared, owner, owner)
    anomctl("set-auth", "--generate", "--topic-org", "mill", code=0)
    assert env.is_symlink() and environment(anomctl)["ORG"] == "mill"
    assert shared.stat().st_uid == owner and shared.stat().st_mode & 0o777 == 0o600


def test_the_services_are_never_root(anomctl):
    """Brokers refuse to be root; others must not."""
    before = os.umask(0)
    try:
        anomctl("set-auth", "--generate", code=0)
    finally:
        os.umask(before)
    assert (anomctl.folder / "compose").stat().st_mode & 0o022 == 0
    user = int(environment(anomctl)["ANOMCTL_UID"])
    assert user == (os.getuid() or 10001)
    assert {path.stat().st_uid for path in (anomctl.folder / "compose/secrets").iterdir()} == {user}


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_prompt_can_be_left(anomctl, number, code):
    ours, theirs = os.openpty()
    process = subprocess.Popen([anomctl.binary, "set-auth"], cwd=anomctl.folder, stdin=theirs, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    said = b""
    while b"password for" not in said:
        said += os.read(process.stderr.fileno(), 1)
    assert not termios.tcgetattr(ours)[3] & termios.ECHO
    os.write(ours, b"half a word")
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code and b"stopped" in err, err
    assert termios.tcgetattr(ours)[3] & termios.ECHO
    os.close(ours)
    os.close(theirs)


def test_passwords_are_asked_for(anomctl):
    ours, theirs = os.openpty()
    process = subprocess.Popen([anomctl.binary, "set-auth"], cwd=anomctl.folder, stdin=theirs, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    os.write(ours, b"".join(2 * f"{who}-word-1234\n".encode() for who in ("sensor", "manager", "telegraf", "influx")))
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert (anomctl.folder / "compose/secrets/mosquitto_manager_pass").read_text() == "manager-word-1234"
    assert (anomctl.folder / "compose/secrets/influxdb_pass").read_text() == "influx-word-1234"
    os.close(ours)
    os.close(theirs)


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
    url = f"mqtts://127.0.0.1:{broker.port}"
    send = ("generate", "--plant", "pump-loop", "--rows", "1", "--mqtt-url", url, "--connect-timeout", "0.1")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "other.key", "-out", "other.crt",
                    "-subj", "/CN=other"], cwd=anomctl.folder, check=True, capture_output=True)
    trusts, shows = ("--ca-file", secrets / "tls_ca.crt"), ("--cert-file", secrets / "tls_sensor.crt", "--key-file")
    for flags, code, said in (((), 5, "not of an authority that we know"),
                              (("--ca-file", "other.crt"), 5, "not of an authority that we know"),
                              ((*trusts, *shows, "other.key"), 4, "other.key")):
        assert said in anomctl(*send, *flags, code=code).err
    authority = (secrets / "tls_ca.crt").read_text()
    anomctl("set-auth", "--rotate", "--tls", code=0)
    assert (secrets / "tls_ca.crt").read_text() == authority  # clients trust it
    outcome = anomctl("generate", "--plant", "pump-loop", "--rows", "3", "--rate", "0", "--mqtt-url",
                      f"mqtts://127.0.0.1:{broker.port}", "--ca-file", secrets / "tls_ca.crt", "--cert-file",
                      secrets / "tls_sensor.crt", "--key-file", secrets / "tls_sensor.key", code=0)
    assert "3 acknowledged" in outcome.out
