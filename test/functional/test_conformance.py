"""One suite for two servers: what clients of MLServer rely on, against anomctl and against the real MLServer.

MLServer is looked for in the virtual environment that ANOMCTL_MLSERVER names, else where `scripts/setup --mlserver`
puts it; where there is none, its half is skipped and says so.
"""

import http.client
import http.server
import json
import os
import pathlib
import subprocess
import threading
import time

import conformance
import numpy
import pytest
import requests
from bundles import make_bundle
from conftest import REPOSITORY, free_port
from serving import Server


def mlserver_folder():
    given = os.environ.get("ANOMCTL_MLSERVER")
    if given:
        return pathlib.Path(given)
    prefix = subprocess.run([REPOSITORY / "scripts/setup", "--print-prefix"], capture_output=True, text=True, check=True)
    return pathlib.Path(prefix.stdout.strip() + "-mlserver")


def windows_of(series, rows):
    return [series[i:i + rows] for i in range(len(series) - rows + 1)]


@pytest.fixture(scope="module")
def ours(anomctl_in, tmp_path_factory):
    program = anomctl_in(tmp_path_factory.mktemp("conformance"))
    bundle = make_bundle(program, program.folder / "bundle", sensors=3, window=conformance.ROWS - 1, threshold=1,
                         columns=conformance.COLUMNS)
    # The scores come from another road: rows of a file, not windows of a request.
    numpy.savetxt(program.folder / "rows.csv", conformance.SERIES, delimiter=",")
    table = program("score", "--bundle", bundle, "--input", "rows.csv", "--details", code=0).out.splitlines()
    rows = [dict(zip(table[0].split(","), line.split(","))) for line in table[1:]]

    def of(kind):
        return numpy.array([[float(row[f"{kind}_{c}"]) for c in conformance.COLUMNS] for row in rows])

    scores = [float(row["score"]) for row in rows]
    # What was expected is the mean of forecast and reconstruction, as gamma is 1.
    own = {"threshold": 1.0, "contribution": of("score"), "expected": (of("forecast") + of("reconstruction")) / 2}
    server = Server(program, "--bundle", f"windows={bundle}", "--bundle", f"plain={bundle}", "--bundle", f"table={bundle}")
    yield conformance.Target(server.url, scores, own)
    assert server.stop()[0] == 143


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    python = mlserver_folder() / "bin/python"
    if not python.exists():
        pytest.skip(f"no MLServer in {python.parent.parent}: scripts/setup --mlserver installs it")
    folder = tmp_path_factory.mktemp("mlserver")
    subprocess.run([python, pathlib.Path(__file__).parent / "mlserver_models.py", folder, str(conformance.ROWS),
                    *conformance.COLUMNS], check=True, timeout=300, capture_output=True)
    port = free_port()
    (folder / "settings.json").write_text(json.dumps(
        {"host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port(), "debug": False,
         "parallel_workers": 0}))
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([python.parent / "mlserver", "start", folder], stdout=log, stderr=log, cwd=folder)
    try:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 200
        while True:
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()[-3000:]
            try:
                if requests.get(url + "/v2/health/ready", timeout=5).status_code == 200:
                    break
            except requests.ConnectionError:
                time.sleep(0.2)
        means = [window.mean() for window in windows_of(conformance.SERIES, conformance.ROWS)]
        yield conformance.Target(url, means)
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("check", conformance.CHECKS + conformance.OWN_CHECKS, ids=lambda check: check.__name__)
def test_anomctl(ours, check):
    check(ours)


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
def test_mlserver(theirs, check):
    check(theirs)


class AlteringProxy:
    """Passes on every exchange, and lets `alter(path, status, headers, body)` change each answer."""

    def __init__(self, target, alter):
        host = target.url.split("//")[1]

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                upstream = http.client.HTTPConnection(host, timeout=60)
                upstream.request(self.command, self.path, body, {k: v for k, v in self.headers.items() if k != "Connection"})
                answer = upstream.getresponse()
                status, headers, content = alter(self.path, answer.status, dict(answer.getheaders()), answer.read())
                upstream.close()
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "connection", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", len(content))
                self.end_headers()
                self.wfile.write(content if self.command != "HEAD" else b"")

            do_GET = do_POST = do_HEAD = pass_on

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def change_status(before, after, fragment):
    def alter(path, status, headers, body):
        return (after if status == before and fragment in path else status), headers, body
    return alter


def change_inference(change):
    def alter(path, status, headers, body):
        if status == 200 and path.endswith("/infer") and headers.get("content-type") == "application/json" \
                and "content-encoding" not in headers:
            answer = json.loads(body)
            change(answer)
            body = json.dumps(answer).encode()
        return status, headers, body
    return alter


def change_output(name, change):
    return change_inference(lambda body: [change(o) for o in body["outputs"] if o["name"] == name])


def change_body(fragment, old, new):
    def alter(path, status, headers, body):
        return status, headers, body.replace(old, new) if fragment in path else body
    return alter


ALTERATIONS = {
    "nothing": lambda *answer: answer[1:],
    "infer answers 202": change_status(200, 202, "/infer"),
    "ready answers 204": change_status(200, 204, "/v2/health/ready"),
    "an unknown model is a 400": change_status(404, 400, "/v2/models/nope/infer"),
    "a missing field is a 400": change_status(422, 400, "/infer"),
    "a wrong method is a 404": change_status(405, 404, ""),
    "unload answers 201": change_status(200, 201, "/unload"),
    "one score is 1 % off": change_inference(lambda b: b["outputs"][0]["data"].__setitem__(0, b["outputs"][0]["data"][0] * 1.01)),
    "one score is missing": change_inference(lambda b: b["outputs"][0]["data"].pop()),
    "two scores are swapped": change_inference(lambda b: b["outputs"][0]["data"].reverse()),
    "the output has another name": change_inference(lambda b: b["outputs"][0].update(name="output-2")),
    "the output has another shape": change_inference(lambda b: b["outputs"][0].update(shape=[len(b["outputs"][0]["data"])])),
    "the output has another datatype": change_inference(lambda b: b["outputs"][0].update(datatype="INT64")),
    **{f"{name} is altered": change_output(name, change) for name, change in {
        "score": lambda o: o["data"].__setitem__(0, o["data"][0] * 1.01),
        "is_anomaly": lambda o: o["data"].__setitem__(0, not o["data"][0]),
        "contribution": lambda o: o["data"].reverse(),
        "expected": lambda o: o["data"].__setitem__(0, o["data"][0] + 1000)}.items()},
    "expected has another shape": change_output("expected", lambda o: o.update(shape=[len(o["data"])])),
    "the threshold is lost": change_inference(lambda b: b["parameters"].pop("threshold", None)),
    "another threshold": change_body("/v2/models/windows", b'"threshold":1', b'"threshold":2'),
    "the id is lost": change_inference(lambda b: b.update(id="other")),
    "the version is lost": change_inference(lambda b: b.update(model_version="")),
    "a model is said to be unavailable": change_body("/index", b"READY", b"UNAVAILABLE"),
    "metadata with another shape": change_body("/v2/models/windows", b"[-1,9,3]", b"[-1,8,3]"),
    "an error without its text": change_body("/infer", b'"error"', b'"fault"'),
}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_the_suite_sees_an_alteration(ours, name):
    seen = []
    for model in ("windows", "plain"):  # a check that failed may have left them unloaded
        assert ours.post(f"/v2/repository/models/{model}/load").status_code == 200
    with AlteringProxy(ours, ALTERATIONS[name]) as proxy:
        target = ours.through(proxy.url)
        for check in conformance.CHECKS + conformance.OWN_CHECKS:
            try:
                check(target)
            except Exception as failure:  # whatever ends a check fails it
                seen.append(f"{check.__name__} ({type(failure).__name__})")
                if name != "nothing":
                    break
    print(f"{name}: seen by {', '.join(seen) or 'no check'}")
    assert bool(seen) == (name != "nothing"), seen
