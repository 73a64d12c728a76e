"""The composition in containers, by the files of compose/ as they are: Compose v2 and an engine; their images are built
here, those of others stand in for a registry's."""

import csv
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest
import requests
from compose import COMPOSE
from conftest import free_port
from containers import Engine
from streams import make_plant

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]
STACK = pathlib.Path(sys.prefix) / "stack"
UID = 12345  # any user can run it: here one who is not root
CURL = "usr/bin/curl", "#!/usr/bin/dash\nexec /usr/bin/anomctl health --url \"$2health\"\n"
MAX_SIZE = {"manager": 60e6, "generator": 60e6, "detector": 120e6}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    if missing := Engine.missing():
        pytest.skip(missing)
    it = Engine(tmp_path_factory.mktemp("engine"))
    yield it
    it.stop()


@pytest.fixture(scope="module")
def plant(engine, anomctl_in, tmp_path_factory):
    """A plant with its images, and those that a registry has."""
    plant = make_plant(anomctl_in(tmp_path_factory.mktemp("plant")))
    plant("set-auth", "--generate", "--tls", code=0)
    shell, cat = "/bin/dash", "/bin/cat"
    engine.image("eclipse-mosquitto:2.0.20", ["/usr/sbin/mosquitto", "/usr/bin/mosquitto_sub", shell, cat],
                 {"bin/sh": "#!/usr/bin/dash\nexec /usr/bin/dash \"$@\"\n"})
    engine.image("telegraf:1.37", [STACK / "telegraf", plant.binary, shell], dict([CURL]))
    engine.image("influxdb:2.7", [STACK / "influxd", plant.binary, shell],
                 {"usr/bin/influx": "#!/usr/bin/dash\nexec /usr/bin/anomctl health --url \"$3/health\"\n"})
    plant("build-images", "all", "--bundle", "pump.bundle", "--repository", "test", code=0)
    return plant


def docker(*arguments):
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def inspect(image, what):
    return docker("image", "inspect", "--format", what, image).strip()


def test_images_are_small_and_built_alike(plant, tmp_path):
    sizes = {role: int(inspect(f"anomctl/test-{role}:latest", "{{.Size}}")) for role in MAX_SIZE}
    print({role: f"{size / 1e6:.1f} MB" for role, size in sizes.items()})
    assert all(sizes[role] < MAX_SIZE[role] for role in sizes), sizes
    # Without what the engine remembers of the first build.
    again = tmp_path / "engine"
    again.write_text('#!/bin/sh\nshift\nexec docker build --no-cache "$@"\n')
    again.chmod(0o755)
    plant("build-images", "all", "--bundle", "pump.bundle", "--repository", "again", "--engine", again, code=0)
    for role in ("base", *MAX_SIZE):
        one, other = (inspect(f"anomctl/{name}-{role}:latest", "{{json .RootFS.Layers}}") for name in ("test", "again"))
        assert one == other, role
    # Who is asked for a time of another zone knows it.
    table = tmp_path / "table"
    table.mkdir()
    table.chmod(0o755)
    (table / "t.csv").write_text("time,a\n" + "".join(f"2026-07-01 12:00:{second:02},{second}\n" for second in range(30)))
    said = docker("run", "--rm", "--volume", f"{table}:/in:ro", "anomctl/test-base:latest", "create-datasets", "--source",
                  "table", "--data", "/in/t.csv", "--timezone", "Europe/Berlin", "--name", "t", "--datasets-dir", "/tmp/sets",
                  "--json")
    assert json.loads(said)["name"] == "t"


class Up:
    """The composition with `settings` in its .env, until it is closed."""

    def __init__(self, plant, folder, **settings):
        self.folder = folder
        shutil.copytree(COMPOSE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("secrets", ".env"))
        shutil.copytree(plant.folder / "compose/secrets", folder / "secrets")
        for secret in (folder / "secrets").iterdir():
            os.chown(secret, UID, UID)
        ports = ("MQTT_PORT", "MQTTS_PORT", "INFLUXDB_PORT", "HTTP_PORT", "METRICS_PORT")
        self.env = {"ANOMCTL_UID": UID, "ANOMCTL_GID": UID, "REPOSITORY": "test", **{name: free_port() for name in ports},
                    **settings}
        text = (plant.folder / "compose/.env").read_text()
        for name in self.env:
            text = re.sub(rf"(?m)^{name}=.*\n", "", text)
        (folder / ".env").write_text(text + "".join(f"{name}={value}\n" for name, value in self.env.items()))
        found = plant("doctor", "--compose", "--compose-dir", folder, "--engine", "docker", "--json").json["findings"]
        missing = {name: one["missing"] for name, one in found.items() if one["state"] != "ok"}
        assert set(missing) <= {"compose"}, missing  # the plugin need not be installed: ours is called as a program
        self("up", "-d", "--wait", "--pull", "never")

    def __call__(self, *arguments):
        done = subprocess.run([STACK / "docker-compose", *arguments], cwd=self.folder, capture_output=True, text=True,
                              timeout=400)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:] + self.logs()
        return done.stdout

    def logs(self):
        return subprocess.run([STACK / "docker-compose", "logs", "--tail", "15"], cwd=self.folder, capture_output=True,
                              text=True, timeout=60).stdout

    def containers(self):
        return {one["Service"]: one for one in map(json.loads, self("ps", "--all", "--format", "json").splitlines())}

    def count(self, measurement, field):
        flux = (f'from(bucket: "sensors") |> range(start: 0) |> filter(fn: (r) => r._measurement == "{measurement}" and '
                f'r._field == "{field}") |> group() |> count()')
        token = (self.folder / "secrets/influxdb_token").read_text()
        answer = requests.post(f"http://127.0.0.1:{self.env['INFLUXDB_PORT']}/api/v2/query?org=windmill", data=flux,
                               timeout=10, headers={"Authorization": f"Token {token}",
                                                    "Content-Type": "application/vnd.flux"})
        rows = list(csv.DictReader(answer.text.splitlines()))
        return int(rows[0].get("_value") or 0) if rows else 0

    def wait_for(self, condition, seconds=180):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self("ps") + self.logs()
            time.sleep(0.5)

    def close(self):
        self("down", "-v")


# The file that a machine without a GPU is given beside those of compose/.
WITHOUT_GPU = "services:\n  detector-gpu:\n    deploy: !reset null\n"
VARIANTS = {
    "plain": ({"COMPOSE_PROFILES": "cpu"}, {"broker", "influxdb", "telegraf", "detector", "manager", "generate"}),
    "tls": ({"COMPOSE_PROFILES": "cpu", "COMPOSE_FILE": "docker-compose.yml:docker-compose.tls.yml"},
            {"broker", "influxdb", "telegraf", "detector", "manager", "generate"}),
    "edge": ({"COMPOSE_PROFILES": "edge"}, {"broker", "influxdb", "telegraf-edge", "manager-edge", "generate"}),
    "gpu": ({"COMPOSE_PROFILES": "gpu", "DEVICE": "cpu", "COMPOSE_FILE": "docker-compose.yml:without-gpu.yml"},
            {"broker", "influxdb", "telegraf", "detector-gpu", "manager", "generate"}),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_composition(plant, tmp_path, variant):
    settings, services = VARIANTS[variant]
    folder = tmp_path / "compose"
    folder.mkdir()
    (folder / "without-gpu.yml").write_text(WITHOUT_GPU)
    docker("tag", "anomctl/test-detector:latest", "anomctl/test-detector-cuda:latest")  # some GB that would do the same here
    up = Up(plant, folder, **settings)
    try:
        wanted = [("reading", "flow"), ("verdict", "is_anomaly")]
        if variant != "edge":
            wanted.append(("server", "model_infer_request_success_total"))
        up.wait_for(lambda: all(up.count(*series) >= 5 for series in wanted))
        # Each says itself that it is well.
        up.wait_for(lambda: all(one["Health"] == "healthy" for name, one in up.containers().items() if name in services))
        found = up.containers()
        assert set(found) == services | {"volumes", "influxdb-setup"}
        assert all(found[name]["ExitCode"] == 0 for name in ("volumes", "influxdb-setup"))
        ports = {port["TargetPort"] for port in found["broker"]["Publishers"] if port["PublishedPort"]}
        assert ports == ({8883} if variant == "tls" else {1883})
        for name in services:
            user = docker("inspect", "--format", "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}",
                          found[name]["Name"]).split()
            assert user == [f"{UID}:{UID}", "true", "[ALL]"], name
        complaints = [line for line in up("logs", "--no-color", "telegraf" + ("-edge" if variant == "edge" else "")).splitlines()
                      if " E! " in line and "detector" in line]
        assert variant != "edge" or not complaints, complaints
    finally:
        up.close()
