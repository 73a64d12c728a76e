"""Registered models, in a folder and on a real MLflow server, and the roles that follow an alias of theirs."""

import json
import math
import shutil
import threading

import pytest
import requests
from serving import Server
from streams import end, start_manage

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def trained(plant):
    """The plant with a second run, whose panel is another."""
    plant("train", "--kind", "panel", "--relation-epochs", "0", "--panel-ridge", "0.5", "--run-name", "second", code=0)
    plant("evaluate", code=0)
    return plant


@pytest.fixture(params=["folder", "server"])
def registry(request, trained, tmp_path, monkeypatch):
    """(run, uri, client): a copy of the plant whose runs are where the registry is, and MLflow's client for it."""
    from mlflow.tracking import MlflowClient
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    folder = tmp_path / "plant"
    shutil.copytree(trained.folder, folder)
    uri = "mlruns" if request.param == "folder" else request.getfixturevalue("mlflow").url
    env = {"ANOMCTL_TRACKING_URI": uri, "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(*arguments, **more):
        return trained(*arguments, env={**env, **more.pop("env", {})}, cwd=folder, **more)

    run.folder, run.env, run.uri = folder, env, uri
    run.start = lambda *arguments, env=None: trained.start(*arguments, env={**run.env, **(env or {})}, cwd=folder)
    if request.param == "server":
        run("runs", "sync", code=0)
    client_uri = uri if request.param == "server" else (folder / "mlruns").as_uri()
    run.client = MlflowClient(tracking_uri=client_uri, registry_uri=client_uri)
    run.name = "pump-" + str(abs(hash(str(tmp_path))) % 10**9)
    return run


def register_both(registry):
    """The two runs as versions 1, the champion, and 2, the challenger."""
    runs = registry("runs", "list", "--json", code=0).json["runs"]
    first = next(r for r in runs if r["name"] != "second" and r["dataset"] == "pump")
    second = next(r for r in runs if r["name"] == "second")
    registry("models", "register", registry.name, "--run", first["id"], "--alias", "champion", code=0)
    registry("models", "register", registry.name, "--run", second["id"], "--alias", "challenger", code=0)
    return first, second


def test_versions_aliases_and_lineage(registry):
    first, second = register_both(registry)
    name, client = registry.name, registry.client
    again = registry("models", "register", name, "--run", second["id"], "--json", code=0).json
    assert again["version"] == 2  # the same bundle is the same version
    assert client.get_registered_model(name).aliases in ({"champion": "1", "challenger": "2"},
                                                         {"champion": 1, "challenger": 2})

    moved = registry("models", "promote", f"{name}@challenger", "--json", code=0).json
    assert (moved["version"], moved["before"]) == (2, 1)
    assert int(client.get_model_version_by_alias(name, "champion").version) == 2
    back = registry("models", "rollback", name, "--json", code=0).json
    assert (back["version"], back["before"]) == (1, 2)
    assert int(client.get_model_version_by_alias(name, "champion").version) == 1
    assert "nothing to go back to" in registry("models", "rollback", name, code=2).err
    assert "has no version 7" in registry("models", "promote", f"{name}/7", code=2).err
    assert "no registered model" in registry("models", "rollback", "nobody", code=2).err
    assert "cannot be an alias" in registry("models", "promote", f"{name}/1", "--alias", "v3", code=2).err

    # Data set -> run -> bundle: MLflow's client reads the same as anomctl says.
    listed = next(m for m in registry("models", "list", "--json", code=0).json["registered"] if m["name"] == name)
    for ours, run in zip(listed["versions"], (second, first)):
        theirs = client.get_model_version(name, str(ours["version"]))
        assert theirs.run_id == ours["run_id"] == run["id"] and theirs.status == "READY"
        assert theirs.tags["anomctl.bundle_hash"] == ours["bundle_hash"]
        tags = client.get_run(theirs.run_id).data.tags
        assert theirs.tags["anomctl.data_set_hash"] == ours["data_set_hash"] == tags["anomctl.data_set_hash"]
        model = client.get_logged_model(theirs.source.rsplit("/", 1)[1])
        assert model.source_run_id == theirs.run_id and str(model.status) == "READY"
        where = client.get_model_version_download_uri(name, str(ours["version"]))
        from mlflow.artifacts import download_artifacts
        folder = registry.folder / f"down-{ours['version']}"
        folder.mkdir()
        download_artifacts(where, dst_path=str(folder), tracking_uri=registry.uri)
        bundle = next(folder.rglob("bundle.json"))
        assert registry("models", "show", bundle.parent, "--json", code=0).json["hash"] == ours["bundle_hash"]


def test_a_version_stays_what_was_registered(registry):
    register_both(registry)
    scores = registry("score", "--model", f"{registry.name}@champion", "--input", "datasets/pump/eval.csv", code=0).out
    run = registry("models", "list", "--json", code=0).json["registered"]
    run = next(m for m in run if m["name"] == registry.name)["versions"][-1]["run_id"]
    registry("evaluate", "--run", run, "--threshold", "0.001", code=0)  # the run's bundle gets another limit
    again = registry("score", "--model", f"models:/{registry.name}/1", "--input", "datasets/pump/eval.csv", code=0).out
    assert again == scores
    changed = registry("score", "--run", run, "--input", "datasets/pump/eval.csv", code=0).out
    assert changed != scores


def test_several_at_once_lose_nothing(registry):
    """Equal bundles are one version, and each of several promotions is in the history."""
    first, second = register_both(registry)
    name = registry.name

    def at_once(*commands):
        running = [registry.start(*map(str, command)) for command in commands]
        for process in running:
            out, err = process.communicate(timeout=120)
            assert process.returncode == 0, err

    at_once(*[("models", "register", name + "-new", "--run", second["id"])] * 3)
    versions = {model["name"]: model["versions"] for model in
                registry("models", "list", "--json", code=0).json["registered"]}
    assert [version["version"] for version in versions[name + "-new"]] == [1]
    registry("models", "promote", f"{name}/2", code=0)
    at_once(*[("models", "promote", f"{name}/{1 + i % 2}") for i in range(4)])
    now = registry("models", "show", f"{name}@champion", "--json", code=0).json
    shown = now["registered"]
    assert shown["name"] == name and "champion" in shown["aliases"] and now["hash"] == shown["bundle_hash"]
    assert now["provenance"]["data_set_hash"] and "f1" in now["metrics"]
    text = registry("models", "show", f"{name}/1", code=0).out
    for what in ("data_set_hash", "seed", "version", "git_commit", "setting window_size", "metric f1"):
        assert what in text, what
    # Each that moved the alias noted what it found; so every step leads back to the one before.
    tags = registry.client.get_registered_model(name).tags
    history = [int(number) for number in tags["anomctl.history.champion"].split(",")]
    assert history[0] == 1 and all(a != b for a, b in zip(history, history[1:])) and history[-1] != shown["version"]
    compared = registry("runs", "compare", first["id"], second["id"], code=0).out
    assert "data hash" in compared and "seed" in compared and "version" in compared
    assert registry("runs", "show", first["id"], "--json", code=0).json["data_set_hash"]


def test_serve_swaps_without_a_gap(registry):
    register_both(registry)
    server = Server(registry, "--model", f"{registry.name}@champion", "--follow", "0.1", env=registry.env)
    rows = [list(map(float, line.split(","))) for line in
            (registry.folder / "datasets/pump/eval.csv").read_text().splitlines()]
    window = server.get(f"/v2/models/{registry.name}").json()["parameters"]["window_size"] + 1
    body = {"inputs": [{"name": "input-0", "datatype": "FP64", "shape": [1, window, 2],
                        "data": [v for row in rows[:window] for v in row]}]}
    seen, bad, stop = [], [], threading.Event()

    def ask():
        with requests.Session() as session:
            while not stop.is_set():
                answer = session.post(f"{server.url}/v2/models/{registry.name}/infer", json=body)
                (seen if answer.status_code == 200 else bad).append(answer.json())

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    bundle = lambda: server.get(f"/v2/models/{registry.name}").json()["parameters"]["bundle"]  # noqa: E731
    try:
        assert bundle() == f"{registry.name}/1"
        registry("models", "promote", f"{registry.name}/2", code=0)
        server.wait(lambda: bundle() == f"{registry.name}/2", "swap", timeout=60)
        registry("models", "rollback", registry.name, code=0)
        server.wait(lambda: bundle() == f"{registry.name}/1", "swap back", timeout=60)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not bad and {a["model_version"] for a in seen} <= {"1", "2"}
    values = {a["outputs"][0]["data"][0] for a in seen}
    assert len(values) == 2  # of either model, and of nothing between
    code, log = server.stop()
    assert code == 143 and f"now names {registry.name}/2" in log


def verdicts_of(listener):
    return listener.below("anomaly")


@pytest.mark.parametrize("registry", ["folder"], indirect=True)
def test_manage_swaps_between_two_rows(registry, broker, listener):
    register_both(registry)
    name = registry.name
    process = start_manage(registry, broker.url, listener, "--model", f"{name}@champion", "--follow", "0.05",
                           "--state-dir", "state")

    def row(i):
        flow = math.sin(i / 30)
        odd = 9 if 190 <= i < 210 else 0
        return json.dumps({"time": f"2026-02-01T00:{i // 60:02}:{i % 60:02}Z", "flow": flow, "power": 2 * flow + odd})

    def send(first, last):
        for i in range(first, last):
            listener.send(row(i))
        listener.wait_for(lambda: len(verdicts_of(listener)) == last, 60)

    def wait_for_model(version):
        listener.wait_for(lambda: listener.below("status")[-1]["model"] == f"{name}/{version}", 60)

    send(0, 200)  # the episode is open
    assert listener.below("alert")[-1]["state"] == "open"
    registry("models", "promote", f"{name}/2", code=0)
    wait_for_model(2)
    send(200, 300)
    registry("models", "rollback", name, code=0)
    wait_for_model(1)
    send(300, 320)
    end(process)
    verdicts = verdicts_of(listener)
    assert [v["model"].rsplit("/")[-1] for v in verdicts] == ["1"] * 200 + ["2"] * 100 + ["1"] * 20
    # No row is lost or warms up again, and the alert that was open is closed once.
    assert len({v["id"] for v in verdicts}) == 320
    first_judged = next(i for i, v in enumerate(verdicts) if v["state"] != "warmup")
    assert all("score" in v for v in verdicts[first_judged:]), [v for v in verdicts[first_judged:] if "score" not in v]
    alerts = listener.below("alert")
    assert [a["state"] for a in alerts] == ["open", "closed"] and alerts[0]["id"] == alerts[1]["id"]
    assert alerts[1]["model"] == f"{name}/2"


@pytest.mark.parametrize("registry", ["server"], indirect=True)
def test_manage_starts_while_the_server_is_away(registry, broker, listener, mlflow):
    register_both(registry)
    reference = f"{registry.name}@champion"
    end(start_manage(registry, broker.url, listener, "--model", reference))
    mlflow.stop()
    try:
        process = start_manage(registry, broker.url, listener, "--model", reference, "--follow", "0.1")
        assert listener.below("status")[-1]["model"] == f"{registry.name}/1"
    finally:
        mlflow.start()
    registry("models", "promote", f"{registry.name}/2", code=0)
    listener.wait_for(lambda: listener.below("status")[-1]["model"] == f"{registry.name}/2", 60)
    end(process)
