"""`score`: the original's scores, any CSV, streams, clear errors."""

import csv
import io
import json
import math
import pathlib
import struct
import subprocess

import numpy
import pytest
from bundles import make_bundle
from streams import make_plant

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden/model"


def read_safetensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    body = data[8 + size:]
    return {name: numpy.frombuffer(body[slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
            for name, entry in json.loads(data[8:8 + size]).items() if name != "__metadata__"}


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def lines(values, digits=9):
    return "".join(",".join(f"{v:.{digits}g}" for v in row) + "\n" for row in values)


@pytest.mark.parametrize("case", ["small_w20_k5", "kernel3_alpha01_gamma05", "univariate_k1"])
def test_scores_of_the_original(anomctl, tmp_path, case):
    anomctl("models", "import", "--weights", GOLDEN / f"{case}.weights.safetensors", "--settings", GOLDEN / f"{case}.json",
            "--output", tmp_path / "bundle", code=0)
    vectors = read_safetensors(GOLDEN / f"{case}.vectors.safetensors")
    (tmp_path / "series.csv").write_text(lines(vectors["series"]))
    done = anomctl("score", "--bundle", "bundle", "--input", "series.csv", "--output", "scores.csv", "--details",
                   "--compat", "reference", "--json", code=0)
    found = rows_of((tmp_path / "scores.csv").read_text())
    total = vectors["score.total"]
    window = json.loads((GOLDEN / f"{case}.json").read_text())["window_size"]
    assert done.json["scored"] == len(found) == len(total)
    assert [int(r["row"]) for r in found] == list(range(window, window + len(total)))
    assert {r["is_anomaly"] for r in found} == {""}
    assert numpy.abs([float(r["score"]) for r in found] - total).max() <= 2e-6
    for name, key in (("forecast", "forecast"), ("reconstruction", "recon_last"), ("actual", "actual"), ("score", "per_feature")):
        columns = [[float(r[f"{name}_c{c}"]) for c in range(vectors["series"].shape[1])] for r in found]
        assert numpy.abs(numpy.array(columns) - vectors[f"score.{key}"]).max() <= 2e-6


@pytest.fixture
def small(anomctl, tmp_path):
    """A bundle of three sensors and window 8 with a threshold, and 40 rows."""
    make_bundle(anomctl, tmp_path / "small", columns=["a", "b", "c"], threshold=1.0)
    return numpy.random.default_rng(1).standard_normal((40, 3))


def test_header_order_time_column_and_streams_do_not_matter(anomctl, small):
    plain = anomctl("score", "--bundle", "small", input=lines(small), code=0).out
    assert plain.count("\n") == 1 + 40 - 8
    assert plain.startswith("row,score,is_anomaly\n8,")
    assert {r["is_anomaly"] for r in rows_of(plain)} == {"0", "1"}
    header = "a,b,c\n" + lines(small)
    swapped = "time,note,c,a,b\n" + "".join(
        f"2026-01-01T00:00:{i:02}Z,x,{c:.9g},{a:.9g},{b:.9g}\n" for i, (a, b, c) in enumerate(small))
    other_names = "x;y;z\n" + lines(small)
    assert anomctl("score", "--bundle", "small", input=header, code=0).out == plain
    assert anomctl("score", "--bundle", "small", input=swapped, code=0).out == plain
    assert anomctl("score", "--bundle", "small", input=other_names.replace(";", ","), code=0).out == plain
    assert anomctl("score", "--bundle", "small", "--batch-size", 1, input=lines(small).replace("\n", "\r\n"), code=0).out == plain


def test_a_stream_is_answered_before_it_ends(anomctl, small):
    process = subprocess.Popen([anomctl.binary, "score", "--bundle", "small"], cwd=anomctl.folder, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, bufsize=1)
    try:
        process.stdin.write(lines(small[:9]))
        process.stdin.flush()
        assert process.stdout.readline() == "row,score,is_anomaly\n"
        assert process.stdout.readline().startswith("8,")
        process.stdin.write(lines(small[9:10]))
        process.stdin.flush()
        assert process.stdout.readline().startswith("9,")
    finally:
        process.stdin.close()
        process.stdout.close()
        assert process.wait(20) == 0


def test_a_stream_that_waits_can_be_stopped(anomctl, small):
    process = subprocess.Popen([anomctl.binary, "score", "--bundle", "small"], cwd=anomctl.folder, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    process.stdin.write(lines(small[:9]))
    process.stdin.flush()
    assert process.stdout.readline() == "row,score,is_anomaly\n"
    process.terminate()
    try:
        assert process.wait(20) == 143
    finally:
        process.kill()
        process.stdin.close()
        process.stdout.close()


def test_a_missing_value_costs_one_sensor_one_row(anomctl, small):
    text = lines(small).splitlines()
    text[20] = text[20].rsplit(",", 1)[0] + ","
    done = anomctl("score", "--bundle", "small", "--details", input="\n".join(text) + "\n", code=0)
    found = rows_of(done.out)
    assert "1 missing value" in done.err
    assert all(math.isfinite(float(r["score"])) for r in found)
    assert [r["row"] for r in found if r["score_c"] == ""] == ["20"]


def test_a_pause_starts_the_window_anew(anomctl, small):
    stamps = [i if i < 20 else i + 100 for i in range(40)]
    text = "time,a,b,c\n" + "".join(f"{1700000000 + t},{line}" for t, line in zip(stamps, lines(small).splitlines(True)))
    done = anomctl("score", "--bundle", "small", input=text, code=0)
    assert [int(r["row"]) for r in rows_of(done.out) if r["score"] == ""] == list(range(20, 28))
    assert "1 pause" in done.err
    whole = anomctl("score", "--bundle", "small", "--max-gap-periods", 0, input=text, code=0)
    assert all(r["score"] for r in rows_of(whole.out))


@pytest.mark.parametrize("change, words", [
    (lambda t: t[:8], "8 rows, a window of 8 needs at least 9"),
    (lambda t: [], "is empty"),
    (lambda t: t[:12] + ["1,2"] + t[12:], ":13: 2 cells, the first row has 3"),
    (lambda t: t[:12] + ["1,much,3"] + t[12:], "'much' in column 'b' is no number"),
    (lambda t: ["1,much,3"] + t, "'much' in column 'b' is no number"),
    (lambda t: ["a,b,d"] + t, "column 'c' of the bundle is missing"),
    (lambda t: [line + ",1" for line in t], "4 numbers in a row, the bundle has 3 columns"),
    (lambda t: ["time,a,b,c"] + ["yesterday," + line for line in t], "is no time stamp"),
])
def test_unusable_input_is_named(anomctl, small, tmp_path, change, words):
    (tmp_path / "bad.csv").write_text("".join(line + "\n" for line in change(lines(small).splitlines())))
    done = anomctl("score", "--bundle", "small", "--input", "bad.csv", "--output", "scores.csv", code=4)
    assert "bad.csv" in done.err and words in done.err, done
    assert not list(tmp_path.glob("scores.csv*"))


def test_exactly_one_row_more_than_a_window(anomctl, small):
    done = anomctl("score", "--bundle", "small", input=lines(small[:9]), code=0)
    assert done.out.count("\n") == 2


def test_wrong_use(anomctl, small):
    anomctl("score", code=2)
    anomctl("score", "--bundle", "small", "--json", input=lines(small), code=2)
    assert "is no bundle" in anomctl("score", "--bundle", "nowhere", input=lines(small), code=4).err


@pytest.fixture(scope="module")
def silent(anomctl_in, tmp_path_factory, torch_module):
    """Bundles of each kind, hardly trained: in `both` the network stays silent."""
    anomctl = anomctl_in(tmp_path_factory.mktemp("silent"))
    anomctl("create-datasets", "--source", "plant", "--rows", "1500", "--name", "p", code=0)
    small = ["--dataset", "p", "--window-size", "10", "--stride", "8", "--epochs", "1", "--relation-epochs", "0",
             "--gru-hid-dim", "8", "--recon-hid-dim", "8", "--fc-hid-dim", "8"]
    anomctl("train", *small, "--output", "both", code=0)
    anomctl("train", *small, "--kind", "mtad-gat", "--output", "network", code=0)
    anomctl("train", *small, "--kind", "panel", "--output", "panel", code=0)
    return anomctl


@pytest.mark.parametrize("kind", ["both", "network", "panel"])
def test_each_kind_of_bundle_scores(silent, kind):
    plain = silent("score", "--bundle", kind, "--input", "datasets/p/eval.csv", code=0).out
    detailed = rows_of(silent("score", "--bundle", kind, "--input", "datasets/p/eval.csv", "--details", code=0).out)
    assert [(r["row"], r["score"]) for r in detailed] == [(r["row"], r["score"]) for r in rows_of(plain)]
    names = [key.removeprefix("actual_") for key in detailed[0] if key.startswith("actual_")]
    network = kind == "network"
    for row in detailed:
        assert all(row[f"actual_{c}"] and row[f"score_{c}"] for c in names)
        assert all(bool(row[f"{what}_{c}"]) == network for what in ("forecast", "reconstruction") for c in names)
    with open(silent.folder / "datasets/p/eval.csv") as table:
        last = [float(v) for v in list(csv.reader(table))[-1]]
    assert [float(detailed[-1][f"actual_{c}"]) for c in names] == pytest.approx(last, rel=1e-5, abs=1e-5)


def test_the_originals_score_of_a_bundle_with_a_panel(silent):
    both = silent("score", "--bundle", "both", "--input", "datasets/p/eval.csv", "--compat", "reference", code=0).out
    network = silent("score", "--bundle", "network", "--input", "datasets/p/eval.csv", "--compat", "reference", code=0).out
    assert both == network
    refused = silent("score", "--bundle", "panel", "--input", "datasets/p/eval.csv", "--compat", "reference", code=2)
    assert "holds no MTAD-GAT" in refused.err


def test_a_device_is_written_to_not_replaced(anomctl_in, tmp_path):
    plant = make_plant(anomctl_in(tmp_path))
    (tmp_path / "null").symlink_to("/dev/null")
    plant("score", "--bundle", "pump.bundle", "--input", "pump.csv", "--output", "null", code=0)
    assert (tmp_path / "null").is_symlink() and (tmp_path / "null").is_char_device()
