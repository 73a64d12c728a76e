"""What manage tells beside scores: silence, broken sensors, idle machines, maintenance, and people who are told."""

import http.server
import json
import math
import random
import threading

from streams import end, start_manage

LONG_AGO = "2026-04-01T"


class Rows:
    """Readings of an asset, a second apart, that look like those of the training unless told otherwise."""

    def __init__(self, listener, asset="blade"):
        self.listener, self.topic, self.row, self.noise = listener, f"windmill/sensor/{asset}", 0, random.Random(1)

    def stamp(self, row):
        return f"{LONG_AGO}{row // 3600:02}:{row // 60 % 60:02}:{row % 60:02}Z"

    def send(self, n=1, **odd):
        """`odd`: a value instead of the usual one, or with add_SENSOR one that is added to it."""
        for _ in range(n):
            flow = odd.get("flow", math.sin(self.row / 30) + 0.05 * self.noise.gauss(0, 1))
            values = {"flow": flow, "power": 2 * flow + 0.05 * self.noise.gauss(0, 1)}
            for name in values:
                values[name] = odd.get(name, values[name] + odd.get(f"add_{name}", 0))
            self.listener.send(json.dumps({"time": self.stamp(self.row), **values}), self.topic)
            self.row += 1


def verdicts(listener, n):
    listener.wait_for(lambda: len(listener.below("anomaly")) >= n)
    return listener.below("anomaly")


def test_silence_is_told_and_ends_with_the_next_reading(plant, broker, listener):
    process = start_manage(plant, broker.url, listener, "--no-data-after", "0.4")
    rows = Rows(listener)
    rows.send(3)
    said = verdicts(listener, 4)
    assert [v["state"] for v in said] == ["warmup"] * 3 + ["no_data"]
    assert said[3]["time"] == f"{LONG_AGO}00:00:02.400Z" and said[3]["is_anomaly"] == 0 and "score" not in said[3]
    listener.wait_for(lambda: listener.below("alert"))
    rows.send(1)
    listener.wait_for(lambda: len(listener.below("alert")) >= 2)
    alerts = listener.below("alert")
    assert [(a["kind"], a["state"]) for a in alerts[:2]] == [("no_data", "open"), ("no_data", "closed")]
    assert alerts[0]["id"] == alerts[1]["id"] and "no reading for 400ms" in alerts[0]["reason"]
    end(process)


def test_a_stuck_and_an_impossible_sensor_are_faults_not_anomalies(plant, broker, listener):
    process = start_manage(plant, broker.url, listener, "--no-data-after", "0", "--sensor-range", "power=-20..20",
                           "--off-rows", "3", "--json")
    rows = Rows(listener)
    rows.send(50)
    rows.send(2, power=1e6)
    rows.send(20)
    rows.send(40, flow=0.5)
    rows.send(40)
    said = verdicts(listener, 152)
    assert [said[i]["state"] for i in (50, 51)] == ["sensor_fault"] * 2
    assert said[50]["reason"] == "power shows 1e+06, where -20 to 20 is possible" and said[50]["is_anomaly"] == 0
    assert said[100]["state"] == "sensor_fault" and "flow has shown 0.5 for" in said[100]["reason"]
    listener.wait_for(lambda: sum(a["kind"] == "sensor_fault" for a in listener.below("alert")) >= 4)
    faults = [(a["fault"], a["top1"], a["state"]) for a in listener.below("alert") if a["kind"] == "sensor_fault"]
    assert faults == [("out_of_range", "power", "open"), ("out_of_range", "power", "closed"),
                      ("stuck", "flow", "open"), ("stuck", "flow", "closed")]
    counts = json.loads(end(process))
    assert counts["faulty"] == 2 + 30 and counts["readings"] == 152


def test_maintenance_mutes_and_what_outlasts_it_is_told(plant, broker, listener):
    rows = Rows(listener)
    window = f"blade@{rows.stamp(60)}/{rows.stamp(99)}"
    process = start_manage(plant, broker.url, listener, "--no-data-after", "0", "--maintenance", window, "--json")
    rows.send(60)
    rows.send(5, add_power=4)   # begins and ends within the window
    rows.send(60)               # rows 65 to 124
    said = verdicts(listener, 125)
    assert {v["state"] for v in said[60:100]} == {"muted"} and "muted" not in {v["state"] for v in said[100:]}
    assert any(v["is_anomaly"] and v["score"] > v["threshold"] and v["episode"] for v in said[60:70])  # recorded
    assert not listener.below("alert")

    listener.send(json.dumps({"start": rows.stamp(125), "end": rows.stamp(144), "reason": "new filter"}),
                  "windmill/maintenance/blade")
    rows.send(30, add_power=4)  # goes on after the window
    said = verdicts(listener, 155)
    assert said[130]["state"] == "muted" and said[130]["reason"].startswith("maintenance, new filter: ")
    listener.wait_for(lambda: listener.below("alert"))
    alert = listener.below("alert")[0]
    assert alert["state"] == "open" and alert["start"] < rows.stamp(144) and said[145]["state"] == "open"
    counts = json.loads(end(process))
    assert counts["muted_verdicts"] == 60 and counts["muted_alerts"] == 2


def test_a_latched_alert_stays_until_it_is_acknowledged(plant, broker, listener):
    process = start_manage(plant, broker.url, listener, "--no-data-after", "0", "--latch", "--off-rows", "2")
    rows = Rows(listener)
    rows.send(50)
    rows.send(5, add_power=4)
    rows.send(45)
    assert verdicts(listener, 100)[99]["state"] == "open"
    listener.send('{"acknowledge":true}', "windmill/maintenance/blade")
    rows.send(5)
    said = verdicts(listener, 105)
    assert [v["state"] for v in said[100:102]] == ["closed", "normal"]
    end(process)


class Receiver:
    """A webhook that refuses the first request."""

    def __init__(self):
        self.bodies, self.refused, receiver = [], 0, self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.refused == 0:
                    receiver.refused += 1
                    self.send_response(503)
                else:
                    receiver.bodies.append((self.path, json.loads(body)))
                    self.send_response(204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook?key=secret"


def test_people_are_told_by_webhook_and_command(plant, broker, listener):
    receiver = Receiver()
    process = start_manage(plant, broker.url, listener, "--no-data-after", "0", "--webhook", receiver.url,
                           "--alert-command", "cat >> told.jsonl", "--off-rows", "3", "--json")
    rows = Rows(listener)
    rows.send(50)
    rows.send(5, add_power=4)
    rows.send(40)
    listener.wait_for(lambda: len(listener.below("alert")) == 2)
    out, err = process.communicate(timeout=20) if process.poll() is not None else (end(process), "")
    receiver.server.shutdown()
    alerts = listener.below("alert")
    assert [path for path, _ in receiver.bodies] == ["/hook?key=secret"] * 2 and receiver.refused == 1
    assert [body for _, body in receiver.bodies] == alerts and "secret" not in err
    assert [json.loads(line) for line in (plant.folder / "told.jsonl").read_text().splitlines()] == alerts
    assert json.loads(out)["notified"] == 4 and json.loads(out)["not_notified"] == 0
    opened, closed = alerts
    assert opened["kind"] == "anomaly" and opened["id"] == closed["id"]
    assert opened["top1"] in ("flow", "power") and opened["top1_direction"] in ("higher", "lower")
    assert closed["peak"] >= closed["threshold"] and closed["start"] <= closed["peak_time"] <= closed["end"]
    assert "was expected" in opened["reason"]


def test_idle_machines_are_not_judged(plant, broker, listener):
    process = start_manage(plant, broker.url, listener, "--no-data-after", "0", "--active-when", "flow > -3")
    rows = Rows(listener)
    rows.send(50)
    rows.send(10, flow=-4)
    rows.send(40)
    said = verdicts(listener, 100)
    assert {v["state"] for v in said[50:60]} == {"idle"} and said[50]["reason"] == "idle: not judged unless flow > -3"
    assert said[60]["state"] == "warmup" and said[99]["state"] == "normal" and not listener.below("alert")
    end(process)
    assert "no column" in plant("manage", "--mqtt-url", broker.url, "--active-when", "x > 1", code=2).err
    assert "alert-command is empty" in plant("manage", "--mqtt-url", broker.url, "--alert-command", " ", code=2).err


def test_what_the_network_does_to_readings_is_put_right_or_counted(plant, broker, listener):
    process = start_manage(plant, broker.url, listener, "--no-data-after", "0", "--late", "12s", "--json")
    sent = plant("generate", "--mqtt-url", broker.url, "--rate", "0", "--rows", "400", "--drop", "0.05", "--duplicate",
                 "0.05", "--late", "0.05", "--disorder", "0.05", "--seed", "3", "--json", code=0).json
    listener.wait_for(lambda: len(listener.payloads("sensor")) == sent["published"])
    listener.wait_for(lambda: len(listener.below("anomaly")) >= 400 - sent["dropped"] - 13)
    counts = json.loads(end(process))
    said = listener.below("anomaly")
    assert len(said) == 400 - sent["dropped"] and counts["late"] == 0
    assert counts["duplicates"] + counts["repeated"] == sent["duplicated"] > 5
    assert [v["time"] for v in said] == sorted({v["time"] for v in said})
    assert {v["state"] for v in said[60:]} <= {"normal", "open", "closed"}  # nothing began anew


def test_sensors_that_publish_apart_share_a_grid(plant, broker, listener):
    process = start_manage(plant, broker.url, listener, "--no-data-after", "0", "--period", "1s", "--json")
    for row in range(120):
        flow = math.sin(row / 30)
        listener.send(json.dumps({"time": f"{LONG_AGO}00:{row // 60:02}:{row % 60:02}.200Z", "flow": flow}))
        if row % 2 == 0:
            listener.send(json.dumps({"time": f"{LONG_AGO}00:{row // 60:02}:{row % 60:02}.700Z", "power": 2 * flow}))
    said = verdicts(listener, 115)
    counts = json.loads(end(process))
    assert [v["time"] for v in said[:3]] == [f"{LONG_AGO}00:00:0{s}Z" for s in (1, 2, 3)]
    assert said[110]["state"] == "normal" and counts["rows"] == len(listener.below("anomaly"))
    assert {v["state"] for v in said[40:]} == {"normal"} and counts["readings"] == 180


def test_the_limit_of_the_environment(plant, broker, listener):
    process = plant.start("manage", "--mqtt-url", broker.url, "--no-data-after", "0", env={"THRESHOLD": "1234.5"})
    listener.wait_for(lambda: any(s["state"] == "ready" for s in listener.below("status")))
    Rows(listener).send(40)
    assert verdicts(listener, 40)[39]["threshold"] == 1234.5
    end(process)
    assert "THRESHOLD" in plant("manage", "--mqtt-url", broker.url, env={"THRESHOLD": "much"}, code=2).err
