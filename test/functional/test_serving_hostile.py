"""What nobody who is up to no good can do to `serve`: fill its memory, slip a request past a proxy, stop its answers."""

import gzip
import json
import os
import re
import shutil
import socket
import ssl
import threading
import time

import pytest
import requests
from bundles import make_bundle
from serving import Server
from test_serving import ROWS, SENSORS, body
from test_serving_access import bearer, make_certificates, make_token

INFER = "/v2/models/plant/infer"
MIB = 1 << 20


@pytest.fixture
def bundle(anomctl):
    return make_bundle(anomctl, anomctl.folder / "plant", sensors=SENSORS, window=ROWS - 1, threshold=1)


def memory(server, what="VmHWM"):
    """MiB of the process: the largest it was (VmHWM), or now (VmRSS)."""
    with open(f"/proc/{server.process.pid}/status") as status:
        return int(re.search(rf"{what}:\s*(\d+) kB", status.read())[1]) / 1024


def raw(port, data, timeout=20):
    """Sends the bytes as they are and gives all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as s:
        try:
            s.sendall(data)
        except OSError:
            pass  # refused while it was sent
        answer = b""
        try:
            while chunk := s.recv(65536):
                answer += chunk
        except ConnectionResetError:
            pass
        return answer


def flood(port, head, unit, most=64 * MIB):
    """Sends `head`, then `unit` again and again until the server has had enough; bytes sent and what it said."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
        s.sendall(head)
        block, sent = unit * (65536 // len(unit)), 0
        try:
            while sent < most:
                s.sendall(block)
                sent += len(block)
        except OSError:
            return sent, b""
        s.settimeout(1)
        try:
            return sent, s.recv(4096)
        except OSError:
            return sent, b""


def test_a_chunk_extension_or_trailer_without_end_is_not_kept(anomctl, bundle):
    server = Server(anomctl, "--bundle", bundle)
    base = memory(server)
    head = f"POST {INFER} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    metrics_port = int(server.metrics_url.split(":")[2].split("/")[0])
    for port in (server.port, metrics_port):
        for start in (b"2;a=", b"0\r\nx-t: "):
            sent, _ = flood(port, head + start, b"a")
            assert sent < 40 * MIB, f"{start}: {sent} bytes were taken"
    assert memory(server) < base + 30, memory(server)
    assert server.get("/v2/health/ready").status_code == 200
    server.stop()


def test_a_small_body_does_not_become_a_large_one(anomctl, bundle):
    server = Server(anomctl, "--bundle", bundle)
    base = memory(server)
    for text in (b'{"inputs":[' + b"{}," * 1_500_000 + b"{}]}", b'{"inputs":[1' + b",1" * 2_000_000 + b"]}",
                 b'{"inputs":[{"shape":[""' + b',""' * 1_000_000 + b"]}]}"):
        packed = gzip.compress(text, 1)
        answer = server.post(INFER, data=packed, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})
        assert answer.status_code in (400, 422) and answer.json()["error"] and len(answer.content) < 100_000
    for path, text in (("/invocations", b'{"inputs":[0' + b",0" * 4_000_000 + b"]}"),
                       ("/v2/repository/index", b'{"a":[0' + b",0" * 2_000_000 + b"]}")):
        assert server.post(path, data=text, headers={"Content-Type": "application/json"}).status_code in (400, 422)
    assert memory(server) < base + 300, memory(server) - base
    server.stop()


def test_bodies_under_way_share_a_bound(anomctl, bundle):
    server = Server(anomctl, "--bundle", bundle, "--max-pending-bytes", 8 * MIB)
    base = memory(server)
    head = f"POST {INFER} HTTP/1.1\r\nhost: x\r\ncontent-length: {4 * MIB}\r\n\r\n".encode()
    held = []
    for _ in range(12):  # 4 MiB each, all but the last byte
        s = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        try:
            s.sendall(head + b" " * (4 * MIB - 1))
        except OSError:
            pass
        held.append(s)
    statuses = []
    for s in held:
        s.settimeout(0.5)
        try:
            statuses.append(int(s.recv(64).split()[1]))
        except (OSError, IndexError):
            statuses.append(0)
    assert statuses.count(429) >= 8, statuses
    assert memory(server) < base + 60, memory(server) - base
    for s in held:
        s.close()
    server.wait(lambda: server.post(INFER, json=body()).status_code == 200, "room after the others left")
    assert 'anomctl_refused_total{status_code="429"}' in server.metrics()
    server.stop()


def test_what_is_refused_anyway_is_not_read(anomctl, bundle):
    make_token(anomctl, "robot", "infer")
    server = Server(anomctl, "--bundle", bundle, "--token-file", anomctl.folder / "api_tokens")
    for path, status in ((INFER, b"401"), ("/made/up", b"404")):
        started = time.monotonic()
        answer = raw(server.port, f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {50 * MIB}\r\n\r\n".encode())
        assert answer.split()[1] == status and b'"error"' in answer and b"connection: close" in answer
        assert time.monotonic() - started < 15  # it did not wait for the body
    server.stop()


def test_no_request_is_smuggled(anomctl, bundle):
    server = Server(anomctl, "--bundle", bundle)
    hidden = b"POST /v2/repository/models/plant/unload HTTP/1.1\r\nhost: x\r\n\r\n"
    for coding, status in ((b"xchunked", b"501"), (b"chunked, identity", b"501"), (b"gzip, chunked", b"501")):
        head = b"POST " + INFER.encode() + b" HTTP/1.1\r\nhost: x\r\ntransfer-encoding: " + coding + b"\r\n\r\n"
        answer = raw(server.port, head + hidden)
        assert answer.split()[1] == status and answer.count(b"HTTP/1.1 ") == 1, (coding, answer)
    for head in (b"GET /v2 HTTP/1.1\r\n\r\n", b"GET /v2 HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"):
        assert raw(server.port, head).split()[1] == b"400"
    assert server.post(INFER, json=body()).status_code == 200  # nothing was unloaded
    server.stop()


def test_errors_are_json_whatever_the_path_holds(anomctl, bundle):
    server = Server(anomctl, "--bundle", bundle)
    for path in ("/v2/models/%ff%fe", "/v2/models/%c3%28", "/%80"):
        answer = raw(server.port, f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        assert answer.split()[1] in (b"400", b"404") and json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]
    server.stop()


def test_a_window_without_any_value_is_refused_and_leaves_the_metrics_whole(anomctl, bundle):
    server = Server(anomctl, "--bundle", bundle)
    asked = body()
    asked["inputs"].append({"name": "missing", "shape": [1, SENSORS], "datatype": "BOOL", "data": [True] * SENSORS})
    answer = server.post(INFER, json=asked)
    assert answer.status_code == 400 and "missing every sensor" in answer.json()["error"]
    for content_type in ("str", "hf", "dict"):
        answer = server.post(INFER, json=body() | {"parameters": {"content_type": content_type}})
        assert answer.status_code == 400 and content_type in answer.json()["error"]
    assert server.post(INFER, json=body()).status_code == 200
    assert "nan" not in server.metrics().lower().replace("finance", "")
    server.stop()


def test_a_long_id_comes_back_in_the_body_alone(anomctl, bundle):
    server = Server(anomctl, "--bundle", bundle)
    for name, in_header in (("a" * 200, True), ("b" * 100_000, False)):
        answer = server.post(INFER, json=body() | {"id": name})
        assert answer.status_code == 200 and answer.json()["id"] == name and ("ce-id" in answer.headers) == in_header
    server.stop()


def test_a_client_with_a_certificate_may_resume_its_session(anomctl, bundle):
    folder = anomctl.folder
    make_certificates(folder)
    server = Server(anomctl, "--bundle", bundle, "--tls-cert-file", "server.pem", "--tls-key-file", "server.key",
                    "--tls-client-ca-file", "ca.pem", wait_ready=False)
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "guest.pem", folder / "guest.key")
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # where a session is known as soon as the handshake is over

    def ask(session=None):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as s:
                s.sendall(b"GET /v2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                return s.recv(4096).split()[1], s.session, s.session_reused

    status, session, _ = ask()
    assert status == b"200"
    status, _, reused = ask(session)
    assert status == b"200" and reused
    server.stop()


def test_a_renewed_certificate_is_taken_without_a_restart(anomctl, bundle):
    folder = anomctl.folder
    make_certificates(folder)
    server = Server(anomctl, "--bundle", bundle, "--tls-cert-file", "server.pem", "--tls-key-file", "server.key",
                    "--watch", "50ms", wait_ready=False, stderr=open(folder / "log", "wb"))

    def shown():
        return ssl.get_server_certificate(("127.0.0.1", server.port), timeout=10)

    before = shown()
    (folder / "server.key").write_text("nonsense")  # a bad pair leaves the one before in use
    server.wait(lambda: "the certificate before stays in use" in (folder / "log").read_text(), "the refusal")
    assert shown() == before
    # guest.pem is signed by the same authority for the same address.
    shutil.copy(folder / "guest.pem", folder / "server.pem")
    shutil.copy(folder / "guest.key", folder / "server.key")
    server.wait(lambda: shown() != before, "the new certificate")
    server.stop()


def test_the_last_caller_who_is_taken_out_is_out(anomctl, bundle):
    token = make_token(anomctl, "only", "infer")
    server = Server(anomctl, "--bundle", bundle, "--token-file", anomctl.folder / "api_tokens", "--watch", "50ms")
    assert server.post(INFER, json=body(), headers=bearer(token)).status_code == 200
    assert "lists nobody" in anomctl("api-token", "only", "--remove", code=0).err
    server.wait(lambda: server.post(INFER, json=body(), headers=bearer(token)).status_code == 401, "the removal")
    server.stop()


def test_idle_connections_make_room(anomctl, bundle):
    server = Server(anomctl, "--bundle", bundle, "--max-connections", 8, "--idle-timeout", "10m")
    server.session.close()
    idle = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(8)]

    def answered():
        try:
            return requests.get(server.url + "/v2/health/live", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    server.wait(answered, "room for one more", timeout=30)
    for s in idle:
        s.close()
    server.stop()


def test_a_log_that_nobody_reads_does_not_stop_the_answers(anomctl, bundle):
    """stderr is a full pipe: requests are answered, ready says why not, and once somebody reads, the loss is told."""
    readable, writable = os.pipe()
    server = Server(anomctl, "--bundle", bundle, "--access-log", wait_ready=False, stderr=writable)
    os.close(writable)
    server.wait(lambda: requests.get(server.url + "/v2/health/live").status_code == 200, "the server")
    server.wait(lambda: server.get("/v2/health/ready").status_code == 200, "readiness")
    deadline = time.monotonic() + 60
    while server.get("/v2/health/ready").status_code == 200:
        assert time.monotonic() < deadline
        assert server.post(INFER, json=body(), timeout=20).status_code == 200
    not_ready = server.get("/v2/health/ready")
    assert not_ready.status_code == 503 and "nobody reads it" in not_ready.json()["error"]
    assert server.post(INFER, json=body(), timeout=20).status_code == 200
    text = []

    def read():
        while chunk := os.read(readable, 65536):
            text.append(chunk)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    server.wait(lambda: server.get("/v2/health/ready").status_code == 200, "readiness")
    server.process.terminate()
    assert server.process.wait(30) == 143
    reader.join(10)
    assert b"log lines were lost: nobody read them" in b"".join(text)
    os.close(readable)


def test_models_copied_in_later_are_loaded_by_request(anomctl):
    root = anomctl.folder / "repository"
    make_bundle(anomctl, root / "first", sensors=SENSORS, window=ROWS - 1)
    shutil.rmtree(root / "first-source")
    server = Server(anomctl, "--model-repository", root, "--watch", "0s")
    assert server.post("/v2/repository/models/second/load").status_code == 404
    shutil.copytree(root / "first", root / "second")
    shutil.copytree(root / "first", root / ".third")
    assert server.post("/v2/repository/models/second/load").status_code == 200
    assert server.post("/v2/models/second/infer", json=body()).status_code == 200
    names = {m["name"] for m in server.post("/v2/repository/index", json={}).json()}
    assert names == {"first", "second"}
    assert server.post("/v2/repository/models/second/unload").status_code == 200
    assert server.post("/v2/repository/models/second/unload").status_code == 404  # as MLServer answers
    server.stop()
