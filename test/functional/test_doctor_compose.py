"""`anomctl doctor --compose`: what a folder of the composition lacks before it is started."""

import re
import shutil
import socket

import pytest
from compose import COMPOSE
from streams import make_plant


@pytest.fixture
def plant(anomctl):
    """A folder with the files of compose/ and their secrets."""
    make_plant(anomctl)
    anomctl("set-auth", "--generate", code=0)
    shutil.copytree(COMPOSE, anomctl.folder / "compose", dirs_exist_ok=True)
    return anomctl


def test_doctor_says_what_the_composition_lacks(plant):
    found = plant("doctor", "--compose", "--engine", "no-such-engine", "--json", code=1).json["findings"]
    assert {name: one["state"] for name, one in found.items()} == {
        "settings": "ok", "secrets": "ok", "ports": "ok", "engine": "missing"}
    env = plant.folder / "compose/.env"
    good = env.read_text()
    for line, complaint in (("ANOMCTL_UID=0", "refuses to be root"), ("THRESHOLD=abc", "THRESHOLD: expected a number"),
                            ("ORG=acme", "--topic-org"), ("COMPOSE_PROFILES=", "none of cpu, gpu, edge"),
                            ("ANOMCTL_UID=abc", "ANOMCTL_UID: expected"), ("RETENTION=5m", "hour"),
                            ("RETENTION=forever", "RETENTION: expected"), ("SENSOR=a/b", "SENSOR")):
        env.write_text(f"{good}{line}\n")
        found = plant("doctor", "--compose", "--engine", "no-such-engine", "--json", code=1).json["findings"]
        assert complaint in " ".join(found["settings"]["missing"]), (line, found["settings"])
    # With TLS it is other files, and other ports.
    env.write_text(f"{good}COMPOSE_FILE=docker-compose.yml:docker-compose.tls.yml\n")
    found = plant("doctor", "--compose", "--engine", "no-such-engine", "--json", code=1).json["findings"]
    assert "compose/secrets/tls_server.key" in found["secrets"]["missing"] and len(found["secrets"]["missing"]) == 9
    plant("set-auth", "--tls", code=0)
    found = plant("doctor", "--compose", "--engine", "no-such-engine", "--json", code=1).json["findings"]
    assert found["secrets"]["state"] == "ok"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for name, state in (("MQTT_PORT", "ok"), ("MQTTS_PORT", "missing")):
            env.write_text(re.sub(rf"(?m)^{name}=.*$", f"{name}={port}", good) +
                           "COMPOSE_FILE=docker-compose.yml:docker-compose.tls.yml\n")
            found = plant("doctor", "--compose", "--engine", "no-such-engine", "--json", code=1).json["findings"]
            assert found["ports"]["state"] == state, found["ports"]
    # Files that Compose takes by itself, or by another sign.
    env.write_text(f"{good}COMPOSE_FILE=\n")
    assert plant("doctor", "--compose", "--engine", "none", "--json", code=1).json["findings"]["secrets"]["state"] == "ok"
    (plant.folder / "compose/docker-compose.override.yml").write_text("secrets:\n  x: { file: ./secrets/x }\n")
    for line, missing in (("", ["compose/secrets/x"]), ("COMPOSE_FILE=docker-compose.yml", []),
                          ("COMPOSE_PATH_SEPARATOR=,\nCOMPOSE_FILE=docker-compose.yml,docker-compose.override.yml",
                           ["compose/secrets/x"])):
        env.write_text(f"{good}{line}\n")
        found = plant("doctor", "--compose", "--engine", "none", "--json", code=1).json["findings"]
        assert found["secrets"]["missing"] == missing, line
    env.write_text(f"{good}COMPOSE_FILE=docker-compose.yml:other.yml\n")
    assert "other.yml" in plant("doctor", "--compose", "--engine", "no-such-engine", code=1).out
    (plant.folder / "compose/docker-compose.override.yml").unlink()
    env.write_text(f"{good}HTTP_PORT=8082\nANOMCTL_UID=4242\n")
    found = plant("doctor", "--compose", "--engine", "none", "--json", code=1).json["findings"]
    assert "8082 is wanted twice" in found["ports"]["missing"]
    assert len(found["secrets"]["missing"]) == 11 and "run as 4242" in found["secrets"]["missing"][0]
    env.write_text(good)
    (plant.folder / "compose/secrets/influxdb_token").unlink()
    (plant.folder / "compose/secrets/mosquitto_acl").chmod(0o644)
    found = plant("doctor", "--compose", "--engine", "no-such-engine", "--json", code=1).json["findings"]
    assert found["secrets"]["missing"] == ["compose/secrets/influxdb_token",
                                           "compose/secrets/mosquitto_acl may be read by others"]


def test_doctor_reads_env_as_compose_does(plant):
    env = plant.folder / "compose/.env"
    good = env.read_text()

    def settings():
        return plant("doctor", "--compose", "--engine", "no-such-engine", "--json", code=1).json["findings"]["settings"]

    env.write_text(re.sub("(?m)^(ORG|COMPOSE_PROFILES)=(.*)$", r'export \1="\2" # note', good).replace("\n", "\r\n"))
    assert settings()["state"] == "ok", settings()
    for line, complaint in (("ORG=${PLANT}", "ORG"), ("COMPOSE_PROFILES=$P", "COMPOSE_PROFILES"), ('OTHER="a', "quotes")):
        env.write_text(f"{good}{line}\n")
        assert complaint in settings()["missing"][0] and "compose/.env" in settings()["missing"][0]
    env.write_text(f"{good}OTHER=$P\n")
    assert settings()["state"] == "ok"
    found = plant("doctor", "--compose", "--engine", "none", "--json", env={"COMPOSE_PROFILES": "x", "ORG": "y"}).json
    assert len(found["findings"]["settings"]["missing"]) == 2


def test_doctor_knows_what_runs_already(plant, tmp_path):
    env, engine = plant.folder / "compose/.env", tmp_path / "engine"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with open(env, "a") as file:
            file.write(f"MQTT_PORT={port}\n")

        def findings(services):
            lines = "\n".join(services)
            engine.write_text(f"#!/bin/sh\n[ $1 != ps ] || case $3 in *=anomctl) cat <<END\n{lines}\nEND\nesac\n")
            engine.chmod(0o755)
            return plant("doctor", "--compose", "--engine", engine, "--json").json["findings"]

        broker = f"broker 127.0.0.1:{port}->1883/tcp"
        assert f"{port} is in use" in findings(["influxdb "])["ports"]["missing"]
        found = findings([broker, "influxdb ", "telegraf "])
        assert found["ports"]["state"] == "ok" and "running" not in found, found
        with open(env, "a") as file:
            file.write("COMPOSE_PROFILES=edge\n")
        found = findings([broker, "manager ", "telegraf-edge "])
        assert len(found["running"]["missing"]) == 1 and "manager" in found["running"]["missing"][0]
        assert "down" in plant("doctor", "--compose", "--engine", engine, code=1).out


@pytest.mark.parametrize("version, tls, fine", [("1.29.2", False, False), ("2.24.0", False, True), ("v5.0", False, True),
                                                ("2.24.3", True, False), ("2.24.4", True, True), ("v2.40.3", True, True)])
def test_doctor_wants_a_compose_that_knows_the_file(plant, tmp_path, version, tls, fine):
    if tls:
        with open(plant.folder / "compose/.env", "a") as env:
            env.write("COMPOSE_FILE=docker-compose.yml:docker-compose.tls.yml\n")
    for name, script in (("engine", "test $1 = version || test $1 = image"), ("engine-compose", f"echo {version}")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    found = plant("doctor", "--compose", "--engine", tmp_path / "engine", "--json").json["findings"]
    assert found["engine"]["state"] == "ok" and ("compose" in found) != fine, found


@pytest.mark.parametrize("profile, ours", [("cpu", "detector"), ("gpu", "detector-cuda"), ("edge", "detector")])
@pytest.mark.parametrize("tls", [False, True])
def test_doctor_asks_for_the_images_of_the_profile(plant, tmp_path, profile, ours, tls):
    with open(plant.folder / "compose/.env", "a") as env:
        env.write(f"COMPOSE_PROFILES={profile}\n" + "COMPOSE_FILE=docker-compose.yml:docker-compose.tls.yml\n" * tls)
    (tmp_path / "engine").write_text("#!/bin/sh\ntest $1 = version || test $1 = compose && echo 2.40.3\n")
    (tmp_path / "engine").chmod(0o755)
    found = plant("doctor", "--compose", "--engine", tmp_path / "engine", "--json").json["findings"]
    assert set(found["images"]["missing"]) == {
        "eclipse-mosquitto:2.0.20", "influxdb:2.7", "telegraf:1.37",
        *(f"anomctl/anomctl-{role}:latest" for role in ("manager", "generator", ours))}, found["images"]
