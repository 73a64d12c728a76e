"""The workflow of the Python original, line by line as its users write it (but for the docker lines)."""

import csv
import math
import random

import pytest


def write_cats(folder, rows=1500):
    """A small set in the layout of CATS: `CATS/data.csv` and `CATS/metadata.csv`, 17 channels at 1 Hz."""
    folder.mkdir()
    channels = ["aimp", "amud", "arnd", "asin1", "asin2", "adbr", "adfl", "bed1", "bed2", "bfo1", "bfo2", "bso1", "bso2",
                "bso3", "ced1", "cfo1", "cso1"]
    noise = random.Random(7)
    first, last = rows - 300, rows - 250
    with open(folder / "data.csv", "w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["timestamp", *channels, "y", "category"])
        for row in range(rows):
            odd = first <= row <= last
            values = [math.sin(row / (7 + c)) + 0.05 * noise.gauss(0, 1) + (3 if odd and c == 4 else 0)
                      for c in range(len(channels))]
            stamp = f"2023-01-01 {row // 3600:02}:{row // 60 % 60:02}:{row % 60:02}"
            table.writerow([stamp, *(f"{v:.5f}" for v in values), f"{float(odd)}", "1.0" if odd else "0.0"])
    with open(folder / "metadata.csv", "w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["start_time", "end_time", "root_cause", "affected", "category"])
        clock = "2023-01-01 00:{:02}:{:02}"
        table.writerow([clock.format(first // 60, first % 60), clock.format(last // 60, last % 60), "asin2", "['asin2']", 1])


def test_the_originals_lines(anomctl, torch_module):
    write_cats(anomctl.folder / "CATS")
    out = anomctl("create-datasets", "--source", "CATS", code=0)
    assert "cats" in out.out + out.err
    for name in ("train.csv", "train_labels.csv", "eval.csv", "eval_labels.csv"):
        assert (anomctl.folder / "datasets/cats" / name).stat().st_size > 0
    # As written, but for a network that a test can wait for.
    small = {"ANOMCTL_WINDOW_SIZE": "16", "ANOMCTL_EPOCHS": "1", "ANOMCTL_STRIDE": "8", "ANOMCTL_GRU_HID_DIM": "16",
             "ANOMCTL_FC_HID_DIM": "16", "ANOMCTL_RECON_HID_DIM": "16"}
    trained = anomctl("train", "--json", env=small, code=0).json
    assert trained["run_id"] and len(trained["epochs"]) >= 1
    report = anomctl("evaluate", "--json", code=0)
    assert report.json
    assert list((anomctl.folder / "mlruns").rglob("report.html"))


def test_set_auth_with_the_originals_flags(anomctl):
    words = {name: f"word-of-{name}-1!" for name in ("sensor", "manager", "telegraf", "influx")}
    outcome = anomctl("set-auth", "--mosquitto_sensor_pass", words["sensor"], "--mosquitto_manager_pass",
                      words["manager"], "--mosquitto_telegraf_pass", words["telegraf"], "--influxdb_pass",
                      words["influx"], code=0)
    secrets = anomctl.folder / "compose/secrets"
    for name in ("sensor", "manager", "telegraf"):
        kept = secrets / f"mosquitto_{name}_pass"
        assert kept.read_text() == words[name] and kept.stat().st_mode & 0o777 == 0o600
    assert not any(word in outcome.out + outcome.err for word in words.values())


@pytest.mark.parametrize("role", ["base", "detector", "generator", "manager"])
def test_build_images_knows_the_originals_names(anomctl, role):
    outcome = anomctl("build-images", role, "--help", code=0)
    assert role in outcome.out


def test_create_datasets_from_influx_with_the_originals_flags(anomctl):
    rows = ["#group,false,false,true,true,false,false,true,true",
            "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string",
            "#default,_result,,,,,,,", ",result,table,_start,_stop,_time,_value,_field,_measurement"]
    noise = random.Random(3)
    for table, field in enumerate(("current", "pressure")):
        for row in range(600):
            stamp = f"2026-01-02T00:{row // 60:02}:{row % 60:02}Z"
            value = math.sin(row / 9) + 0.1 * noise.gauss(0, 1) + (5 if 500 <= row <= 520 else 0)
            rows.append(f",,{table},2026-01-02T00:00:00Z,2026-01-02T01:00:00Z,{stamp},{value:.4f},{field},pump")
    (anomctl.folder / "F.csv").write_text("\r\n".join(rows) + "\r\n\r\n", newline="")
    (anomctl.folder / "G.csv").write_text("start_time,end_time\n2026-01-02T00:08:20Z,2026-01-02T00:08:40Z\n")
    anomctl("create-datasets", "--source", "influx", "--data_csv", "F.csv", "--anomalies_csv", "G.csv", code=0)
    labels = [p for p in (anomctl.folder / "datasets").rglob("eval_labels.csv")]
    assert len(labels) == 1 and labels[0].read_text().split().count("1") == 21
