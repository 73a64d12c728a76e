"""Runs on a real MLflow server, read back with MLflow's own client; what a server that dies or asks who we are does."""

import base64
import contextlib
import hashlib
import http.server
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
import types

import pytest
from mlflow_server import PROGRAM, Guard, write_back
from test_runs import SMALL, write_data_set

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def client(mlflow, monkeypatch):
    from mlflow.tracking import MlflowClient
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return MlflowClient(tracking_uri=mlflow.url)


@pytest.fixture
def program(anomctl, mlflow):
    """In a folder with a data set; every command of it speaks to the server."""
    write_data_set(anomctl.folder / f"datasets/{data_set(anomctl)}")

    def run(*arguments, **more):
        env = {"ANOMCTL_TRACKING_URI": mlflow.url, "XDG_CACHE_HOME": str(anomctl.folder / "cache"),
               **more.pop("env", {})}
        return anomctl(*arguments, env=env, **more)

    run.folder, run.start = anomctl.folder, anomctl.start
    return run


def data_set(anomctl):
    """Its own name a test, for they share the server."""
    return "set-" + hashlib.sha256(str(anomctl.folder).encode()).hexdigest()[:8]


def local_files(folder):
    artifacts, = pathlib.Path(folder).glob("mlruns/*/*/artifacts")
    return {str(f.relative_to(artifacts)): f.read_bytes() for f in sorted(artifacts.rglob("*")) if f.is_file()}


def local_points(folder):
    metrics, = pathlib.Path(folder).glob("mlruns/*/*/metrics")
    out = {}
    for file in metrics.rglob("*"):
        if file.is_file():
            out[str(file.relative_to(metrics))] = [(int(line.split()[2]), float(line.split()[1]))
                                                   for line in file.read_text().splitlines()]
    return out


def check_copy(client, server_id, folder, scratch):
    """The server's run is the one here: every parameter, every point, every byte."""
    run, points, files = write_back(client, server_id, scratch)
    assert files == local_files(folder)
    here = local_points(folder)
    assert {k: sorted(v) for k, v in points.items()} == {k: sorted(v) for k, v in here.items()}
    params, = pathlib.Path(folder).glob("mlruns/*/*/params")
    assert run.data.params == {f.name: f.read_text() for f in params.iterdir()}
    return run


def test_a_training_is_on_the_server(program, client, torch_module, tmp_path):
    trained = program("train", *SMALL, "--run-name", "pump one", "--json", code=0).json
    experiment = client.get_experiment_by_name(data_set(program) + "_training")
    run, = client.search_runs([experiment.experiment_id])
    scratch = tmp_path / "back"
    scratch.mkdir()
    run = check_copy(client, run.info.run_id, program.folder, scratch)
    assert (run.info.run_name, run.info.status) == ("pump one", "FINISHED")
    assert run.data.tags["anomctl.local_run_id"] == trained["run_id"]
    assert run.data.params["window_size"] == "12" and "tracking_uri" not in run.data.params
    history = client.get_metric_history(run.info.run_id, "train_total_loss")
    assert [p.value for p in history] == [e["train_loss"] for e in trained["epochs"]]

    # A second look finds nothing to send, with and without what was noted down.
    for _ in range(2):
        synced, = program("runs", "sync", "--json", code=0).json["runs"]
        assert (synced["server_id"], synced["values"], synced["points"]) == (run.info.run_id, 0, 0)
        note, = program.folder.glob("mlruns/*/*/anomctl_server.json")
        note.unlink()
    program("runs", "sync", code=0)
    assert len(client.search_runs([experiment.experiment_id])) == 1


def test_runs_are_read_from_the_server(program, client, mlflow, tmp_path):
    program("train", "--kind", "panel", "--run-name", "first", code=0)
    listed, = [r for r in program("runs", "list", "--json", code=0).json["runs"] if r["dataset"] == data_set(program)]
    assert listed["name"] == "first"
    # On another machine: nothing is there but the data set.
    away = tmp_path / "away"
    shutil.copytree(program.folder / "datasets", away / "datasets")
    judged = program("evaluate", "--run", "first", "--json", code=0, cwd=away).json
    run = client.get_run(listed["id"])
    assert run.data.metrics["f1"] == judged["metrics"]["f1"] and run.data.tags["anomctl.evaluated_on"]
    assert {a.path for a in client.list_artifacts(listed["id"])} == {"bundle", "evaluation", "model"}
    shown = program("runs", "show", "first", "--json", code=0).json
    assert "evaluation/report.html" in shown["artifacts"] and shown["metrics"]["f1"] == judged["metrics"]["f1"]
    # And back: the bundle with the new limit comes to where it was trained.
    again = program("evaluate", "--run", "first", "--threshold-method", "keep", "--json", code=0).json
    assert again["threshold"] == judged["threshold"]


def test_a_server_that_dies_does_not_stop_a_training(program, mlflow, client, torch_module, tmp_path):
    arguments = ["train", *SMALL[:-1], "80", "--run-name", "outlives"]
    process = program.start(*arguments, env={"ANOMCTL_TRACKING_URI": mlflow.url, "XDG_CACHE_HOME": str(tmp_path),
                                                 "OMP_NUM_THREADS": "1"})  # several would spin on a busy machine
    name = data_set(program) + "_training"
    end = time.monotonic() + 90
    while True:  # the server has some of its losses
        experiment = client.get_experiment_by_name(name)
        runs = client.search_runs([experiment.experiment_id]) if experiment else []
        if runs and "train_total_loss" in runs[0].data.metrics:
            break
        assert time.monotonic() < end and process.poll() is None, "nothing reached the server while it trained"
        time.sleep(0.01)
    mlflow.stop()
    try:
        out, err = process.communicate(timeout=200)
    finally:
        mlflow.start()
    assert process.returncode == 0 and "is sent later" in err and "runs sync sends the rest" in err, err
    server_id = runs[0].info.run_id
    assert client.get_run(server_id).info.status == "RUNNING"
    synced, = program("runs", "sync", "--json", code=0).json["runs"]
    assert synced["server_id"] == server_id and synced["points"] > 0 and synced["artifacts"] >= 2
    scratch = tmp_path / "back"
    scratch.mkdir()
    run = check_copy(client, server_id, program.folder, scratch)
    assert run.info.status == "FINISHED" and len(client.search_runs([experiment.experiment_id])) == 1
    assert len(client.get_metric_history(server_id, "train_total_loss")) == 80


def test_no_server_is_said_and_costs_no_run(program, free_port):
    nobody = f"http://127.0.0.1:{free_port()}"
    done = program("train", "--kind", "panel", "--tracking-uri", nobody, code=0)
    assert "cannot be reached" in done.err
    assert program("runs", "list", "--tracking-uri", nobody, code=5).err.count("cannot be reached") == 1
    assert program("runs", "sync", "--tracking-uri", nobody, code=5).err.count("cannot be reached") == 1
    synced, = program("runs", "sync", "--json", code=0).json["runs"]
    assert synced["points"] > 0 and synced["trouble"] is None


@pytest.fixture
def silent():
    """A server that takes connections and says nothing; .asked grows with each request."""
    listener = socket.create_server(("127.0.0.1", 0))
    silent = types.SimpleNamespace(url=f"http://127.0.0.1:{listener.getsockname()[1]}", asked=[], open=[])

    def hear(connection):
        with contextlib.suppress(OSError):
            while connection.recv(4096):
                silent.asked.append(1)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                silent.open.append(listener.accept()[0])
                threading.Thread(target=hear, args=(silent.open[-1],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield silent
    for end in (listener, *silent.open):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@pytest.mark.parametrize("command", ["train", "sync", "retrain"])
def test_who_waits_for_a_silent_server_ends_soon_when_told(program, silent, command, tmp_path):
    settings = tmp_path / "retrain.toml"
    settings.write_text('[retrain]\nmodel = "pump"\n[train]\nkind = "panel"\nrelation_epochs = 0\n')
    if command == "sync":
        program("train", "--kind", "panel", "--relation-epochs", 0, "--tracking-uri", "mlruns", code=0)
    process = program.start(*{"train": ("train", "--kind", "panel", "--relation-epochs", "0"),
                              "retrain": ("retrain", "--config", str(settings)),
                              "sync": ("runs", "sync")}[command], env={"ANOMCTL_TRACKING_URI": silent.url})
    deadline = time.monotonic() + 60
    while not silent.asked or (command != "sync" and not list(program.folder.glob("mlruns/*/*/artifacts/bundle/bundle.json"))):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    told = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143 and "runs sync" in err, err
    assert time.monotonic() - told < 10, err  # 2 s on a machine with nothing else to do; the server's time is 30 s


@pytest.mark.parametrize("command", [("runs", "list"), ("models", "show", "pump@champion"),
                                     ("serve", "--model", "pump@champion", "--http-port", "0"),
                                     ("manage", "--model", "pump@champion", "--mqtt-url", "mqtt://127.0.0.1:1")])
def test_who_asks_a_silent_server_ends_soon_when_told(anomctl, silent, command):
    process = anomctl.start(*command, "--tracking-uri", silent.url)
    deadline = time.monotonic() + 60
    while not silent.asked:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    told = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert time.monotonic() - told < 10, err


def test_a_training_ends_within_a_batch_when_told(anomctl, torch_module):
    anomctl("create-datasets", "--source", "plant", "--name", "pump", "--rows", 3000, code=0)
    process = anomctl.start("train", "--kind", "mtad-gat", "--epochs", 500)
    deadline = time.monotonic() + 60
    while not list(anomctl.folder.glob("mlruns/*/*/params/window_size")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(2)  # it trains by now, or looks how fast it is
    told = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143 and "stopped after" in out, err
    assert time.monotonic() - told < 10, err


class Liar(http.server.BaseHTTPRequestHandler):
    """Lists one good run among bad ones, pages without end, and repeats what it was told."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        lists = {"experiments": [{"experiment_id": "1", "name": "e"}]}
        good = {"info": {"run_id": "ab" * 16, "experiment_id": "7", "run_name": "good", "status": "FINISHED"}, "data": {}}
        bad = {"info": {"run_id": {"a": 1}}, "data": {"metrics": [{"key": "m", "value": {}}]}}
        if "runs/search" in self.path:
            lists = {"runs": [bad, good, bad]}
            if "endless" in self.path:
                lists["next_page_token"] = "again"
        told = {"error_code": "INVALID", "message": f"bad token {self.headers['authorization']}" + "x" * 400}
        body = json.dumps(told if "refuses" in self.path else lists).encode()
        self.send_response(400 if "refuses" in self.path else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.send_error(404)

    def log_message(self, *_):
        pass


def test_a_lying_server_neither_hides_runs_nor_learns_to_print_our_token(program):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        listed = program("runs", "list", "--tracking-uri", url, "--json", code=0)
        assert [run["name"] for run in listed.json["runs"]] == ["good"] and "2 runs" in listed.err
        endless = program("runs", "list", "--tracking-uri", url + "/endless", code=1)
        assert "pages without end" in endless.err
        refused = program("runs", "list", "--tracking-uri", url + "/refuses", code=1,
                          env={"MLFLOW_TRACKING_TOKEN": "hunter4secret"})
        assert "bad token Bearer ***" in refused.err and "hunter4secret" not in refused.err
        server.shutdown()


def test_an_exported_database_is_read_by_mlflow(program, torch_module, monkeypatch):
    """By way of its own migrations from the oldest schema, so also by newer ones."""
    program("train", *SMALL, "--run-name", "kept", "--tracking-uri", "mlruns", code=0)
    done = program("runs", "export", "--output", "mlflow.db", "--json", code=0).json
    assert done["runs"] == 1 and done["points"] > 20
    assert "is there already" in program("runs", "export", "--output", "mlflow.db", code=1).err
    uri = f"sqlite:///{program.folder}/mlflow.db"
    script = ("import json, sys; from mlflow.db import commands; from mlflow.tracking import MlflowClient\n"
              "commands(['upgrade', sys.argv[1]], standalone_mode=False); c = MlflowClient(sys.argv[1])\n"
              "run, = c.search_runs([e.experiment_id for e in c.search_experiments()])\n"
              "print(json.dumps([run.info.run_name, run.info.status, run.data.params, {k: [(p.step, p.value) for p in "
              "c.get_metric_history(run.info.run_id, k)] for k in run.data.metrics}, "
              "[f.path for f in c.list_artifacts(run.info.run_id)]]))")
    read = subprocess.run([PROGRAM.with_name("python"), "-c", script, uri], check=True, capture_output=True, text=True,
                          timeout=120, env={"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": "/usr/bin:/bin"})
    name, status, params, points, artifacts = json.loads(read.stdout.splitlines()[-1])
    assert (name, status, artifacts) == ("kept", "FINISHED", ["bundle", "model"]) and params["window_size"] == "12"
    assert {k: sorted(map(tuple, v)) for k, v in points.items()} == {k: sorted(v) for k, v in
                                                                     local_points(program.folder).items()}


@pytest.fixture
def certificate(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return cert, key


@pytest.mark.parametrize("way", ["token", "password", "environment"])
def test_who_asks_is_let_in_over_tls(program, mlflow, client, certificate, tmp_path, way):
    word = tmp_path / "word"
    word.write_text("open sesame\n")
    basic = "Basic " + base64.b64encode(b"ali:open sesame").decode()
    guard = Guard(mlflow, "Bearer open sesame" if way == "token" else basic, *certificate)
    known = {"token": ["--tracking-token-file", word],
             "password": ["--tracking-username", "ali", "--tracking-password-file", word], "environment": []}[way]
    env = {"MLFLOW_TRACKING_USERNAME": "ali", "MLFLOW_TRACKING_PASSWORD": "open sesame",
           "MLFLOW_TRACKING_SERVER_CERT_PATH": str(certificate[0])} if way == "environment" else {}
    where = ["--tracking-uri", guard.url, *([] if env else ["--tracking-ca-file", certificate[0]])]
    try:
        done = program("train", "--kind", "panel", *where, *known, code=0, env=env)
        assert "warning: the tracking" not in done.err and guard.refused == 0 and guard.passed > 5
        run, = client.search_runs([client.get_experiment_by_name(data_set(program) + "_training").experiment_id])
        assert run.info.status == "FINISHED"
        # Nobody, somebody else, and a server whose certificate nobody vouches for.
        if way != "environment":
            assert "answers 401" in program("runs", "list", *where, code=1).err and guard.refused == 1
            assert "verify failed" in program("runs", "list", "--tracking-uri", guard.url, *known, code=5).err
        for file in program.folder.rglob("*"):
            assert not file.is_file() or file == word or b"open sesame" not in file.read_bytes(), file
    finally:
        guard.stop()
