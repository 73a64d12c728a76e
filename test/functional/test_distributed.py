"""Training in several processes, as torchrun starts them: `torchrun --no-python anomctl train ...`."""

import json
import math
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import time

import pytest

pytestmark = pytest.mark.usefixtures("torch_module")

NETWORK = ["--kind", "mtad-gat", "--window-size", "12", "--gru-hid-dim", "8", "--fc-hid-dim", "8", "--recon-hid-dim", "8",
           "--dropout", "0", "--threads", "1", "--device", "cpu"]
LONG = 90  # seconds that a busy machine may need


def write_data_set(folder, rows, seed=5):
    noise = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "eval"):
        lines = [",".join(f"{math.sin(row / (5 + c)) + 0.1 * noise.gauss(0, 1):.4f}" for c in range(3))
                 for row in range(rows)]
        (folder / f"{part}.csv").write_text("\n".join(lines) + "\n")
        (folder / f"{part}_labels.csv").write_text("0\n" * rows)


def environment(rank, size, port, **more):
    """What torchrun sets. On loopback alone."""
    return {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(size),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1",
            **more}


class Team:
    """The processes of one training. Their stderr goes to files, so that no pipe fills up."""

    def __init__(self, anomctl, arguments, size, port, each=None, **more):
        self.port, self.processes, self.logs = port, [], []
        for rank in range(size):
            self.logs.append(anomctl.folder / f"rank{rank}-{port}.log")
            with open(self.logs[-1], "w") as log:
                own = each(rank) if each else []
                self.processes.append(anomctl.start("train", *arguments, *own, stderr=log,
                                                    env=environment(rank, size, port, **more)))

    def log(self, rank):
        return self.logs[rank].read_text()

    def wait(self):
        """Exit codes; rank 0's stdout is kept, the others have none."""
        outs = [p.communicate(timeout=LONG)[0] for p in self.processes]
        self.out, self.other_outs = outs[0], outs[1:]
        return [p.returncode for p in self.processes]

    def wait_for_epoch(self, epoch):
        end = time.monotonic() + LONG
        while f"epoch {epoch}:" not in self.log(0):
            assert time.monotonic() < end and self.processes[0].poll() is None, self.log(0) + self.log(1)
            time.sleep(0.01)


@pytest.fixture
def team(anomctl, free_port):
    write_data_set(anomctl.folder / "datasets/pump", 300)
    return lambda arguments, size=2, **more: Team(anomctl, arguments, size, free_port(), **more)


def weights(bundle):
    raw = (pathlib.Path(bundle) / "weights.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + size])
    out = {}
    for name, about in header.items():
        if name == "__metadata__":
            continue
        first, last = about["data_offsets"]
        out[name] = struct.unpack(f"<{(last - first) // 4}f", raw[8 + size + first:8 + size + last])
    return out


def same(one, other, folder, tolerance):
    """Two results of train --json: losses of every epoch, and the weights."""
    assert len(one["epochs"]) == len(other["epochs"])
    for a, b in zip(one["epochs"], other["epochs"]):
        assert abs(a["train_loss"] - b["train_loss"]) <= tolerance and abs(a["val_loss"] - b["val_loss"]) <= tolerance
    first, second = weights(folder / one["bundle"]), weights(folder / other["bundle"])
    assert first.keys() == second.keys() and len(first) > 10
    for name in first:
        # A shift of all logits of a row does not change their softmax: parts of this layer have gradients that are rounding
        # alone, and Adam divides them by their size.
        bound = max(tolerance, 1e-4) if name.endswith(("_gat.lin.bias", "_gat.lin.weight")) and tolerance else tolerance
        assert max(abs(x - y) for x, y in zip(first[name], second[name])) <= bound, name


def runs(folder):
    return list((folder / "mlruns").glob("*/*/meta.yaml"))


# 247 training windows: the last batch of three processes with 41 windows each is a single window.
@pytest.mark.parametrize("size,batch,more", [(2, 16, []), (3, 41, []), (2, 20, ["--compat", "reference"])])
def test_processes_together_train_as_one_with_their_batches(anomctl, team, size, batch, more):
    arguments = [*NETWORK, "--epochs", "3", "--patience", "9", *more, "--json"]
    alone = anomctl("train", *arguments, "--batch-size", size * batch, code=0).json
    assert len(runs(anomctl.folder)) == 1
    several = team([*arguments, "--batch-size", str(batch)], size)
    assert several.wait() == [0] * size, several.log(0) + several.log(1)
    together = json.loads(several.out)
    same(alone, together, anomctl.folder, 1e-5)
    assert several.other_outs == [""] * (size - 1) and several.log(1) == ""  # rank 0 alone speaks
    assert len(runs(anomctl.folder)) == 2  # and makes a run
    about = json.loads((anomctl.folder / together["bundle"] / "bundle.json").read_text())
    assert about["provenance"]["processes"] == size


def test_a_world_of_one_is_no_distribution(anomctl):
    write_data_set(anomctl.folder / "datasets/pump", 300)
    arguments = [*NETWORK, "--epochs", "2", "--json"]
    alone = anomctl("train", *arguments, code=0).json
    one = anomctl("train", *arguments, code=0, env=environment(0, 1, 1)).json
    same(alone, one, anomctl.folder, 0)


def test_the_whole_detector_is_made_by_rank_0(anomctl, team):
    arguments = [*NETWORK[2:], "--epochs", "1", "--stride", "4", "--json"]
    both = team(arguments)
    assert both.wait() == [0, 0], both.log(0) + both.log(1)
    bundle = json.loads(both.out)["bundle"]
    assert json.loads((anomctl.folder / bundle / "bundle.json").read_text())["kind"] == "panel+mtad-gat"
    assert len(runs(anomctl.folder)) == 1


@pytest.mark.parametrize("lost", [1, 0])
def test_a_lost_process_ends_the_others_and_resume_goes_on(anomctl, team, lost):
    arguments = [*NETWORK, "--patience", "100000", "--epochs"]
    broken = team([*arguments, "100000"])
    broken.wait_for_epoch(2)
    broken.processes[lost].kill()
    codes = broken.wait()
    assert codes[lost] == -signal.SIGKILL and codes[1 - lost] == 5
    assert f"rank {1 - lost} of 2: another process of this training is gone" in broken.log(1 - lost)
    if lost == 1:
        assert "is kept: anomctl train --resume with the same settings goes on" in broken.log(0)
    (kept,) = (anomctl.folder / "mlruns").glob("*/*/checkpoint/checkpoint.json")
    epochs = len(json.loads(kept.read_text())["epochs"])
    assert epochs >= 2

    # As before, or in one process with the whole batch.
    goes_on = [*arguments, str(epochs + 2), "--resume", "--json"]
    if lost == 1:
        resumed = team(goes_on)
        assert resumed.wait() == [0, 0], resumed.log(0) + resumed.log(1)
        said, result = resumed.log(0), json.loads(resumed.out)
    else:
        done = anomctl("train", *goes_on, "--batch-size", "512", code=0)
        said, result = done.err, done.json
    assert f"going on after epoch {epochs}" in said
    whole = team([*arguments, str(epochs + 2), "--json"])
    assert whole.wait() == [0, 0]
    same(json.loads(whole.out), result, anomctl.folder, 1e-5)


@pytest.mark.parametrize("told,number", [(1, signal.SIGTERM), (0, signal.SIGINT)])
def test_a_process_that_is_told_to_stop_stops_all(anomctl, team, told, number):
    both = team([*NETWORK, "--patience", "100000", "--epochs", "100000"])
    both.wait_for_epoch(1)
    both.processes[told].send_signal(number)
    codes = both.wait()
    assert codes[told] == 128 + number and codes[1 - told] == 143, both.log(0) + both.log(1)
    assert "--resume with the same settings goes on" in both.out
    assert list((anomctl.folder / "mlruns").glob("*/*/checkpoint/checkpoint.json"))


def test_a_silent_process_ends_the_others_in_time(team):
    both = team([*NETWORK, "--patience", "100000", "--epochs", "100000", "--worker-timeout", "2s"])
    both.wait_for_epoch(1)
    both.processes[1].send_signal(signal.SIGSTOP)
    try:
        assert both.processes[0].wait(LONG) == 5
    finally:
        both.processes[1].kill()
    assert "were silent for 2s (--worker-timeout)" in both.log(0)


def test_a_launcher_that_starts_anew_goes_on(anomctl, team):
    arguments = [*NETWORK, "--patience", "100000", "--epochs"]
    broken = team([*arguments, "100000"])
    broken.wait_for_epoch(2)
    broken.processes[1].kill()
    assert broken.wait()[0] == 5
    again = team([*arguments, "4", "--json"], TORCHELASTIC_RESTART_COUNT="1")
    assert again.wait() == [0, 0], again.log(0) + again.log(1)
    assert "going on after epoch" in again.log(0)


@pytest.mark.parametrize("wrong,words", [
    ({"RANK": ""}, "not RANK: start with torchrun --no-python anomctl train"),
    ({"WORLD_SIZE": ""}, "RANK is set, but not WORLD_SIZE"),
    ({"MASTER_PORT": ""}, "not MASTER_PORT, where the processes meet"),
    ({"RANK": "2"}, "RANK='2' in the environment is no whole number from 0 to 1"),
    ({"WORLD_SIZE": "two"}, "WORLD_SIZE='two'"),
])
def test_half_an_environment_is_an_error(anomctl, wrong, words):
    done = anomctl("train", code=2, env={**environment(0, 2, 1), **wrong})
    assert words in done.err


def test_the_panel_alone_is_not_distributed(anomctl):
    done = anomctl("train", "--kind", "panel", code=2, env=environment(1, 2, 1))
    assert "--kind panel is fitted in one process" in done.err


def test_a_master_that_is_not_there_and_one_whose_port_is_taken(anomctl, free_port, broker):
    port = free_port()
    done = anomctl("train", "--worker-timeout", "1s", code=5, env=environment(1, 2, port))
    assert f"rank 1 of 2: cannot reach 127.0.0.1:{port} (MASTER_ADDR, MASTER_PORT) within 1s" in done.err
    done = anomctl("train", "--worker-timeout", "1s", code=5, env=environment(0, 2, broker.port))
    assert f"cannot listen on port {broker.port}" in done.err


def test_a_process_that_never_comes(team):
    alone = team([*NETWORK, "--worker-timeout", "1s"], size=1, WORLD_SIZE="2", LOCAL_WORLD_SIZE="2")
    assert alone.wait() == [5]
    assert "rank 1 did not come within 1s (--worker-timeout)" in alone.log(0)


def test_processes_that_differ_are_told_apart(anomctl, team):
    both = team(NETWORK, each=lambda rank: ["--init-lr", "0.01"] if rank == 1 else [])
    assert both.wait() == [2, 2]
    for rank in (0, 1):
        assert "rank 1 trains with init_lr=0.01 instead of init_lr=0.001 of rank 0" in both.log(rank)
    write_data_set(anomctl.folder / "other/pump", 300, seed=6)
    both = team(NETWORK, each=lambda rank: ["--datasets-dir", "other"] if rank == 1 else [])
    assert both.wait() == [2, 2]
    assert "rank 1 has other training rows than rank 0" in both.log(0)


def test_one_without_a_data_set_ends_the_others(anomctl, team):
    both = team(NETWORK, each=lambda rank: ["--datasets-dir", "nowhere"] if rank == 1 else [])
    codes = both.wait()
    assert codes[0] == 5 and codes[1] in (2, 4)
    assert "rank 1 ended before the training began: see what it said last" in both.log(0)


def test_more_processes_than_windows(anomctl, team):
    write_data_set(anomctl.folder / "datasets/pump", 14)
    both = team([*NETWORK, "--val-split", "0"], size=3)
    assert both.wait() == [2, 2, 2]
    assert "2 training windows are too few for 3 processes" in both.log(0)


# The real launcher needs the whole torch wheels with Python's side of them, several GB.
def torchrun():
    program = os.environ.get("ANOMCTL_TORCHRUN") or shutil.which("torchrun")
    if not program:
        pytest.skip("no torchrun: install the whole torch wheel and set ANOMCTL_TORCHRUN to its torchrun")
    return program


@pytest.mark.parametrize("master", [[], ["--master-addr", "127.0.0.1", "--master-port"]])
def test_the_real_launcher(anomctl, binary, free_port, master):
    program = torchrun()
    write_data_set(anomctl.folder / "datasets/pump", 300)
    arguments = [*NETWORK, "--epochs", "2", "--json"]
    alone = anomctl("train", *arguments, "--batch-size", "32", code=0).json
    place = [*master, str(free_port())] if master else ["--standalone"]
    done = subprocess.run([program, *place, "--nproc-per-node", "2", "--no-python", str(binary), "train", *arguments,
                           "--batch-size", "16"], cwd=anomctl.folder, capture_output=True, text=True, timeout=LONG,
                          env={**anomctl.environment({}), "GLOO_SOCKET_IFNAME": "lo"})
    assert done.returncode == 0, done.stderr
    same(alone, json.loads(done.stdout), anomctl.folder, 1e-5)


def test_the_real_launcher_restarts_a_lost_process(anomctl, binary):
    program = torchrun()
    write_data_set(anomctl.folder / "datasets/pump", 300)
    with open(anomctl.folder / "log", "w") as log:
        launcher = subprocess.Popen([program, "--standalone", "--nproc-per-node", "2", "--max-restarts", "1", "--no-python",
                                     str(binary), "train", *NETWORK, "--epochs", "400", "--patience", "1000"],
                                    cwd=anomctl.folder, stdout=subprocess.PIPE, stderr=log, text=True,
                                    env={**anomctl.environment({}), "GLOO_SOCKET_IFNAME": "lo"})
    try:
        end = time.monotonic() + LONG
        while "epoch 2:" not in (anomctl.folder / "log").read_text():
            assert time.monotonic() < end and launcher.poll() is None
            time.sleep(0.02)
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(launcher.pid)], capture_output=True, text=True)
        os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)
        out = launcher.communicate(timeout=LONG)[0]
    finally:
        launcher.kill()
    text = (anomctl.folder / "log").read_text()
    assert launcher.returncode == 0 and "going on after epoch" in text, text
    assert "400 epochs, the best is" in out
