"""Alerts that webhooks and commands have not taken outlive `manage`: a kill, an end, a receiver that is away or hangs."""

import http.server
import json
import signal
import socket
import threading
import time

from streams import end, start_manage
from test_alerts import Rows


class Hook:
    """A webhook on a port of its own, which can be away: nobody listens then."""

    def __init__(self, port):
        self.port, self.bodies, self.server = port, [], None
        self.status = 204

    def start(self):
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                hook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(hook.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/services/SECRETPATH"


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def kill(process):
    process.send_signal(signal.SIGKILL)
    return process.communicate(timeout=20)[1]


def told(alerts):
    return [(a["id"], a["state"]) for a in alerts]


def episodes(rows, n):
    for _ in range(n):
        rows.send(5, add_power=6)
        rows.send(45)


def test_alerts_wait_on_disk_for_a_receiver_that_is_away(plant, broker, listener, free_port, tmp_path):
    hook, taken = Hook(free_port()), tmp_path / "taken"
    # A command that fails until it may not.
    command = f"test -e {tmp_path}/open && cat >> {taken}"
    arguments = ("--no-data-after", "0", "--off-rows", "3", "--state-dir", tmp_path / "state", "--webhook", hook.url,
                 "--alert-command", command, "--json")
    process = start_manage(plant, broker.url, listener, *arguments)
    rows = Rows(listener)
    rows.send(50)
    episodes(rows, 2)
    listener.wait_for(lambda: len(listener.below("alert")) == 4)
    said = kill(process)
    assert "SECRETPATH" not in said and not any(b"SECRETPATH" in p.read_bytes() for p in (tmp_path / "state").iterdir())

    # Still away, and ended in order: what waits is told, and waits on.
    process = start_manage(plant, broker.url, listener, *arguments)
    episodes(rows, 1)
    listener.wait_for(lambda: len(listener.below("alert")) >= 6)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143 and time.monotonic() - began < 15, err
    counts = json.loads(out)
    assert counts["kept"] == 12 and counts["notified"] == counts["not_notified"] == 0
    assert "12 verdicts and alerts wait" in err

    hook.start()
    (tmp_path / "open").touch()
    process = start_manage(plant, broker.url, listener, *arguments)
    until(lambda: len(hook.bodies) >= 6 and taken.exists() and len(taken.read_text().splitlines()) >= 6)
    counts = json.loads(end(process))
    alerts = list({json.dumps(a): a for a in listener.below("alert")}.values())  # MQTT may repeat one too
    assert hook.bodies == alerts and [json.loads(line) for line in taken.read_text().splitlines()] == alerts
    assert len(set(told(alerts))) == 6 and counts["notified"] == 12 and counts["kept"] == 0

    # Nothing of it comes again.
    process = start_manage(plant, broker.url, listener, *arguments)
    episodes(rows, 1)
    until(lambda: len(hook.bodies) >= 8)
    end(process)
    hook.stop()
    assert len(set(told(hook.bodies))) == 8 == len(hook.bodies)


def test_killed_while_alerts_are_delivered(plant, broker, listener, free_port, tmp_path):
    hook = Hook(free_port())
    arguments = ("--no-data-after", "0", "--off-rows", "3", "--state-dir", tmp_path / "state", "--webhook", hook.url)
    rows = Rows(listener)
    for round in range(6):
        process = start_manage(plant, broker.url, listener, *arguments)
        if round % 2 == 1:
            hook.start()
        if round == 0:
            rows.send(50)
        episodes(rows, 2)
        listener.wait_for(lambda: len(set(told(listener.below("alert")))) > 2 * round)  # not all of this round's
        kill(process)
        if round % 2 == 1:
            hook.stop()
    hook.start()
    process = start_manage(plant, broker.url, listener, *arguments)
    listener.wait_for(lambda: len({v["id"] for v in listener.below("anomaly")}) == rows.row)
    until(lambda: set(told(hook.bodies)) == set(told(listener.below("alert"))))
    end(process)
    hook.stop()
    assert len(set(told(hook.bodies))) >= 14
    first = list(dict.fromkeys(told(hook.bodies)))
    assert first == list(dict.fromkeys(told(listener.below("alert"))))  # in order, but for repeats


def test_a_receiver_that_hangs_or_refuses_one_alert(plant, broker, listener, free_port, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes connections and says nothing
        port = deaf.getsockname()[1]
        process = start_manage(plant, broker.url, listener, "--no-data-after", "0", "--off-rows", "3", "--state-dir",
                               tmp_path / "state", "--webhook", f"http://127.0.0.1:{port}/hook", "--json")
        rows = Rows(listener)
        rows.send(50)
        episodes(rows, 1)
        listener.wait_for(lambda: len(listener.below("alert")) == 2)
        began = time.monotonic()
        counts = json.loads(end(process))
        assert time.monotonic() - began < 15 and counts["kept"] == 2
    # Another receiver: alerts for the one before have nowhere to go. It refuses what it gets.
    hook = Hook(free_port())
    hook.status = 400
    hook.start()
    process = start_manage(plant, broker.url, listener, "--no-data-after", "0", "--off-rows", "3", "--state-dir",
                           tmp_path / "state", "--webhook", hook.url, "--json")
    episodes(rows, 1)
    until(lambda: len(hook.bodies) >= 5, 60)
    hook.status = 204
    until(lambda: len(set(told(hook.bodies))) == 2, 60)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    hook.stop()
    counts = json.loads(out)
    assert told(hook.bodies)[:5] == [told(hook.bodies)[0]] * 5 and counts["notified"] == 1
    assert counts["not_notified"] == 2 + 1 and counts["kept"] == 0
    assert "no longer given" in err and "it is dropped: it answered 400" in err and "SECRET" not in err
