"""`runs list|show|compare`, and the runs read back with MLflow's own client."""

import json
import math
import random
import subprocess
import time

import pytest
from conftest import REPOSITORY

SMALL = ["--window-size", "12", "--stride", "4", "--gru-hid-dim", "8", "--fc-hid-dim", "8", "--recon-hid-dim", "8",
         "--epochs", "3"]


def write_data_set(folder, rows=600):
    noise = random.Random(5)
    folder.mkdir(parents=True)
    for part in ("train", "eval"):
        labels = [int(part == "eval" and 300 <= row < 340) for row in range(rows)]
        lines = [",".join(f"{math.sin(row / (5 + c)) + 0.1 * noise.gauss(0, 1) + 4 * odd * (c == 1):.4f}" for c in range(3))
                 for row, odd in enumerate(labels)]
        (folder / f"{part}.csv").write_text("\n".join(lines) + "\n")
        (folder / f"{part}_labels.csv").write_text("\n".join(map(str, labels)) + "\n")


@pytest.fixture(scope="module")
def store(anomctl_in, tmp_path_factory):
    """Two runs of the panel on one data set; the later one is evaluated."""
    program = anomctl_in(tmp_path_factory.mktemp("runs"))
    write_data_set(program.folder / "datasets/pump")
    program("train", "--kind", "panel", "--run-name", "early", code=0)
    program("train", "--kind", "panel", "--run-name", "late", "--panel-ridge", "0.5", code=0)
    program("evaluate", code=0)
    return program


def test_runs_are_listed_newest_first(store):
    runs = store("runs", "list", "--json", code=0).json["runs"]
    assert [(r["name"], r["dataset"], r["status"]) for r in runs] == [("late", "pump", "FINISHED"),
                                                                     ("early", "pump", "FINISHED")]
    assert 0 <= runs[0]["metrics"]["f1"] <= 1 and "pr_auc" in runs[0]["metrics"] and "f1" not in runs[1]["metrics"]
    lines = store("runs", "list", code=0).out.splitlines()
    assert lines[0].split() == ["name", "data", "set", "status", "start", "f1", "pr_auc", "id"]
    assert lines[1].startswith("late") and lines[1].endswith(runs[0]["id"][:8])
    assert lines[2].split()[-3:-1] == ["-", "-"]
    assert len(store("runs", "list", "--dataset", "pump", "--json", code=0).json["runs"]) == 2
    assert "no runs on data set other" in store("runs", "list", "--dataset", "other", code=0).out
    assert "anomctl train makes one" in store("runs", "list", "--tracking-uri", "empty", code=0).out


def test_a_run_is_found_by_id_name_and_count(store):
    late, early = store("runs", "list", "--json", code=0).json["runs"]
    for word, expected in ((late["id"], late), (early["id"][:8], early), ("early", early), ("-1", late), ("-2", early)):
        assert store("runs", "show", word, "--json", code=0).json["id"] == expected["id"], word
    assert "holds 2 (-1 is the latest)" in store("runs", "show", "-3", code=2).err
    assert "runs list" in store("runs", "show", "nobody", code=2).err
    assert "--run" in store("runs", "show", code=2).err


def test_show_tells_metrics_parameters_and_artifacts(store):
    shown = store("runs", "show", "late", "--json", code=0).json
    assert shown["params"]["panel_ridge"] == "0.5" and shown["params"]["dataset"] == "pump"
    assert {"bundle/bundle.json", "evaluation/metrics.json", "evaluation/report.html"} <= set(shown["artifacts"])
    assert shown["tags"]["anomctl.data_set_hash"] and (store.folder / shown["bundle"] / "bundle.json").exists()
    text = store("runs", "show", "late", code=0).out
    for word in ("FINISHED", "pr_auc", "panel_ridge", "evaluation/report.html", "data set pump"):
        assert word in text


def test_compare_tells_what_differs(store):
    compared = store("runs", "compare", "-2", "-1", "--json", code=0).json
    assert [r["name"] for r in compared["runs"]] == ["early", "late"]
    assert set(compared["params"]) == {"run_name", "panel_ridge"} and compared["same_params"] > 20
    assert compared["params"]["panel_ridge"][1] == "0.5"
    assert compared["metrics"]["f1"][0] is None and compared["metrics"]["f1"][1] is not None
    text = store("runs", "compare", "-2", "-1", code=0).out
    assert "Parameters that differ" in text and "panel_ridge" in text and "kernel_size" not in text
    assert "are one run" in store("runs", "compare", "-1", "late", code=2).err


@pytest.mark.timeout(300)
def test_a_killed_training_is_gone_on_with(anomctl, torch_module):
    write_data_set(anomctl.folder / "datasets/pump")
    arguments = ["train", "--kind", "mtad-gat", *SMALL[:-1], "12"]
    killed = anomctl.start(*arguments, "--run-name", "killed")
    end = time.monotonic() + 60
    while not list((anomctl.folder / "mlruns").glob("*/*/checkpoint/checkpoint.json")):
        assert time.monotonic() < end and killed.poll() is None, "no checkpoint was written"
        time.sleep(0.002)
    killed.kill()
    killed.wait()
    kept, = (anomctl.folder / "mlruns").glob("*/*/checkpoint")
    other = anomctl(*arguments, "--dropout", "0.1", "--resume", "--run-name", "other", code=2)  # no reason to lose it
    assert "other settings or data" in other.err and (kept / "checkpoint.json").exists(), other.err
    done = anomctl(*arguments, "--resume", "--run-name", "second", "--json", code=0)
    assert "the checkpoint of run killed" in done.err and "going on after epoch" in done.err
    assert [e["epoch"] for e in done.json["epochs"]] == list(range(1, 13))
    assert not list((anomctl.folder / "mlruns").glob("*/*/checkpoint"))  # taken over, and at the end removed


@pytest.mark.timeout(300)
def test_mlflows_client_reads_a_run(anomctl, torch_module, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    tracking = pytest.importorskip("mlflow.tracking", reason="MLflow's client is not installed: scripts/setup --test")
    write_data_set(anomctl.folder / "datasets/pump")
    trained = anomctl("train", "--run-name", "for mlflow", *SMALL, "--json", code=0).json
    evaluated = anomctl("evaluate", "--json", code=0).json
    shown = anomctl("runs", "show", "-1", "--json", code=0).json

    client = tracking.MlflowClient(tracking_uri=(anomctl.folder / "mlruns").as_uri())
    experiments = {e.name: e.experiment_id for e in client.search_experiments()}
    assert set(experiments) == {"Default", "pump_training"}
    run, = client.search_runs([experiments["pump_training"]])
    assert (run.info.run_id, run.info.run_name, run.info.status) == (trained["run_id"], "for mlflow", "FINISHED")
    assert run.info.end_time >= run.info.start_time

    assert run.data.params == shown["params"]
    assert run.data.params["window_size"] == "12" and run.data.params["dataset"] == "pump"
    for name, key in (("train_total_loss", "train_loss"), ("val_total_loss", "val_loss")):
        points = client.get_metric_history(run.info.run_id, name)
        assert [p.step for p in points] == [e["epoch"] for e in trained["epochs"]]
        assert [p.value for p in points] == [e[key] for e in trained["epochs"]]
        assert [p["value"] for p in shown["history"][name]] == [p.value for p in points]
    text = anomctl("runs", "show", "-1", code=0).out
    assert "Losses" in text and f"{trained['epochs'][0]['train_loss']:.5f}" in text

    assert {f"threshold_{name}": value for name, value in evaluated["thresholds"].items()}.items() \
        <= run.data.metrics.items()
    for name, value in evaluated["metrics"].items():
        assert value is None or run.data.metrics[name] == value, name
    files = {a.path for folder in ("bundle", "evaluation") for a in client.list_artifacts(run.info.run_id, folder)}
    assert {"bundle/bundle.json", "bundle/weights.safetensors", "evaluation/report.html"} <= files
    bundle = json.loads((anomctl.folder / trained["bundle"] / "bundle.json").read_text())
    assert run.data.tags["anomctl.data_set_hash"] == evaluated["dataset_hash"] == bundle["provenance"]["data_set_hash"]

    commit = run.data.tags["mlflow.source.git.commit"]
    if (REPOSITORY / ".git").exists():
        subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=REPOSITORY, check=True)
    else:
        assert commit == "unknown"
