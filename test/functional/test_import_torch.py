"""`models import` of what torch.save and the Python original's MLflow runs left behind."""

import json
import pathlib
import pickle
import struct
import zipfile

import numpy
import pytest
from bundles import network_weights, write_safetensors
from torch_files import archive, checkpoint, state_dict, tensor

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"


def read_safetensors(path):
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    entries = json.loads(raw[8:8 + size])
    return {name: numpy.frombuffer(raw[8 + size:][slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
            for name, entry in entries.items() if name != "__metadata__"}


def import_weights(anomctl, weights, settings, output="bundle", code=0):
    return anomctl("models", "import", "--weights", weights, "--settings", settings, "--output", output, code=code)


@pytest.mark.parametrize("name", ["small_w20_k5", "embed_gatv1", "deep_layers", "nobias", "target_dims", "univariate_k1"])
def test_a_state_dict_scores_as_the_original_does(anomctl, tmp_path, name):
    (tmp_path / "model.pt").write_bytes(checkpoint(read_safetensors(GOLDEN / f"model/{name}.weights.safetensors")))
    import_weights(anomctl, "model.pt", GOLDEN / f"model/{name}.json")
    vectors = read_safetensors(GOLDEN / f"model/{name}.vectors.safetensors")
    numpy.savetxt(tmp_path / "series.csv", vectors["series"], delimiter=",", fmt="%.9g")
    anomctl("score", "--bundle", "bundle", "--compat", "reference", "--input", "series.csv", "--output", "out.csv", code=0)
    scores = numpy.loadtxt(tmp_path / "out.csv", delimiter=",", skiprows=1, usecols=1)
    assert numpy.abs(scores - vectors["score.total"]).max() < 2e-5


def test_what_torch_itself_wrote_is_read(anomctl, tmp_path):
    written = GOLDEN / "torch"
    for file in ("embed_gatv2.state_dict.pt", "embed_gatv2.module.pth"):
        import_weights(anomctl, written / file, GOLDEN / "model/embed_gatv2.json")
        kept = read_safetensors(tmp_path / "bundle/weights.safetensors")
        wanted = read_safetensors(GOLDEN / "model/embed_gatv2.weights.safetensors")
        assert kept.keys() == wanted.keys()
        assert all((kept[name] == wanted[name]).all() for name in wanted)
    done = import_weights(anomctl, written / "embed_gatv2.old_form.pt", GOLDEN / "model/embed_gatv2.json", code=4)
    assert "before torch 1.6" in done.err and "torch.save(torch.load(" in done.err


@pytest.fixture
def source(tmp_path):
    weights, settings = network_weights(2, 8)
    (tmp_path / "s.json").write_text(json.dumps(settings))
    return weights


def test_numbers_of_any_size_kind_and_order_are_read(anomctl, tmp_path, source):
    source["recon_model.fc.bias"][0] = 1e23  # occurs in genuine checkpoints
    items, data = {}, []
    for number, (name, values) in enumerate(source.items()):
        kind = ("<f4", "<f8", "<f2")[number % 3] if abs(values).max() < 100 else "<f4"
        stored = values.astype(kind)
        source[name] = stored.astype("<f4")
        # As a transposed tensor is stored: last axis first.
        turned = numpy.asfortranarray(stored) if stored.ndim == 2 else stored
        items[name] = tensor(str(number), turned)
        data.append((f"a/data/{number}", turned.tobytes("A")))
    (tmp_path / "m.pt").write_bytes(archive([("a/data.pkl", state_dict(items)), *data]))
    import_weights(anomctl, "m.pt", "s.json")
    kept = read_safetensors(tmp_path / "bundle/weights.safetensors")
    assert all((kept[name] == values).all() for name, values in source.items())


class Command:
    def __reduce__(self):
        import os
        return os.system, ("touch it-ran",)


ONE = numpy.ones(4, "<f4")


def one(item, data=ONE.tobytes(), more=()):
    return archive([("a/data.pkl", state_dict({"x": item})), ("a/data/0", data), *more])


def overlapping():
    """An entry that lies within the data of another."""
    inner = archive([("a/data/1", ONE.tobytes())])[:30 + len("a/data/1") + ONE.nbytes]
    raw = bytearray(one(tensor("0", ONE), data=inner, more=[("a/data/1", ONE.tobytes())]))
    last = raw.rindex(b"PK\x01\x02")
    raw[last + 42:last + 46] = struct.pack("<I", raw.index(inner))
    return bytes(raw)


def flagged_encrypted():
    raw = bytearray(one(tensor("0", ONE)))
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    return bytes(raw)


def damaged():
    raw = bytearray(one(tensor("0", ONE)))
    raw[raw.index(ONE.tobytes())] ^= 1
    return bytes(raw)


ATTACKS = {
    "a command": (lambda: archive([("a/data.pkl", pickle.dumps(Command(), 2))]), "posix.system"),
    "a command by eval": (lambda: archive([("a/data.pkl", b"\x80\x02c__builtin__\neval\n(X\x01\x00\x00\x001tR.")]), "__builtin__.eval"),
    "a command, protocol 4": (lambda: archive([("a/data.pkl", pickle.dumps(Command(), 4))]), "protocol 4"),
    "an import by hand": (lambda: archive([("a/data.pkl", b"\x80\x02(ios\nsystem\n.")]), "0x69"),
    "a bare pickle": (lambda: pickle.dumps(Command(), 2), "before torch 1.6"),
    "a bomb": (lambda: archive([("a/data.pkl", b"\x80\x02" + b"N" * 50_000_000)], zipfile.ZIP_DEFLATED), "is compressed"),
    "a long pickle": (lambda: archive([("a/data.pkl", b"\x80\x02" + b"N" * 17_000_000)]), "too many"),
    "many values": (lambda: archive([("a/data.pkl", b"\x80\x02" + b"N" * 2_000_000)]), "too many values"),
    "deep nesting": (lambda: archive([("a/data.pkl", b"\x80\x02" + b"(" * 2_000_000)]), "too deep"),
    "a path": (lambda: archive([("a/../../etc/passwd", b"x"), ("a/data.pkl", b"")]), "leads elsewhere"),
    "an absolute path": (lambda: archive([("/a/data.pkl", b"x")]), "leads elsewhere"),
    "two folders": (lambda: archive([("a/data.pkl", b"\x80\x02N."), ("b/data/0", b"x")]), "outside the folder"),
    "a name twice": (lambda: one(tensor("0", ONE), more=[("a/data/0", b"other")]), "stands twice"),
    "overlap": (overlapping, "overlap"),
    "encryption": (flagged_encrypted, "is encrypted"),
    "damage": (damaged, "damaged"),
    "a cut file": (lambda: one(tensor("0", ONE))[:-30], "cut off"),
    "no pickle": (lambda: archive([("a/data/0", b"x")]), "without data.pkl"),
    "a huge count": (lambda: one(tensor("0", ONE, count=2**31 - 1)), "do not fill 16 bytes"),
    "a huge shape": (lambda: one(tensor("0", ONE, shape=[2**30, 2**30], stride=[0, 0])), "larger than its storage"),
    "a huge stride": (lambda: one(tensor("0", ONE, shape=[4], stride=[2**30])), "larger than its storage"),
    "a huge offset": (lambda: one(tensor("0", ONE, offset=2**30)), "is asked for"),
    "a negative size": (lambda: one(tensor("0", ONE, shape=[-4])), "not sensible"),
    "bytes": (lambda: one(tensor("0", numpy.ones(4, "u1"))), "torch.ByteStorage"),
    "no values": (lambda: one(tensor("7", ONE)), "not in the archive"),
    "no tensor": (lambda: archive([("a/data.pkl", state_dict({"epoch": b"K\x05"}))]), "is no tensor"),
    "a name with a line end": (lambda: archive([("a/data.pkl", state_dict({"a\nb": b"N"}))]), "a?b"),
}


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf, -numpy.inf])
def test_what_a_diverged_training_left_is_refused(anomctl, tmp_path, source, value):
    source["recon_model.fc.bias"][1] = value
    (tmp_path / "m.pt").write_bytes(checkpoint(source))
    done = import_weights(anomctl, "m.pt", "s.json", code=4)
    assert "recon_model.fc.bias" in done.err and "not finite" in done.err and not (tmp_path / "bundle").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_not_a_checkpoint_of_tensors_is_refused(anomctl, tmp_path, source, name):
    make, words = ATTACKS[name]
    (tmp_path / "m.pt").write_bytes(make())
    done = import_weights(anomctl, "m.pt", "s.json", code=4)
    assert words in done.err and done.err.count("\n") == 1 and "m.pt" in done.err, done
    assert not (tmp_path / "bundle").exists() and not (tmp_path / "it-ran").exists()


def original_run(folder, weights, settings, thresholds, where="2"):
    """A run folder as the original's train.py and evaluate.py leave it, with MLflow 2 or 3."""
    run = folder / "mlruns/1/0123456789abcdef0123456789abcdef"
    artifacts = run / "artifacts"
    model = artifacts / "blade_model" if where == "2" else folder / "mlruns/1/models/m-1/artifacts"
    (model / "data").mkdir(parents=True)
    artifacts.mkdir(parents=True, exist_ok=True)
    (model / "data/model.pth").write_bytes(checkpoint(weights))
    if where == "3":
        other = folder / "mlruns/1/models/m-2/artifacts/data"
        other.mkdir(parents=True)
        (other / "model.pth").write_bytes(b"another run's")
        (other.parents[1] / "meta.yaml").write_text("model_id: m-2\nsource_run_id: ffff\n")
        (model.parent / "meta.yaml").write_text(f"model_id: m-1\nsource_run_id: {run.name}\n")
    (run / "meta.yaml").write_text(f"artifact_uri: file:///x\nrun_id: {run.name}\nrun_name: 25112026_090000\n")
    config = {"dataset": "blade", "stride": 1, "train_start": 0, "train_end": None, "feat_gat_embed_dim": None,
              "time_gat_embed_dim": None, "epochs": 30, "patience": None, "use_cuda": True, "reg_level": 1, **settings}
    for name in ("out_dim", "use_bias"):  # which the original does not log
        config.pop(name, None)
    (artifacts / "config.txt").write_text(json.dumps(config, indent=2))
    if thresholds is not None:
        (artifacts / "thresholds.json").write_text(json.dumps(thresholds))
    return run


@pytest.mark.parametrize("mlflow", ["2", "3"])
def test_a_run_of_the_original_becomes_a_bundle(anomctl, tmp_path, mlflow):
    weights, settings = network_weights(2, 8)
    # log_dict writes numbers of numpy's float32 as text: seen with MLflow 3.3.2.
    run = original_run(tmp_path, weights, {**settings, "gamma": 0.5},
                       {"epsilon": "7.0466413", "POT": 3.25, "BF-F1": 2, "BF-F1-PA": 4.5}, mlflow)
    for folder, name in ((run, "b1"), (run / "artifacts", "b2")):
        done = anomctl("models", "import", "--mlflow-run", folder, "--columns", "speed,load", "--output", name, "--json",
                       code=0).json
        assert done["name"] == "blade" and done["threshold"] == 3.25
        shown = anomctl("models", "show", name, "--json", code=0).json
        assert shown["thresholds"] == {"best-f1": 2, "best-f1-adjusted": 4.5, "epsilon": 7.0466413, "pot": 3.25}
        assert shown["chosen_threshold"] == "pot" and shown["score"]["gamma"] == 0.5
        assert [c["name"] for c in shown["columns"]] == ["speed", "load"]
    kept = read_safetensors(tmp_path / "b1/weights.safetensors")
    assert all((kept[name] == values).all() for name, values in weights.items())


def test_a_run_that_lacks_something_is_refused_by_its_name(anomctl, tmp_path):
    weights, settings = network_weights(2, 8)
    run = original_run(tmp_path, weights, settings, {"epsilon": "much"})

    def refused(words, *more, code=4):
        done = anomctl("models", "import", "--mlflow-run", run, "--output", "b", *more, code=code)
        assert words in done.err and done.err.count("\n") == 1, done

    refused("thresholds.json: epsilon is no number")
    (run / "artifacts/thresholds.json").unlink()
    assert "threshold" not in anomctl("models", "import", "--mlflow-run", run, "--output", "b", "--json", code=0).json
    refused("leave out --weights", "--weights", "x.pt", code=2)
    (run / "artifacts/other_model/data").mkdir(parents=True)
    (run / "artifacts/other_model/data/model.pth").write_bytes(b"")
    refused("several models")
    for model in ("other_model", "blade_model"):
        (run / f"artifacts/{model}/data/model.pth").unlink()
    refused("has no model")
    write_safetensors(run / "artifacts/model.safetensors", weights)
    anomctl("models", "import", "--mlflow-run", run, "--output", "b", code=0)
    (run / "artifacts/config.txt").unlink()
    refused("config.txt")
    done = anomctl("models", "import", "--output", "b", code=2)
    assert "--mlflow-run FOLDER" in done.err
