"""`manage --influx-url`: readings, verdicts and alerts as line protocol at a server that at first does not take them."""

import http.server
import json
import threading

import pytest

from conftest import Broker
from streams import Listener, end, make_plant, start_manage


@pytest.fixture
def influx():
    """A server that keeps what is written to it, after one 503; .requests holds path, headers, lines."""
    requests, refused = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            if not refused:
                refused.append(body)
                self.send_response(503)
            else:
                requests.append((self.path, dict(self.headers), body.splitlines()))
                self.send_response(204)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.requests, server.refused = requests, refused
    yield server
    server.shutdown()
    server.server_close()


def test_points_reach_influx_in_the_end(anomctl, influx, tmp_path):
    make_plant(anomctl)
    broker = Broker(tmp_path / "broker")
    listener = Listener(broker.port)
    (anomctl.folder / "token").write_text("secret-word\n")
    process = start_manage(anomctl, broker.url, listener, "--bundle", "pump.bundle", "--no-data-after", 0, "--json",
                           "--influx-url", f"http://127.0.0.1:{influx.server_address[1]}", "--influx-org", "wind mill",
                           "--influx-bucket", "sensors", "--influx-token-file", "token")
    anomctl("generate", "--dataset", "pump", "--mqtt-url", broker.url, "--rate", "0", code=0)
    listener.wait_for(lambda: len(listener.payloads("anomaly")) == 700)
    listener.close()
    counts = json.loads(end(process))
    broker.stop()
    alerts = counts["episodes"] + sum(json.loads(p)["state"] == "closed" for _, p in listener.payloads("alert"))
    assert influx.refused and counts["influx_dropped"] == 0
    assert counts["influx_written"] == sum(len(lines) for _, _, lines in influx.requests) >= 2 * 700 + alerts - 1
    path, headers, lines = influx.requests[0]
    assert path == "/api/v2/write?org=wind%20mill&bucket=sensors&precision=ns"
    assert {name.lower(): value for name, value in headers.items()}["authorization"] == "Token secret-word"
    reading = next(line for line in lines if line.startswith("reading,"))
    assert reading.startswith("reading,org=windmill,sensor=blade flow=") and ",power=" in reading
    verdict = next(line for line in lines if line.startswith("verdict,"))
    assert verdict.startswith("verdict,org=windmill,sensor=blade,model=pump id=\"")
    assert any(line.startswith("alert,") and "reason=\"power at" in line for _, _, lines in influx.requests for line in lines)
