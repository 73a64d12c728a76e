"""`serve` as those who operate it see it: what it answers in every state, and that no request is lost between them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import numpy
import pytest
import requests
import tritonclient.http
from bundles import make_bundle
from serving import Server

ROWS, SENSORS = 9, 3


def body(n=1, seed=0):
    values = numpy.random.default_rng(seed).standard_normal((n, ROWS, SENSORS))
    return {"inputs": [{"name": "x", "shape": list(values.shape), "datatype": "FP64", "data": values.ravel().tolist()}]}


def score_of(answer):
    assert answer.status_code == 200, answer.text
    return next(o["data"] for o in answer.json()["outputs"] if o["name"] == "score")


@pytest.fixture
def bundle(anomctl):
    return make_bundle(anomctl, anomctl.folder / "plant", sensors=SENSORS, window=ROWS - 1, threshold=1)


class Load:
    """Clients that ask without a pause, each on one connection; what they were answered is counted."""

    def __init__(self, url, clients=2):
        self.url, self.stopping, self.statuses, self.failures = url, threading.Event(), [], []
        self.threads = [threading.Thread(target=self.ask, args=(i,), daemon=True) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def ask(self, seed):
        text = json.dumps(body(seed=seed)).encode()
        session = requests.Session()
        while not self.stopping.is_set():
            try:
                self.statuses.append(session.post(self.url + "/v2/models/plant/infer", data=text, timeout=30).status_code)
            except requests.RequestException as failure:
                self.failures.append(repr(failure))

    def until(self, n):
        """Waits for n answers."""
        deadline = time.monotonic() + 60
        while len(self.statuses) < n and time.monotonic() < deadline:
            self.stopping.wait(0.005)
        assert len(self.statuses) >= n, (self.statuses[:5], self.failures[:5])

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)
        return len(self.statuses)


def test_binary_tensors_give_what_json_gives(anomctl, bundle):
    server = Server(anomctl, "--bundle", bundle)
    values = numpy.random.default_rng(3).standard_normal((4, ROWS, SENSORS)).astype(numpy.float32)
    given = tritonclient.http.InferInput("x", list(values.shape), "FP32")
    answers = []
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        for binary_in, binary_out in ((False, False), (True, True), (True, False), (False, True)):
            given.set_data_from_numpy(values, binary_data=binary_in)
            wanted = [tritonclient.http.InferRequestedOutput(name, binary_data=binary_out)
                      for name in ("score", "contribution", "is_anomaly", "expected")]
            result = client.infer("plant", [given], outputs=wanted)
            answers.append([result.as_numpy(o) for o in ("score", "contribution", "is_anomaly", "expected")])
        given.set_data_from_numpy(values)
        whole = client.infer("plant", [given])  # tritonclient's defaults
        assert [s["name"] for s in client.get_model_repository_index()] == ["plant"]  # sends no body
    for answer in answers[1:]:
        for ours, first in zip(answer, answers[0]):
            numpy.testing.assert_array_equal(ours, first)
    numpy.testing.assert_array_equal(whole.as_numpy("score"), answers[0][0])
    numpy.testing.assert_allclose(answers[0][1].sum(axis=1), answers[0][0])
    numpy.testing.assert_array_equal(answers[0][2], answers[0][0] >= 1)


def test_a_model_repository_serves_versions(anomctl):
    root = anomctl.folder / "models"
    for version, seed in (("9", 1), ("10", 2)):
        make_bundle(anomctl, root / "pump" / version, sensors=SENSORS, window=ROWS - 1, seed=seed)
        shutil.rmtree(root / "pump" / f"{version}-source")
    server = Server(anomctl, "--model-repository", root)
    versions = {v: score_of(server.post(f"/v2/models/pump/versions/{v}/infer", json=body())) for v in ("9", "10")}
    assert versions["9"] != versions["10"]
    assert score_of(server.post("/v2/models/pump/infer", json=body())) == versions["10"]  # the highest
    assert server.get("/v2/models/pump/versions/2/ready").status_code == 404


def test_ready_says_why_not(anomctl, bundle):
    (bundle / "weights.safetensors").write_bytes(b"damaged")
    server = Server(anomctl, "--bundle", bundle, wait_ready=False)
    server.wait(lambda: "could not be loaded" in server.get("/v2/health/ready").text, "a reason")
    answer = server.get("/v2/health/ready")
    assert answer.status_code == 503 and "weights.safetensors" in answer.json()["error"]
    assert server.get("/v2/health/live").status_code == 200
    assert server.post("/v2/models/plant/infer", json=body()).status_code == 503
    (anomctl.folder / "models").mkdir()
    empty = Server(anomctl, "--model-repository", anomctl.folder / "models", wait_ready=False)
    answer = empty.get("/v2/health/ready")
    assert answer.status_code == 503 and "no model" in answer.json()["error"]


def test_ready_is_503_while_the_disk_is_full(anomctl, bundle):
    """/dev/full takes no byte, as a full disk does."""
    with open("/dev/full", "w") as full:
        process = subprocess.Popen([anomctl.binary, "serve", "--bundle", bundle, "--http-port", "0", "--metrics-port", "-1"],
                                   stdout=subprocess.PIPE, stderr=full, text=True, env=anomctl.environment(None))
    anomctl.started.append(process)
    process.stderr = open(os.devnull)
    url = process.stdout.readline().split()[-1]
    answer = requests.get(url + "/health/ready", timeout=10)
    deadline = time.monotonic() + 20
    while "loading" in answer.text and time.monotonic() < deadline:
        answer = requests.get(url + "/health/ready", timeout=10)
    assert answer.status_code == 503 and "disk full" in answer.json()["error"], answer.text
    assert requests.get(url + "/health/live", timeout=10).status_code == 200
    assert requests.post(url + "/models/plant/infer", json=body(), timeout=10).status_code == 200


def stop_under_load(anomctl, bundle, requests_before):
    server = Server(anomctl, "--bundle", bundle, "--drain-grace", "50ms")
    load = Load(server.url)
    load.until(requests_before)
    sent = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(30)
    took = time.monotonic() - sent
    load.stopping.set()
    load.stop()
    # Each client may find the door closed, which is no loss: its request was never accepted.
    lost = [f for f in load.failures if "refused" not in f]
    assert server.process.returncode == 143 and took < 10
    return load.statuses, lost


@pytest.mark.parametrize("times", [3, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(1500)])])
def test_sigterm_under_load_loses_nothing(anomctl, bundle, times):
    answered = 0
    for i in range(times):
        statuses, lost = stop_under_load(anomctl, bundle, 5 + i % 7)
        assert set(statuses) == {200} and not lost, (statuses, lost)
        answered += len(statuses)
    print(f"{times} SIGTERMs, {answered} requests answered, none lost")


def test_ready_is_503_as_soon_as_it_is_told_to_stop(anomctl, bundle):
    server = Server(anomctl, "--bundle", bundle, "--drain-grace", "20s")
    server.process.send_signal(signal.SIGTERM)
    server.wait(lambda: requests.get(server.url + "/v2/health/ready", timeout=5).status_code == 503, "503")
    answer = requests.get(server.url + "/v2/health/ready", timeout=5)
    assert "draining" in answer.json()["error"]
    assert requests.get(server.url + "/v2/health/live", timeout=5).status_code == 200
    server.process.send_signal(signal.SIGTERM)  # a second one ends at once
    server.process.wait(10)


@pytest.mark.parametrize("times", [6, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_hot_reload_under_load_fails_no_request(anomctl, bundle, times):
    """By repository call, by SIGHUP and by a changed bundle in turn."""
    other = make_bundle(anomctl, anomctl.folder / "other", sensors=SENSORS, window=ROWS - 1, threshold=2, seed=5)
    first = {p.name: p.read_bytes() for p in bundle.iterdir()}
    second = {p.name: p.read_bytes() for p in other.iterdir()}
    server = Server(anomctl, "--bundle", f"plant={bundle}", "--watch", "50ms")
    loads = lambda: sum(int(float(line.split()[-1])) for line in server.metrics().splitlines()
                        if line.startswith("anomctl_model_loads_total") and 'result="loaded"' in line)
    load = Load(server.url)
    load.until(5)
    for i in range(times):
        before = loads()
        if i % 3 == 0:
            assert server.post("/v2/repository/models/plant/load").status_code == 200
        elif i % 3 == 1:
            server.process.send_signal(signal.SIGHUP)
        else:
            for name, content in (second if i % 2 else first).items():
                (bundle / (name + ".new")).write_bytes(content)
                (bundle / (name + ".new")).rename(bundle / name)
        server.wait(lambda: loads() > before, "a reload")
    answered = load.stop()
    assert set(load.statuses) == {200} and not load.failures, (set(load.statuses), load.failures[:5])
    print(f"{times} reloads, {answered} requests, none failed")
    assert "anomctl_model_reloads_total" in server.metrics()


def test_a_half_copied_bundle_leaves_the_old_one_serving(anomctl, bundle):
    server = Server(anomctl, "--bundle", bundle, "--watch", "20ms")
    before = score_of(server.post("/v2/models/plant/infer", json=body()))
    whole = (bundle / "weights.safetensors").read_bytes()
    (bundle / "weights.safetensors").write_bytes(whole[: len(whole) // 2])
    failed = lambda: 'result="failed"' in server.metrics()
    server.wait(failed, "a failed load")
    assert score_of(server.post("/v2/models/plant/infer", json=body())) == before
    assert server.get("/v2/health/ready").status_code == 200
    reason = server.post("/v2/repository/index", json={}).json()[0]["reason"]
    assert "weights.safetensors" in reason
    (bundle / "weights.safetensors").write_bytes(whole)
    server.wait(lambda: server.post("/v2/repository/index", json={}).json()[0]["reason"] == "", "the whole bundle")
    code, log = server.stop()
    assert code == 143 and "goes on serving" in log


def test_overload_is_answered_429_with_retry_after(anomctl, bundle):
    server = Server(anomctl, "--bundle", bundle, "--max-queue", 1, "--workers", 1, "--max-batch-size", 1)
    load = Load(server.url, clients=8)
    deadline = time.monotonic() + 60
    while 429 not in load.statuses and time.monotonic() < deadline:
        load.until(len(load.statuses) + 20)
    assert 429 in load.statuses
    answer = None
    while (answer is None or answer.status_code != 429) and time.monotonic() < deadline:
        answer = server.post("/v2/models/plant/infer", json=body(8))
    load.stop()
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1 and answer.json()["error"]
    assert set(load.statuses) == {200, 429} and not load.failures
    shed = [line for line in server.metrics().splitlines() if line.startswith('anomctl_shed_total{reason="queue_full"}')]
    assert shed and float(shed[0].split()[-1]) > 0


def raw_exchange(port, data, seconds):
    """Everything that comes back until the server closes; fails where it does not."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(data)
        out = b""
        while chunk := connection.recv(65536):
            out += chunk
        return out


def test_bounds_are_answered_and_slow_clients_are_closed(anomctl, bundle):
    server = Server(anomctl, "--bundle", bundle, "--max-body-bytes", 20000, "--max-header-bytes", 2000,
                    "--header-timeout", "200ms", "--body-timeout", "200ms", "--idle-timeout", "300ms",
                    "--max-request-windows", 4, "--max-json-depth", 8)
    infer = "/v2/models/plant/infer"
    too_much = server.post(infer, json=body(60))
    assert too_much.status_code == 413 and too_much.json()["error"]
    assert server.post(infer, json=body(5)).status_code == 400  # max_request_windows
    long_header = server.post(infer, json=body(), headers={"x": "y" * 3000})
    assert long_header.status_code == 431 and long_header.json()["error"]
    deep = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": 1}], "x": json.loads("[" * 20 + "]" * 20)}
    assert server.post(infer, json=deep).status_code in (400, 422)
    huge = {"inputs": [{"name": "x", "shape": [2**40, 2**40], "datatype": "FP32", "data": [1]}]}
    answer = server.post(infer, json=huge)
    assert answer.status_code in (400, 422) and answer.json()["error"]
    encoded = server.post(infer, data=b"{}", headers={"Content-Encoding": "br"})
    assert encoded.status_code == 415 and encoded.json()["error"]
    for text in ("NaN", "Infinity", "-Infinity", "null", "1e999"):
        data = json.dumps(body()).replace("[", "[", 1)
        spoiled = json.loads(data)
        spoiled["inputs"][0]["data"][3] = "HERE"
        answer = server.session.post(server.url + infer, data=json.dumps(spoiled).replace('"HERE"', text))
        assert answer.status_code in (400, 422) and answer.json()["error"], (text, answer.text)
    # Slow: a header that never ends, a body that never comes, a connection that says nothing.
    raw_exchange(server.port, b"POST /v2 HTTP/1.1\r\nHost: x\r\n", 10)
    raw_exchange(server.port, b"POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", 10)
    assert raw_exchange(server.port, b"", 10) == b""
    assert server.get("/v2/health/ready").status_code == 200


def test_not_finite_values_pass_by_setting(anomctl, bundle):
    server = Server(anomctl, "--bundle", bundle, "--allow-not-finite")
    values = json.dumps(body())
    spoiled = json.loads(values)
    spoiled["inputs"][0]["data"][5] = None
    assert len(score_of(server.post("/v2/models/plant/infer", json=spoiled))) == 1


def test_metrics_have_mlservers_names_and_ours(anomctl, bundle):
    server = Server(anomctl, "--bundle", bundle)
    for _ in range(2):
        server.post("/v2/models/plant/infer", json=body(3))
    server.post("/v2/models/nope/infer", json=body())
    text = server.metrics()
    for line in ('model_infer_request_success_total{model="plant",version="None"} 2',
                 'model_infer_request_duration_count{model="plant",version="None"} 2',
                 'rest_server_requests_total{app_name="anomctl",method="POST",path="/v2/models/{model_name}/infer",status_code="200"} 2',
                 'anomctl_windows_total{model="plant"} 6', 'anomctl_batch_windows_count{model="plant"} 2',
                 'anomctl_queue_seconds_count{model="plant"} 2', 'anomctl_score_count{model="plant"} 6',
                 'anomctl_threshold{model="plant",version="1"} 1', "anomctl_ready 1",
                 'anomctl_model_loads_total{model="plant",result="loaded",version="1"} 1',
                 'anomctl_model_reloads_total{model="plant",version="1"} 0'):
        assert line in text, (line, text)
    assert "anomctl_anomalies_total" in text and 'anomctl_model_info{bundle="' in text
    assert "model_infer_request_failure_total" in text and "process_resident_memory_bytes" in text
    server.post("/v2/repository/models/plant/unload")
    assert "anomctl_threshold{" not in server.metrics()


@pytest.mark.parametrize("device, why", [("cuda:99", "--device cuda:99"), ("tpu", "none of auto, cpu, cuda, cuda:N")])
def test_a_device_that_is_not_there_is_an_error_at_the_start(anomctl, bundle, device, why):
    outcome = anomctl("serve", "--bundle", bundle, "--http-port", 0, "--device", device)
    assert outcome.code in (1, 2) and outcome.err.count("\n") == 1, outcome
    assert why in outcome.err or "libanomctl-torch.so" in outcome.err  # a build without libtorch


def test_a_gpu_gives_the_verdicts_of_the_cpu(anomctl, bundle, torch_module):
    if not os.path.exists("/proc/driver/nvidia/version"):
        pytest.skip("no GPU")
    answers = []
    for device in ("cpu", "cuda"):
        server = Server(anomctl, "--bundle", bundle, "--device", device)
        answers.append(server.post("/v2/models/plant/infer", json=body(16)).json()["outputs"])
        server.stop()
    for ours, theirs in zip(*answers):
        numpy.testing.assert_allclose(numpy.array(ours["data"], float), numpy.array(theirs["data"], float), rtol=1e-4, atol=1e-5)
