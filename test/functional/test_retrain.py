"""`anomctl retrain`: a challenger takes the champion's place where it is no worse, and only there."""

import json

import pytest
from test_influx_live import INFLUXD, TOKEN, Influxd

FAST = '[train]\nkind = "panel"\nrelation_epochs = 0\n'
PLANT = '[create-datasets]\nsource = "plant"\nname = "pump"\nrows = 8000\nseed = 3\n'
# A panel that looks at single rows cries wolf on load changes.
NERVOUS = FAST + 'dataset = "pump"\npanel_clip = 1\npanel_var_lambda = 1\npanel_relation_lambda = 1\npanel_chart_lambda = 1\n'


def retrain(anomctl, settings, *more, code=0):
    (anomctl.folder / "pump.toml").write_text('[retrain]\nmodel = "pump"\n' + settings)
    return anomctl("retrain", "--config", "pump.toml", "--json", *more, code=code)


def champion(anomctl):
    model, = anomctl("models", "list", "--json", code=0).json["registered"]
    return model["aliases"]


def test_a_challenger_takes_the_place_where_it_is_no_worse(anomctl):
    first = retrain(anomctl, PLANT + FAST).json
    assert first["promoted"] and first["champion"] is None and "no version is pump@champion" in first["why"]
    # The same rows and settings give the same detector, which takes nobody's place.
    same = retrain(anomctl, PLANT + FAST).json
    assert same["equal_to_champion"] and not same["promoted"] and "equal to the champion" in same["why"]
    assert champion(anomctl) == {"champion": 1, "challenger": 2}
    # Another that scores alike: gamma is of the network, which is not there.
    second = retrain(anomctl, PLANT + FAST + "gamma = 0.9\n", "--no-promote").json
    test = second["test"]
    assert second["passed"] and not second["promoted"] and champion(anomctl) == {"champion": 1, "challenger": 3}
    assert test["pr_auc_difference_lower"] == 0 and test["champion_pr_auc"] == test["challenger_pr_auc"]
    # The figures are those of evaluate on the same rows.
    run = anomctl("runs", "show", second["run_name"], "--json", code=0).json
    assert run["metrics"]["pr_auc"] == pytest.approx(test["challenger_pr_auc"], abs=1e-9)
    third = retrain(anomctl, PLANT + FAST + "gamma = 0.8\n").json
    assert third["promoted"] and third["champion"] == "pump/1" and champion(anomctl) == {"champion": 4, "challenger": 4}
    worse = retrain(anomctl, NERVOUS).json
    assert not worse["passed"] and not worse["promoted"] and "false alarms" in worse["why"] and "more than" in worse["why"]
    assert worse["test"]["false_alarm_difference_upper"] > 0.01
    assert champion(anomctl) == {"champion": 4, "challenger": 5}
    anomctl("models", "rollback", "pump", code=0)
    assert champion(anomctl)["champion"] == 1


def test_a_champion_that_cannot_judge_these_rows_stays(anomctl):
    retrain(anomctl, PLANT + FAST)
    # The same rows, one sensor less.
    folder = anomctl.folder / "datasets/pump"
    names = [c["name"] for c in json.loads((folder / "meta.json").read_text())["columns"]]
    assert "vibration" in names
    lines = [line for part in ("train", "eval") for line in (folder / f"{part}.csv").read_text().splitlines()]
    (anomctl.folder / "pump.csv").write_text("\n".join([",".join(names), *lines]) + "\n")
    other = retrain(anomctl, '[create-datasets]\nsource = "table"\nname = "less"\ndata = "pump.csv"\nexclude = "vibration"\n' + FAST)
    assert not other.json["promoted"] and "cannot be compared" in other.json["why"] and "vibration" in other.json["why"]
    assert champion(anomctl)["champion"] == 1


def test_a_challenger_that_never_alarms_or_misses_a_bound_stays_one(anomctl):
    retrain(anomctl, PLANT + FAST)
    deaf = retrain(anomctl, PLANT + FAST + "[evaluate]\nthreshold = 1e9\n").json
    assert not deaf["promoted"] and deaf["test"]["challenger_recall"] == 0 and "of the anomalous rows" in deaf["why"]
    bound = retrain(anomctl, PLANT + FAST + '[evaluate]\nfail_on = "pr_auc<0.999"\n').json
    assert not bound["promoted"] and "fail_on is missed" in bound["why"]
    assert champion(anomctl)["champion"] == 1
    oracle = retrain(anomctl, PLANT + FAST + '[evaluate]\nthreshold_method = "best-f1"\n', code=2)
    assert "best-f1" in oracle.err


def test_settings_that_do_not_fit(anomctl):
    assert "model" in anomctl("retrain", code=2).err
    assert "challenger" in anomctl("retrain", "--model", "pump", "--alias", "challenger", code=2).err
    wrong = retrain(anomctl, "marjin = 1\n" + PLANT, code=2).err
    assert "marjin" in wrong and "margin" in wrong


@pytest.mark.stack
@pytest.mark.timeout(300)
def test_from_a_real_influxdb_to_the_next_champion(anomctl, tmp_path):
    """What InfluxDB gathered becomes a data set, a challenger, and where it is no worse the champion."""
    assert INFLUXD.exists(), "no influxd: scripts/setup --stack builds it"
    anomctl("create-datasets", "--source", "plant", "--name", "source", "--rows", 8000, "--seed", 3, code=0)
    folder = anomctl.folder / "datasets/source"
    rows = [line.split(",") for name in ("train", "eval") for line in (folder / f"{name}.csv").read_text().splitlines()]
    names = [c["name"] for c in json.loads((folder / "meta.json").read_text())["columns"]]
    labels = [line for line in (folder / "eval_labels.csv").read_text().split()]
    start = 1_767_225_600
    marks = [i for i, label in enumerate(labels) if label == "1"]
    influxd = Influxd(tmp_path / "influxd")
    try:
        lines = [f"reading,sensor=pump {','.join(f'{n}={v}' for n, v in zip(names, row))} {start + i}"
                 for i, row in enumerate(rows)]
        for at in range(0, len(lines), 2000):
            influxd.call("write?org=windmill&bucket=sensors&precision=s", "\n".join(lines[at:at + 2000]), 204)
        first_eval = len(rows) - len(labels)
        spans, begun = [], None
        for i, label in enumerate(labels + ["0"]):
            if label == "1" and begun is None:
                begun = i
            elif label == "0" and begun is not None:
                spans.append((start + first_eval + begun, start + first_eval + i - 1))
                begun = None
        assert spans and marks
        (tmp_path / "known.csv").write_text("start_time,end_time\n" + "".join(f"{a},{b}\n" for a, b in spans))
        (tmp_path / "token").write_text(TOKEN)
        gather = ('[create-datasets]\nsource = "influx"\nname = "live"\ninflux_url = "%s"\ninflux_org = "windmill"\n'
                  'influx_bucket = "sensors"\ninflux_token_file = "token"\nmeasurement = "reading"\n'
                  'start = "2026-01-01T00:00:00Z"\nstop = "2026-01-02T00:00:00Z"\nanomalies_csv = "known.csv"\n' % influxd.url)
        first = retrain(anomctl, gather + FAST).json
        assert first["promoted"] and first["data_set"]["anomaly_segments"] == len(spans)
        second = retrain(anomctl, gather + FAST).json
        # Trained alike from the same rows, it is an equal: no reason to change.
        assert second["equal_to_champion"] and not second["promoted"]
        worse = retrain(anomctl, gather + NERVOUS.replace('dataset = "pump"\n', "")).json
        assert not worse["promoted"]
        assert champion(anomctl)["champion"] == 1
    finally:
        influxd.close()
