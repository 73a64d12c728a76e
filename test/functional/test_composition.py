"""The composition: its own files, run by the real daemons without containers, and by a container engine."""

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
import yaml
from compose import COMPOSE, Composition, broker_settings, read_compose
from conftest import REPOSITORY, free_port, wait_for_port
from streams import make_plant

STACK = pathlib.Path(sys.prefix) / "stack"
ROWS = 400


@pytest.fixture
def plant(anomctl):
    make_plant(anomctl)
    anomctl("set-auth", "--generate", code=0)
    return anomctl


class Daemons:
    """mosquitto, influxd, telegraf, serve, manage and generate with the settings of compose/, each by its name."""

    def __init__(self, plant, make_broker, folder):
        self.plant, self.folder, self.running = plant, folder, {}
        self.secrets = plant.folder / "compose/secrets"
        for name in ("broker-data", "influx", "state"):
            (folder / name).mkdir(parents=True)
        self.broker = make_broker(config=broker_settings(self.secrets, folder / "broker-data"), anonymous=False)
        self.ports = {name: free_port() for name in ("influxdb", "detector", "metrics")}
        local = "127.0.0.1:{}".format
        self.files = Composition({
            "broker:1883": local(self.broker.port), "influxdb:8086": local(self.ports["influxdb"]),
            "detector:8080": local(self.ports["detector"]), "detector:8082": local(self.ports["metrics"]),
            "/run/secrets": self.secrets, "/state": folder / "state", "/bundle": plant.folder / "pump.bundle",
            "/datasets": plant.folder / "datasets", "@DATASET@": "pump", "/data/": f"{folder}/influx/",
            "/etc/telegraf": folder, "0.0.0.0": "127.0.0.1"})
        store = '[[secretstores.docker]]\n  id = "docker"\n'
        text = (COMPOSE / "telegraf.conf").read_text()
        assert store in text
        text = text.replace(store, f'{store}  path = "{self.secrets}"\n').replace(":8094", f":{free_port()}")
        (folder / "telegraf.conf").write_text(text)
        shutil.copy(COMPOSE / "telegraf-server.conf", folder)

    def anomctl(self, service, image, *more):
        self.running[service] = self.plant.start(*self.files.command(service, image), *more,
                                                 env=self.files.environment(service))

    def other(self, service, *more):
        command = self.files.command(service)
        env = {**os.environ, **self.files.environment(service)}
        with open(self.folder / f"{service}.log", "ab") as log:
            self.running[service] = subprocess.Popen([STACK / command[0], *command[1:], *more], stdout=log, stderr=log,
                                                     env=env)

    def start(self, service):
        if service == "broker":
            self.broker.start()
        elif service == "influxdb":
            self.other(service, "--http-bind-address", f"127.0.0.1:{self.ports['influxdb']}")
            wait_for_port(self.ports["influxdb"], self.running[service], 60)
        elif service == "telegraf":
            self.other(service)
        elif service == "detector":
            self.anomctl(service, "detector", "--http-port", self.ports["detector"], "--metrics-port", self.ports["metrics"])
            wait_for_port(self.ports["detector"], self.running[service])
        elif service == "manager":
            self.anomctl(service, "manager")
            for line in self.running[service].stdout:
                if line.startswith("ready"):
                    return

    def stop(self, service):
        if service == "broker":
            return self.broker.stop()
        process = self.running.pop(service)
        process.terminate()
        process.wait(60)

    def set_up(self):
        return self.plant(*self.files.command("influxdb-setup"), "--json", env=self.files.environment("influxdb-setup"),
                          code=0).json

    def generate(self, *more):
        command = [word for word in self.files.command("generate", "generator") if word not in ("--loop", "--speed", "1")]
        return self.plant.start(*command, *more, env=self.files.environment("generate"))

    def query(self, flux):
        """The answer's rows as dictionaries."""
        answer = requests.post(f"http://127.0.0.1:{self.ports['influxdb']}/api/v2/query?org=windmill", data=flux, timeout=60,
                               headers={"Authorization": f"Token {(self.secrets / 'influxdb_token').read_text()}",
                                        "Content-Type": "application/vnd.flux"})
        assert answer.status_code == 200, answer.text
        return list(csv.DictReader(answer.text.splitlines()))

    def count(self, measurement, field, how="count"):
        rows = self.query(f'from(bucket: "sensors") |> range(start: 0) |> filter(fn: (r) => r._measurement == "{measurement}" '
                          f'and r._field == "{field}") |> group() |> {how}()')
        return float(rows[0]["_value"]) if rows else 0

    def times(self, measurement, field):
        return {row["_time"] for row in self.query(
            f'from(bucket: "sensors") |> range(start: 0) |> filter(fn: (r) => r._measurement == "{measurement}" and '
            f'r._field == "{field}") |> group() |> keep(columns: ["_time"])')}

    def wait_for(self, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            counts = (self.count("reading", "flow"), self.count("verdict", "is_anomaly"))
            assert time.monotonic() < deadline, (counts, {p.name: p.read_text()[-2000:] for p in self.folder.glob("*.log")})
            time.sleep(0.3)

    def close(self):
        for service in list(self.running):
            self.stop(service)




def test_settings_of_the_services_are_known(plant):
    """The short form: each environment of ours that docker-compose.yml names is taken by its command."""
    files = Composition({"/run/secrets": plant.folder / "compose/secrets", "/state": plant.folder / "state",
                         "/bundle": plant.folder / "pump.bundle", "/datasets": plant.folder / "datasets",
                         "@DATASET@": "pump", "broker:1883": f"127.0.0.1:{free_port()}", "0.0.0.0": "127.0.0.1",
                         "influxdb:8086": f"127.0.0.1:{free_port()}"})
    for service, image, more in (("manager", "manager", ("--connect-timeout", "0.2")),
                                 ("manager-edge", None, ("--connect-timeout", "0.2")),
                                 ("generate", "generator", ("--connect-timeout", "0.2")),
                                 ("influxdb-setup", None, ("--wait", "0.2"))):
        outcome = plant(*files.command(service, image), *more, env=files.environment(service))
        assert outcome.code == 5, (service, outcome.err)  # all it lacks is the other service
        assert "warning" not in outcome.err, outcome.err
    assert plant(*files.command("volumes")).code == 0
    plain, tls = ({entry["file"].rsplit("/", 1)[1] for entry in read_compose(name)["secrets"].values()}
                  for name in ("docker-compose.yml", "docker-compose.tls.yml"))
    assert plain == {path.name for path in (plant.folder / "compose/secrets").iterdir()}
    plant("set-auth", "--tls", code=0)
    made = {path.name for path in (plant.folder / "compose/secrets").iterdir()}
    assert plain | tls == made - {"tls_ca.key"}  # which no service is given


def test_the_variant_with_tls_leaves_no_plain_port():
    broker = read_compose("docker-compose.tls.yml")["services"]["broker"]
    assert len(broker["ports"]) == 1 and broker["ports"][0].endswith(":8883")
    assert "ports: !override" in (COMPOSE / "docker-compose.tls.yml").read_text()
    listeners = [line for line in (COMPOSE / "mosquitto-tls.conf").read_text().splitlines() if line.startswith("listener")]
    assert listeners == ["listener 8883"]


def test_every_pod_is_watched_and_guarded():
    """Probes, and a policy that lets nobody in but those who are named."""
    documents = [document for path in sorted((REPOSITORY / "templates/kubernetes").glob("*.yaml"))
                 for document in yaml.safe_load_all(path.read_text())]
    policies = {d["metadata"]["name"]: d["spec"] for d in documents if d["kind"] == "NetworkPolicy"}
    assert policies["nobody"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    services = {d["metadata"]["name"]: d["spec"] for d in documents if d["kind"] == "Service"}
    for document in documents:
        if document["kind"] not in ("Deployment", "StatefulSet"):
            continue
        name, (container,) = document["metadata"]["name"], document["spec"]["template"]["spec"]["containers"]
        assert {"readinessProbe", "livenessProbe"} <= set(container), name
        for port in services.get(name, {}).get("ports", []):
            allowed = [one["port"] for rule in policies[name]["ingress"] for one in rule["ports"]]
            assert port["port"] in allowed, name
    pods = {d["spec"]["template"]["metadata"]["labels"]["app"] for d in documents if "template" in d.get("spec", {})}
    named = {peer["podSelector"]["matchLabels"].get("app") for spec in policies.values() for rule in spec.get("ingress", [])
             for peer in rule["from"]} - {None}
    assert named <= pods
    resources = yaml.safe_load((REPOSITORY / "templates/kubernetes/kustomization.yaml").read_text())["resources"]
    assert set(resources) == {path.name for path in (REPOSITORY / "templates/kubernetes").glob("*.yaml")} - {
        "kustomization.yaml"}


def test_images_take_no_folder_of_others(plant):
    (plant.folder / "base").mkdir()
    (plant.folder / "base/mine").touch()
    assert "choose another --context" in plant("build-images", "base", "--dry-run", "--context", ".", code=2).err
    assert [path.name for path in (plant.folder / "base").iterdir()] == ["mine"]
    # What a later role lacks is said before the first is built.
    for what, code in ((("all",), 2), (("base", "detector", "--bundle", "nosuch"), 4),
                       (("base", "generator", "--dataset", "nosuch"), 4)):
        plant("build-images", *what, "--dry-run", "--context", "images", code=code)
        assert not (plant.folder / "images").exists()


def test_images_hold_what_they_should(plant):
    for option, value in (("--tag", "a b;c"), ("--company", "UP;x"), ("--repository", "x\ny"), ("--base-image", "a b")):
        assert "image" in plant("build-images", "manager", "--dry-run", option, value, code=2).err
    plant("build-images", "generator", "--dry-run", "--dataset", "pump", "--company", "registry.example:5000/team",
          "--context", "images", code=0)
    staged = {path.name for path in (plant.folder / "images/generator/root/datasets/pump").iterdir()}
    assert staged == {"eval.csv", "eval_labels.csv", "meta.json"}  # its eval part


def test_images_for_gpus_hold_libtorch(plant, torch_module):
    """Rendered alone: the libraries are some 4 GB."""
    outcome = plant("build-images", "base", "detector", "--bundle", "pump.bundle", "--cuda-version", "13.0.2", "--dry-run",
                    "--base-image", "ubuntu:24.04", "--wheels-image", "local/python", "--context", "images", code=0)
    assert outcome.out.count("docker build") == 4
    base, detector = ((plant.folder / f"images/{role}-cuda/Dockerfile").read_text() for role in ("base", "detector"))
    # What scripts/setup builds with, from PyPI, which has it for this CUDA.
    wanted = re.search(r"torch==[0-9.]+", (REPOSITORY / "scripts/setup").read_text())[0]
    assert f"--target /wheels {wanted}\n" in base and "index-url" not in base
    assert "FROM local/python AS wheels" in base and "FROM ubuntu:24.04" in base
    assert "FROM anomctl/anomctl-base-cuda:latest" in detector
    assert "FROM anomctl/anomctl-base:latest" in (plant.folder / "images/detector/Dockerfile").read_text()
    root = plant.folder / "images/base-cuda/root"
    module = root / "usr/lib/anomctl/modules/libanomctl-torch.so"
    assert module.read_bytes() == torch_module.read_bytes()
    # What the libraries of libtorch ask of the system.
    for library in ("libdl.so.2", "libpthread.so.0", "librt.so.1", "libstdc++.so.6", "libgcc_s.so.1"):
        assert (root / "usr/lib/x86_64-linux-gnu" / library).exists(), library
    assert (root / "usr/share/zoneinfo/Europe/Berlin").exists()
    plant("build-images", "base", "--cuda-version", "12.8", "--dry-run", "--context", "images", code=0)
    assert "--index-url https://download.pytorch.org/whl/cu128" in (plant.folder / "images/base-cuda/Dockerfile").read_text()
    for option, value in (("--cuda-version", "new"), ("--torch-version", "2; rm"), ("--wheels-image", "a b")):
        assert "expected" in plant("build-images", "base", "--dry-run", option, value, code=2).err


@pytest.mark.stack
@pytest.mark.timeout(900)
def test_the_daemons_lose_nothing(plant, make_broker, tmp_path):
    for program in ("telegraf", "influxd"):
        assert (STACK / program).exists(), f"no {program}: scripts/setup --stack builds it"
    daemons = Daemons(plant, make_broker, tmp_path / "run")
    try:
        daemons.start("influxdb")
        assert daemons.set_up() == {"set_up": True, "made_bucket": True, "dashboards": 1, "variables": 2}
        for service in ("telegraf", "detector", "manager"):
            daemons.start(service)
        finish(daemons.generate("--rows", str(ROWS), "--rate", "100"))
        daemons.wait_for(lambda: daemons.count("verdict", "is_anomaly") >= ROWS)
        assert daemons.count("reading", "flow") == daemons.count("reading", "power") == ROWS
        assert daemons.count("verdict", "is_anomaly") == ROWS
        check_verdicts(daemons)
        daemons.wait_for(lambda: daemons.count("server", "model_infer_request_success_total", "max") > 0)
        # A second time the dashboard is updated, not doubled.
        assert daemons.set_up() == {"set_up": False, "made_bucket": False, "dashboards": 1, "variables": 2}
        apply = ("templates", "apply", "--influx-url", f"http://127.0.0.1:{daemons.ports['influxdb']}")
        token = ("--influx-token-file", daemons.secrets / "influxdb_token")
        assert plant(*apply, *token, "--influx-bucket", "other", "--json", code=0).json["made_bucket"] is True
        assert "no organisation 'nosuch'" in plant(*apply, *token, "--influx-org", "nosuch", code=1).err
        for more in (("--retention", "5m"), ("--influx-bucket", "a\tb")):
            assert more[0][2:] in plant(*apply, *token, "--set-up", "--influxdb-pass", "pass-1234", *more, code=2).err
        assert "does not know the token" in plant(*apply, "--influx-token", "wrong", code=1).err
        daemons.set_up()  # the dashboard shows the first bucket again
        # Each daemon in turn restarts while readings come.
        sender = daemons.generate("--rows", "700", "--rate", "12")
        for service in ("detector", "manager", "telegraf", "influxdb", "broker"):
            time.sleep(3)
            daemons.stop(service)
            time.sleep(1)
            daemons.start(service)
        finish(sender)
        daemons.wait_for(lambda: daemons.count("reading", "flow") >= 700, 120)
        daemons.wait_for(lambda: daemons.count("verdict", "is_anomaly") >= 700, 120)
        assert daemons.count("reading", "flow") == 700
        # Verdicts of silence, while the broker was away, have stamps of their own.
        assert daemons.times("reading", "flow") <= daemons.times("verdict", "is_anomaly")
        check_dashboard(daemons)
        retrain(daemons)
    finally:
        daemons.close()


def finish(process):
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err


def check_verdicts(daemons):
    """Scores in InfluxDB are those of the same rows in a file."""
    daemons.plant("score", "--bundle", "pump.bundle", "--input", "datasets/pump/eval.csv", "--output", "scores.csv", code=0)
    with open(daemons.plant.folder / "scores.csv") as file:
        rows = list(csv.DictReader(file))[:ROWS]
    anomalous = sum(int(row["is_anomaly"]) for row in rows)
    assert daemons.count("verdict", "is_anomaly", "sum") == anomalous > 0


def check_dashboard(daemons):
    """Its own queries find all of it."""
    headers = {"Authorization": f"Token {(daemons.secrets / 'influxdb_token').read_text()}"}
    base = f"http://127.0.0.1:{daemons.ports['influxdb']}/api/v2"
    boards = requests.get(f"{base}/dashboards", headers=headers, timeout=30).json()["dashboards"]
    assert [board["name"] for board in boards] == ["Sensors"]
    names = [one["name"] for one in requests.get(f"{base}/variables", headers=headers, timeout=30).json()["variables"]]
    assert sorted(names) == ["model", "sensor"]
    charts = json.loads((REPOSITORY / "templates/influxdb/dashboard.json").read_text())[0]["spec"]["charts"]
    preamble = ('option v = {timeRangeStart: 0, timeRangeStop: now(), windowPeriod: 10s, sensor: "blade", model: "pump"}\n')
    for chart in charts:
        for query in chart["queries"]:
            assert daemons.query(preamble + query["query"]), chart["name"]
        for axis in chart.get("axes", []):
            assert "domain" not in axis  # fitted to what is shown, nothing is cut off


def retrain(daemons):
    """What InfluxDB gathered becomes a data set and a bundle."""
    flux = ('from(bucket: "sensors") |> range(start: 0) |> filter(fn: (r) => r._measurement == "reading" and r.sensor == "blade")')
    answer = requests.post(f"http://127.0.0.1:{daemons.ports['influxdb']}/api/v2/query?org=windmill", timeout=60,
                           json={"query": flux, "type": "flux", "dialect": {"annotations": ["group", "datatype", "default"]}},
                           headers={"Authorization": f"Token {(daemons.secrets / 'influxdb_token').read_text()}"})
    (daemons.plant.folder / "gathered.csv").write_bytes(answer.content)
    (daemons.plant.folder / "known.csv").write_text("start_time,end_time\n2026-01-01T00:41:40Z,2026-01-01T00:42:40Z\n")
    daemons.plant("create-datasets", "--source", "influx", "--data_csv", "gathered.csv", "--anomalies_csv", "known.csv",
                  "--name", "gathered", code=0)
    daemons.plant("train", "--kind", "panel", "--relation-epochs", "0", "--dataset", "gathered", "--output",
                  "gathered.bundle", code=0)
    assert (daemons.plant.folder / "gathered.bundle/bundle.json").exists()


