"""What `anomctl evaluate` says of a bundle beside what is cheaper, and over seeds."""

import csv
import json
import math
import statistics

import pytest

QUICK = ("train", "--dataset", "pump", "--kind", "panel", "--relation-epochs", "2")


@pytest.fixture(scope="module")
def plant(anomctl_in, tmp_path_factory):
    program = anomctl_in(tmp_path_factory.mktemp("comparison"))
    program("create-datasets", "--source", "plant", "--name", "pump", "--rows", "6000", code=0)
    program(*QUICK, "--seed", "1", code=0)
    program(*QUICK, "--seed", "2", code=0)
    return program


def average_precision(scores, labels):
    """By scikit-learn's definition, over distinct scores."""
    rows = sorted(zip(scores, labels), reverse=True)
    area = hits = taken = last = 0
    for i, (score, label) in enumerate(rows):
        taken, hits = taken + 1, hits + label
        if i + 1 == len(rows) or rows[i + 1][0] != score:
            area += (hits - last) * hits / taken
            last = hits
    return area / hits


def table(path):
    return [[float(v) for v in row] for row in csv.reader(path.open())]


def test_the_comparison_is_what_a_user_would_compute(plant):
    folder = plant.folder / "datasets/pump"
    judged = plant("evaluate", "--output", "out", "--json", code=0).json
    compared = {row["name"]: row for row in judged["comparison"]}
    assert {"panel (this bundle)", "member: chart", "member: relation", "member: VAR", "random", "last value", "z-score",
            "EWMA chart", "moving variance", "k-means on windows", "PCA T2 and Q, smoothed"} <= compared.keys()
    assert [r["pr_auc"] for r in judged["comparison"]] == sorted((r["pr_auc"] for r in judged["comparison"]), reverse=True)

    # The z-score by hand, on the rows that every detector has a score for: the longest warm-up is 16 rows.
    train, labels = table(folder / "train.csv"), [int(row[0]) for row in table(folder / "eval_labels.csv")]
    mean = [statistics.fmean(column) for column in zip(*train)]
    spread = [statistics.pstdev(column) for column in zip(*train)]
    z = [max(abs(v - m) / s for v, m, s in zip(row, mean, spread)) for row in table(folder / "eval.csv")]
    assert compared["z-score"]["pr_auc"] == pytest.approx(average_precision(z[15:], labels[15:]), abs=1e-9)
    own = [float(row["score"]) for row in csv.DictReader((plant.folder / "out/scores.csv").open()) if row["score"]]
    assert len(own) >= len(labels) - 15
    assert compared["panel (this bundle)"]["pr_auc"] == pytest.approx(
        average_precision(own[15 - len(labels):], labels[15:]), abs=1e-6)
    # A score drawn by chance is as good as the share of anomalous rows.
    assert compared["random"]["pr_auc"] == pytest.approx(sum(labels) / len(labels), abs=0.05)
    for row in judged["comparison"]:
        for key in ("pr_auc", "roc_auc", "vus_pr", "f1", "best_f1_oracle"):
            assert row[key] is None or 0 <= row[key] <= 1, (row["name"], key)
    assert "cheap detector" in plant("evaluate", code=0).out
    assert json.loads((plant.folder / "out/metrics.json").read_text())["comparison"] == judged["comparison"]


def test_causes_are_counted_against_what_the_data_set_knows(plant):
    judged = plant("evaluate", "--json", code=0).json
    meta = json.loads((plant.folder / "datasets/pump/meta.json").read_text())
    known = [s for s in meta["anomaly_segments"] if s["root_cause"] in meta["columns"] or s.get("affected")]
    by = {row["by"]: row for row in judged["causes"]}
    assert set(by) == {"this bundle", "z-score", "PCA Q"}
    assert 0 < by["this bundle"]["events"] <= len(known)
    for row in by.values():
        assert 0 <= row["hit_rate_1"] <= row["hit_rate_3"] <= 1
    assert "whose cause is known" in plant("evaluate", code=0).out


def test_seeds_give_means_with_intervals(plant):
    both = plant("evaluate", "--seeds", "2", "--json", code=0).json
    single = [plant("evaluate", "--run", f"-{n}", "--json", code=0).json for n in (1, 2)]
    assert both["seeds"] == 2
    for row in both["comparison"]:
        values = [next(r for r in one["comparison"] if r["name"] == row["name"])["pr_auc"] for one in single]
        assert row["pr_auc"] == pytest.approx(statistics.fmean(values), abs=1e-12)
        assert row["pr_auc_interval"] == pytest.approx(12.706 * statistics.stdev(values) / math.sqrt(2), abs=1e-9)
    assert "+-" in plant("evaluate", "--seeds", "2", code=0).out
    more = plant("evaluate", "--seeds", "3", code=2)
    assert "there are 2 trainings" in more.err and "seeds 1, 2" in more.err and "train --seed" in more.err
    wrong = plant("evaluate", "--seeds", "2", "--compare", "none", code=2)
    assert "--seeds compares trained runs" in wrong.err


def test_mtad_gat_alone_is_set_beside_the_panel_and_itself_untrained(plant, torch_module):
    plant("train", "--dataset", "pump", "--kind", "mtad-gat", "--window-size", "10", "--epochs", "1", "--stride", "8",
          "--run-name", "alone", code=0)
    judged = plant("evaluate", "--run", "alone", "--json", code=0).json
    names = {row["name"] for row in judged["comparison"]}
    assert {"MTAD-GAT (this bundle)", "MTAD-GAT untrained", "panel, linear members only", "z-score"} <= names
    words = plant("evaluate", "--run", "alone", code=0).out
    assert "MTAD-GAT's training" in words and "The panel, linear members only" in words
    assert plant("evaluate", "--run", "alone", "--compare", "none", "--json", code=0).json["comparison"] == []


def test_the_latest_run_of_the_named_data_set_is_judged(plant):
    plant("create-datasets", "--source", "plant", "--plant", "linear-plant", "--name", "other", "--rows", "3000", code=0)
    plant("train", "--dataset", "other", "--kind", "panel", "--relation-epochs", "0", code=0)
    assert plant("evaluate", "--dataset", "pump", "--json", code=0).json["dataset"] == "pump"
    assert plant("evaluate", "--json", code=0).json["dataset"] == "other"
