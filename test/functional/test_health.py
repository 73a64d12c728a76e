"""`anomctl health`: of who serves a port, and of the roles that open none."""

import json
import os
import signal
import time

import pytest
from conftest import free_port
from streams import end


def health(plant, *arguments, env=None):
    return plant("health", *arguments, "--json", env=env)


def wait_until(plant, file, code, reason="", seconds=60):
    """Until it answers so; what it said last."""
    deadline = time.monotonic() + seconds
    while True:
        said = health(plant, "--alive-file", file)
        if said.code == code and (not reason or reason in said.json.get("reason", "")):
            return said
        assert time.monotonic() < deadline, said
        time.sleep(0.1)


@pytest.mark.parametrize("role", [("manage", "--bundle", "pump.bundle"),
                                  ("generate", "--dataset", "pump", "--loop", "--rate", "20")], ids=lambda role: role[0])
def test_a_role_without_a_port_says_how_it_does(plant, broker, tmp_path, role):
    file = tmp_path / "alive"
    missing = health(plant, "--alive-file", file)
    assert missing.code == 5 and "--alive-file" in missing.err, missing
    # The variable that the images set serves both sides.
    process = plant.start(*role, "--mqtt-url", broker.url, env={"ANOMCTL_ALIVE_FILE": str(file)})
    assert wait_until(plant, file, 0).json["ready"] is True
    assert health(plant, env={"ANOMCTL_ALIVE_FILE": str(file)}).code == 0
    broker.stop()
    wait_until(plant, file, 1, "the broker is away")
    assert health(plant, "--alive-file", file, "--live").code == 0
    broker.start()
    wait_until(plant, file, 0)
    # One that is frozen says nothing any more, however well it was.
    process.send_signal(signal.SIGSTOP)
    try:
        deadline = time.monotonic() + 30
        while (said := health(plant, "--alive-file", file, "--max-age", "1s", "--live")).code != 1:
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        assert "last said so at" in said.json["reason"]
    finally:
        process.send_signal(signal.SIGCONT)
    end(process)
    assert not file.exists()


def test_what_is_no_heartbeat_is_said(plant, tmp_path):
    file = tmp_path / "alive"
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for text, said in (("", ""), ("[]", "'time'"), ("{}", "'time'"), ('{"time": 3}', "'time'"),
                       ('{"time": "soon", "ready": true}', "'time'"), (f'{{"time": "{now}"}}', "'ready'"),
                       (f'{{"time": "{now}", "ready": 1}}', "'ready'"),
                       (f'{{"time": "{now}", "ready": false, "reason": 1}}', "'reason'")):
        file.write_text(text)
        for more in ((), ("--live",)):
            outcome = health(plant, "--alive-file", file, *more)
            assert outcome.code == 4 and str(file) in outcome.err and said in outcome.err, outcome
    file.write_text(json.dumps({"time": "2020-01-01T00:00:00Z", "ready": True}))
    assert health(plant, "--alive-file", file).code == 1
    file.write_text(json.dumps({"time": "2220-01-01T00:00:00Z", "ready": True}))
    assert health(plant, "--alive-file", file).code == 1
    file.write_text(json.dumps({"time": now, "ready": False, "reason": "a\nb"}))
    assert "(a b)" in plant("health", "--alive-file", file, "--max-age", "1h", code=1).out
    # What can be waited for without end, or lost, is no such file.
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path / "pipe", "/dev/zero", tmp_path):
        assert "no regular file" in plant("health", "--alive-file", other, code=4).err
    for other in (tmp_path / "pipe", "/dev/null"):
        assert "no regular file" in plant("generate", "--dataset", "pump", "--alive-file", other, code=2).err
    # That nobody can ask how it does is no reason not to work.
    outcome = plant("generate", "--dataset", "pump", "--alive-file", tmp_path / "nosuch/alive", "--mqtt-url",
                    f"mqtt://127.0.0.1:{free_port()}", "--connect-timeout", "0.1", code=5)
    assert outcome.err.count("nosuch/alive") == 1, outcome


def test_a_service_is_asked_for(plant, broker, tmp_path):
    port = free_port()
    assert health(plant, f"http://127.0.0.1:{port}").code == 5
    process = plant.start("serve", "--bundle", "pump.bundle", "--http-port", port, "--metrics-port", "0")
    deadline = time.monotonic() + 60
    while (said := health(plant, f"http://127.0.0.1:{port}")).code != 0:
        assert time.monotonic() < deadline, said
        time.sleep(0.1)
    assert health(plant, f"http://127.0.0.1:{port}", "--live").json["ready"] is True
    # A URL counts more than the variable of the image.
    assert health(plant, f"http://127.0.0.1:{port}", env={"ANOMCTL_ALIVE_FILE": str(tmp_path / "none")}).code == 0
    assert health(plant, f"http://127.0.0.1:{port}/v2/models/nosuch/ready").code == 1
    assert health(plant, broker.url).code == 0
    end(process)
