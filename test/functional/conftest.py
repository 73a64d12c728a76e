"""What functional tests share: the program, a free port, a real broker on loopback, the shared examples."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import pytest
from mqtt_wire import Wire
from streams import Listener, make_plant

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


class Outcome:
    """What one run of the program left behind."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Anomctl:
    """Runs the program in a folder of its own, without the caller's ANOMCTL_ variables."""

    def __init__(self, binary, folder):
        self.binary, self.folder, self.started = str(binary), pathlib.Path(folder), []

    def environment(self, env):
        keep = ("ANOMCTL_MODULE_DIR", "ANOMCTL_LIBTORCH", "ANOMCTL_PREFIX")
        clean = {k: v for k, v in os.environ.items() if not k.startswith("ANOMCTL_") or k in keep}
        return {**clean, **(env or {})}

    def __call__(self, *arguments, timeout=120, env=None, input=None, code=None, cwd=None):
        """Runs to the end; `code` is the exit code that is expected, if one is."""
        done = subprocess.run([self.binary, *map(str, arguments)], cwd=cwd or self.folder, env=self.environment(env),
                              input=input, stdin=None if input is not None else subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout)
        outcome = Outcome(done.returncode, done.stdout, done.stderr)
        assert code is None or done.returncode == code, outcome
        return outcome

    def start(self, *arguments, env=None, cwd=None, stderr=subprocess.PIPE):
        """Starts it and returns the Popen; stdout and stderr are pipes of text. Ended with the test."""
        process = subprocess.Popen([self.binary, *map(str, arguments)], cwd=cwd or self.folder,
                                   env=self.environment(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=stderr, text=True)
        self.started.append(process)
        return process

    def stop_all(self):
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            for pipe in filter(None, (process.stdout, process.stderr)):
                pipe.close()


@pytest.fixture(scope="session")
def binary():
    path = pathlib.Path(os.environ.get("ANOMCTL_BIN", REPOSITORY / "build/dev/bin/anomctl"))
    if not path.exists():
        pytest.exit(f"no program at {path}: build it, or set ANOMCTL_BIN", 1)
    return path.resolve()


@pytest.fixture
def anomctl(binary, tmp_path):
    """anomctl("train", "--epochs", 1, code=0) -> Outcome; anomctl.start(...) -> Popen. Runs in tmp_path."""
    program = Anomctl(binary, tmp_path)
    yield program
    program.stop_all()


@pytest.fixture(scope="session")
def anomctl_in(binary):
    """anomctl_in(folder) -> Anomctl, for fixtures that outlive one test."""
    programs = []

    def make(folder):
        programs.append(Anomctl(binary, folder))
        return programs[-1]

    yield make
    for program in programs:
        program.stop_all()


@pytest.fixture(scope="session")
def torch_module(binary):
    """Skips where the libtorch module was not built (training needs it)."""
    if not (binary.parent / "libanomctl-torch.so").exists():
        pytest.skip("the libtorch module was not built")
    return binary.parent / "libanomctl-torch.so"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(name="free_port")
def free_port_fixture():
    return free_port


def wait_for_port(port, process=None, seconds=20):
    """Until something listens on the loopback port."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process is None or process.poll() is None, "the process ended before it listened"
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on port {port} after {seconds} s")


class Broker:
    """A real mosquitto on loopback that lets anybody in, or with `users` only those; `config` replaces its settings."""

    def __init__(self, folder, users=None, config=("max_queued_messages 100000", "persistence false"), anonymous=True):
        self.folder, self.users, self.port = pathlib.Path(folder), users or {}, free_port()
        self.process = None
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {'false' if self.users or not anonymous else 'true'}",
                 *config]
        if self.users:
            passwords = self.folder / "passwords"
            passwords.write_text("".join(f"{user}:{word}\n" for user, word in self.users.items()))
            passwords.chmod(0o600)
            subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True, capture_output=True)
            lines.append(f"password_file {passwords}")
        if os.geteuid() == 0:
            lines.append("user root")
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self.start()

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self):
        program = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        assert program, "no mosquitto: run scripts/setup"
        with open(self.folder / "mosquitto.log", "ab") as log:
            self.process = subprocess.Popen([program, "-c", str(self.folder / "mosquitto.conf")], stdout=log, stderr=log)
        wait_for_port(self.port, self.process)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)

    def kill(self):
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def broker(tmp_path):
    """A Broker: .url, .port, .stop(), .start()."""
    it = Broker(tmp_path / "broker")
    yield it
    it.stop()


@pytest.fixture
def make_broker(tmp_path):
    """make_broker(users={"a": "secret"}) -> Broker."""
    made = []

    def make(users=None, **more):
        made.append(Broker(tmp_path / f"broker{len(made)}", users, **more))
        return made[-1]

    yield make
    for it in made:
        it.stop()


@pytest.fixture(scope="module")
def plant(anomctl_in, tmp_path_factory):
    """An Anomctl with a small data set and the bundle of its panel, pump.bundle."""
    return make_plant(anomctl_in(tmp_path_factory.mktemp("plant")))


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory):
    """A real MLflow server, one for all tests: each uses names of its own, and starts it again where it stops it."""
    from mlflow_server import MlflowServer

    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    yield server
    server.stop()


@pytest.fixture
def listener(broker):
    it = Listener(broker.port)
    yield it
    it.close()


@pytest.fixture
def wire(broker):
    """A proxy before `broker` that reads what passes."""
    it = Wire(broker.port)
    yield it
    it.close()


_without_shared = []


@pytest.fixture
def shared(request):
    """The folder of shared examples; the test is skipped, and counted, where it is absent."""
    folder = pathlib.Path(os.environ.get("ANOMCTL_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        _without_shared.append(request.node.nodeid)
        pytest.skip("no folder of shared examples")
    return folder


def pytest_terminal_summary(terminalreporter):
    if _without_shared:
        terminalreporter.write_line(f"skipped without the shared examples: {len(_without_shared)} tests")
