"""`create-datasets --source influx --influx-url`: from a running InfluxDB, by a small server that answers as it does and
by the real one."""

import http.server
import json
import pathlib
import re
import subprocess
import sys
import threading

import pytest
import requests
from conftest import free_port, wait_for_port

INFLUXD = pathlib.Path(sys.prefix) / "stack/influxd"
TOKEN = "my-secret-token-of-influx"
START = 1_767_225_600  # 2026-01-01T00:00:00Z
HOURS = 30
TAG = 'North, "hall" 1'
SPAN = ("--start", "2026-01-01T00:00:00Z", "--stop", "2026-01-02T06:00:00Z")


def stamp(second):
    day, rest = divmod(second - START, 86400)
    return f"2026-01-{1 + day:02}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}Z"


def points():
    """(measurement, tags, field, second, value): two rates, a gap of three hours, a tag that needs quotes, verdicts."""
    out = []
    for second in range(START, START + HOURS * 3600, 60):
        if 10 * 3600 <= second - START < 13 * 3600:
            continue
        minute = (second - START) // 60
        bad = 1500 <= minute < 1520
        out.append(("reading", {"site": TAG}, "flow", second, 10 + minute % 7 + (50 if bad else 0)))
        if minute % 5 == 0:
            out.append(("reading", {"site": TAG}, "power", second, 2.5 + minute % 3))
        out.append(("reading", {"site": "South"}, "flow", second, -1))
        out.append(("verdict", {"site": TAG}, "is_anomaly", second, int(bad)))
    return out


def csv_cell(text):
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n') else text


def annotated(selected, start, stop):
    """The answer of InfluxDB 2.7 to a query of these points."""
    tables = {}
    for measurement, tags, field, second, value in selected:
        tables.setdefault((measurement, tags["site"], field), []).append((second, value))
    if not tables:
        return "\r\n"
    lines = ["#group,false,false,true,true,false,false,true,true,true", "#datatype,string,long,dateTime:RFC3339,"
             "dateTime:RFC3339,dateTime:RFC3339,double,string,string,string", "#default,_result,,,,,,,,",
             ",result,table,_start,_stop,_time,_value,_field,_measurement,site"]
    for number, ((measurement, site, field), rows) in enumerate(sorted(tables.items())):
        lines += [f",,{number},{start},{stop},{stamp(second)},{value},{field},{measurement},{csv_cell(site)}"
                  for second, value in rows]
    return "\r\n".join(lines) + "\r\n\r\n"


class FakeInflux:
    """Answers the queries that anomctl makes; the first tries of some slices go wrong, each in another way."""

    def __init__(self, faults=()):
        self.queries, self.faults, self.all = [], list(faults), points()
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                fake.answer(self, json.loads(self.rfile.read(int(self.headers["content-length"]))))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, handler, body):
        query = body["query"]
        assert body["dialect"]["annotations"] == ["group", "datatype", "default"]
        if handler.headers["authorization"] != f"Token {TOKEN}":
            return self.send(handler, 401, '{"code":"unauthorized","message":"unauthorized access"}')
        start, stop = re.search(r"range\(start: (\S+), stop: (\S+)\)", query).groups()
        names = {json.loads(literal) for literal in re.findall(r'r\._measurement == ("(?:[^"\\]|\\.)*")', query)}
        sites = {json.loads(literal) for literal in re.findall(r'r\["site"\] == ("(?:[^"\\]|\\.)*")', query)}
        text = annotated([p for p in self.all if start <= stamp(p[3]) < stop and (not names or p[0] in names)
                          and (not sites or p[1]["site"] in sites)], start, stop)
        self.queries.append((start, stop))
        fault = self.faults.pop(0) if len(text) > 1000 and self.faults else None
        if fault == "503":
            return self.send(handler, 503, '{"code":"unavailable","message":"busy"}')
        if fault == "late error":
            text += "#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,engine closed,897\r\n\r\n"
        self.send(handler, 200, text, cut=fault == "cut")

    def send(self, handler, status, text, cut=False):
        raw = text.encode()
        handler.send_response(status)
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        for at in range(0, len(raw), 5000):
            piece = raw[at:at + 5000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if cut and at > len(raw) // 2:
                handler.close_connection = True
                return handler.wfile.flush()
        handler.wfile.write(b"0\r\n\r\n")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def fake():
    it = FakeInflux(["cut", "503", "late error"])
    yield it
    it.close()


def live(anomctl, url, name, *more, code=0, org="wind mill"):
    (anomctl.folder / "token").write_text(TOKEN + "\n")
    return anomctl("create-datasets", "--source", "influx", "--name", name, "--influx-url", url, "--influx-org", org,
                   "--influx-bucket", "sensors", "--influx-token-file", "token", *more, code=code)


def files_of(folder):
    """The data set's bytes; of meta.json all but where it came from."""
    out = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".csv"}
    meta = json.loads(re.sub(r"first at .*? at 2026", "first at 2026", (folder / "meta.json").read_text()))
    meta.pop("source")
    meta.pop("name")
    return out, meta


def exported(anomctl, selected):
    """The same points as a file that the Data Explorer saved, with the anomaly that the verdicts tell."""
    (anomctl.folder / "export.csv").write_bytes(annotated(selected, SPAN[1], SPAN[3]).encode())
    (anomctl.folder / "known.csv").write_text("start_time,end_time\n2026-01-02T01:00:00Z,2026-01-02T01:19:00Z\n")
    anomctl("create-datasets", "--source", "influx", "--data-csv", "export.csv", "--anomalies-csv", "known.csv", "--name",
            "file", code=0)


def test_live_and_exported_make_the_same_data_set(anomctl, fake):
    exported(anomctl, [p for p in fake.all if p[0] == "reading" and p[1]["site"] == TAG])
    done = live(anomctl, fake.url, "live", *SPAN, "--measurement", "reading", "--tag", f"site={TAG}", "--anomalies-csv",
                "known.csv")
    assert files_of(anomctl.folder / "datasets/live") == files_of(anomctl.folder / "datasets/file")
    assert not fake.faults and done.err.count("is asked for again") == 3, done
    assert TOKEN not in done.out + done.err
    assert len(fake.queries) > 6  # the range was read in slices


def test_verdicts_in_the_same_bucket_label_the_rows(anomctl, fake):
    exported(anomctl, [p for p in fake.all if p[0] == "reading" and p[1]["site"] == TAG])
    live(anomctl, fake.url, "live", *SPAN, "--measurement", "reading", "--tag", f"site={TAG}", "--verdicts", "verdict")
    ours, theirs = files_of(anomctl.folder / "datasets/live"), files_of(anomctl.folder / "datasets/file")
    assert ours[0] == theirs[0]


@pytest.mark.parametrize("arguments, words, code", [
    (("--start", "soon"), "--start 'soon'", 2),
    (("--start", "2026-01-02T00:00:00Z", "--stop", "2026-01-01T00:00:00Z"), "is not after", 2),
    ((), "wants --start", 2),
    ((*SPAN, "--data-csv", "x.csv"), "give one of them", 2),
    ((*SPAN, "--tag", "site"), "expected KEY=VALUE", 2),
    ((*SPAN, "--measurement", 'x") |> drop('), "holds no table with rows", 4),
])
def test_what_does_not_go_together_is_said(anomctl, fake, arguments, words, code):
    fake.faults.clear()
    done = live(anomctl, fake.url, "live", *arguments, code=code)
    assert words in done.err and done.err.count("error:") == 1 and TOKEN not in done.err, done


def test_a_server_that_refuses_or_is_not_there_is_said(anomctl, fake):
    (anomctl.folder / "other").write_text("wrong-token")
    done = anomctl("create-datasets", "--source", "influx", "--influx-url", fake.url, "--influx-org", "o", "--influx-bucket",
                   "b", "--influx-token-file", "other", *SPAN, code=1)
    assert "unauthorized access" in done.err and "influx-token-file" in done.err and "wrong-token" not in done.err
    assert "asked for 3 times" in live(anomctl, f"http://127.0.0.1:{free_port()}", "live", *SPAN, code=5).err


class Influxd:
    def __init__(self, folder):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        folder.mkdir()
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(
            [INFLUXD, "run", "--bolt-path", folder / "bolt", "--sqlite-path", folder / "sqlite",
             "--engine-path", folder / "engine", "--http-bind-address", f"127.0.0.1:{self.port}", "--reporting-disabled"],
            stdout=self.log, stderr=self.log)
        wait_for_port(self.port, self.process, 60)
        self.call("setup", {"username": "admin", "password": "long-password", "org": "windmill", "bucket": "sensors",
                            "retentionPeriodSeconds": 0, "token": TOKEN}, 201)

    def call(self, path, body, status):
        answer = requests.post(f"{self.url}/api/v2/{path}", timeout=120, headers={"Authorization": f"Token {TOKEN}"},
                               **({"json": body} if isinstance(body, dict) else {"data": body.encode()}))
        assert answer.status_code == status, answer.text
        return answer.content

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


@pytest.mark.stack
@pytest.mark.timeout(300)
def test_a_real_influxdb_gives_the_same_live_and_exported(anomctl, tmp_path):
    assert INFLUXD.exists(), "no influxd: scripts/setup --stack builds it"
    influxd = Influxd(tmp_path / "influxd")
    try:
        # In line protocol a tag's commas, blanks and equals signs stand behind a backslash, quotes stand alone.
        tag = 'North, "hall" ${1} a=b\\c'
        written = re.sub(r"([, =])", r"\\\1", tag)
        lines = []
        for measurement, tags, field, second, value in points():
            site = written if tags["site"] == TAG else "South"
            lines.append(f"{measurement},site={site} {field}={float(value)} {second}")
        for at in range(0, len(lines), 5000):
            influxd.call("write?org=windmill&bucket=sensors&precision=s", "\n".join(lines[at:at + 5000]), 204)
        query = ('from(bucket: "sensors") |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-02T06:00:00Z) '
                 '|> filter(fn: (r) => r._measurement == "reading" and r.site != "South")')
        export = influxd.call("query?org=windmill", {"query": query, "type": "flux",
                                                     "dialect": {"annotations": ["group", "datatype", "default"]}}, 200)
        (tmp_path / "export.csv").write_bytes(export)
        (tmp_path / "known.csv").write_text("start_time,end_time\n2026-01-02T01:00:00Z,2026-01-02T01:19:00Z\n")
        anomctl("create-datasets", "--source", "influx", "--data-csv", "export.csv", "--anomalies-csv", "known.csv",
                "--name", "file", code=0)
        common = (*SPAN, "--measurement", "reading", "--tag", f"site={tag}")
        live(anomctl, influxd.url, "live", *common, "--anomalies-csv", "known.csv", org="windmill")
        assert files_of(tmp_path / "datasets/live") == files_of(tmp_path / "datasets/file")
        live(anomctl, influxd.url, "judged", *common, "--verdicts", "verdict", org="windmill")
        assert files_of(tmp_path / "datasets/judged")[0] == files_of(tmp_path / "datasets/file")[0]
        for attack in ('x") |> to(bucket: "other', 'reading") or true or (r._measurement == "'):
            done = live(anomctl, influxd.url, "x", *SPAN, "--measurement", attack, org="windmill", code=4)
            assert "holds no table with rows" in done.err
        missing = live(anomctl, influxd.url, "x", *SPAN, org="nobody", code=1).err
        assert "not found" in missing and TOKEN not in missing
    finally:
        influxd.close()
