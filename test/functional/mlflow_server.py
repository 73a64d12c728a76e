"""A real MLflow server on loopback, of the virtual environment that `scripts/setup --test` makes for it."""

import http.server
import os
import pathlib
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

import requests
from conftest import free_port

PREFIX = pathlib.Path(os.environ.get("ANOMCTL_PREFIX", pathlib.Path(
    os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "anomctl/prefix"))
PROGRAM = PREFIX.with_name(PREFIX.name + "-mlflow") / "bin/mlflow"


class MlflowServer:
    """.url, .stop(), .start() again on the same port and data."""

    def __init__(self, folder, *options, env=None):
        assert PROGRAM.exists(), "no MLflow server: run scripts/setup --test"
        self.folder, self.options, self.env, self.port = pathlib.Path(folder), options, env or {}, free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = None
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", **self.env}
        # Uvicorn's own threads, not a process a request: --workers 1.
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [str(PROGRAM), "server", "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db",
                 "--artifacts-destination", str(self.folder / "artifacts"), "--host", "127.0.0.1",
                 "--port", str(self.port), "--workers", "1", *self.options],
                stdout=log, stderr=log, env=env, cwd=self.folder, start_new_session=True)
        end = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(self.url + "/health", timeout=5):
                    return
            except urllib.error.HTTPError as refused:
                if refused.code in (401, 403):
                    return  # it asks who we are
                raise
            except OSError:
                assert time.monotonic() < end and self.process.poll() is None, (self.folder / "server.log").read_text()
                time.sleep(0.1)

    def stop(self):
        """As a kill: whatever is under way is cut off."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, 9)
            self.process.wait(20)


def write_back(client, run_id, folder):
    """The run as MLflow's client reads it: params, points by metric, artifacts by name."""
    run = client.get_run(run_id)
    points = {name: [(p.step, p.value) for p in client.get_metric_history(run_id, name)] for name in run.data.metrics}
    client.download_artifacts(run_id, "", str(folder))
    files = {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}
    return run, points, files


class Guard:
    """A proxy with TLS before a server that lets in only who shows `authorization`, and notes what it turned away."""

    def __init__(self, server, authorization, cert, key):
        outer, self.refused, self.passed = self, 0, 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def relay(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                if self.headers.get("authorization") != authorization:
                    outer.refused += 1
                    return self.answer(401, "text/plain", b"who are you?")
                outer.passed += 1
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "authorization")}
                answer = requests.request(self.command, server.url + self.path, data=body, headers=headers, timeout=60)
                self.answer(answer.status_code, answer.headers.get("content-type", ""), answer.content)

            do_GET = do_POST = do_PUT = do_PATCH = relay

            def answer(self, status, kind, body):
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()
