"""A real MLflow server on loopback, of the virtual environment that `scripts/setup --test` makes for it."""

import os
import pathlib
import subprocess
import time
import urllib.request

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
