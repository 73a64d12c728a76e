"""Starts `anomctl serve` for a test."""

import os
import select
import time


class Server:
    """A running server; `url` is that of the protocol, `metrics_url` that of the metrics."""

    def __init__(self, anomctl, *arguments, env=None, wait_ready=True, **popen):
        import requests

        self.session = requests.Session()
        self.process = anomctl.start("serve", "--http-port", 0, "--metrics-port", 0, "--no-access-log", *arguments, env=env, **popen)
        lines = self._lines(2)
        assert len(lines) == 2, self.process.communicate(timeout=10)
        self.url = lines[0].split()[-1].removesuffix("/v2")
        self.metrics_url = lines[1].split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])
        if wait_ready:
            self.wait(lambda: self.session.get(self.url + "/v2/health/ready").status_code == 200, "readiness")

    def _lines(self, n, timeout=20):
        text, deadline, pipe = "", time.monotonic() + timeout, self.process.stdout.fileno()
        while text.count("\n") < n and time.monotonic() < deadline:
            if select.select([pipe], [], [], 0.1)[0]:
                chunk = os.read(pipe, 4096).decode()
                if not chunk:
                    break
                text += chunk
        return text.splitlines()

    def wait(self, condition, what, timeout=20):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"no {what} within {timeout} s"
            assert self.process.poll() is None, self.process.communicate(timeout=10)
            select.select([], [], [], 0.01)

    def get(self, path, **options):
        return self.session.get(self.url + path, **options)

    def post(self, path, **options):
        return self.session.post(self.url + path, **options)

    def metrics(self):
        return self.session.get(self.metrics_url).text

    def stop(self, timeout=30):
        """Ends it as an operator does; returns the exit code and what it logged."""
        if self.process.poll() is None:
            self.process.terminate()
        _, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, err
