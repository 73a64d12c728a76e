"""`models import|list|show|export`."""

import json

import pytest
from bundles import make_bundle, network_weights, write_safetensors


def test_a_bundle_is_listed_shown_and_exported(anomctl, tmp_path):
    make_bundle(anomctl, tmp_path / "models/pump", columns=["a", "b", "c"], threshold=2.5)
    listed = anomctl("models", "list", "--json", code=0).json["models"]
    assert [(m["name"], m["sensors"], m["window_size"], m["threshold"]) for m in listed] == [("pump", 3, 8, 2.5)]
    assert "pump" in anomctl("models", "list", code=0).out
    shown = anomctl("models", "show", "pump", "--json", code=0).json
    assert [c["name"] for c in shown["columns"]] == ["a", "b", "c"]
    assert shown["score"]["kind"] == "reference" and shown["parameters"] > 100
    anomctl("models", "export", "pump", "--output", "shipped", code=0)
    assert anomctl("models", "show", "shipped", "--json", code=0).json["hash"] == shown["hash"]
    assert "is not empty" in anomctl("models", "export", "pump", "--output", "shipped", code=2).err
    assert "did you mean pump" in anomctl("models", "show", "pumb", code=2).err


def test_a_damaged_bundle_is_refused_by_name(anomctl, tmp_path):
    bundle = make_bundle(anomctl, tmp_path / "models/pump")
    weights = bytearray((bundle / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (bundle / "weights.safetensors").write_bytes(weights)
    for command in (["models", "show", "pump"], ["models", "export", "pump", "--output", "x"]):
        done = anomctl(*command, code=4)
        assert "weights.safetensors" in done.err and "SHA-256 differs" in done.err
    (bundle / "bundle.json").write_text("{}")
    done = anomctl("models", "list", code=0)
    assert "left out" in done.err and "bundle.json" in done.err


@pytest.fixture
def source(tmp_path):
    weights, settings = network_weights(2, 8)
    write_safetensors(tmp_path / "w.safetensors", weights)
    (tmp_path / "s.json").write_text(json.dumps(settings))
    return weights, settings


def test_import_takes_a_scaler_and_the_originals_names(anomctl, tmp_path, source):
    weights, settings = source
    for ours, theirs in (("fc_n_layers", "forecast_n_layers"), ("fc_hid_dim", "forecast_hid_dim")):
        settings[theirs] = settings.pop(ours)
    weights["recon_model.fc.bias"][0] = 1e23  # occurs in genuine checkpoints
    write_safetensors(tmp_path / "w.safetensors", weights)
    (tmp_path / "s.json").write_text(json.dumps(settings))
    (tmp_path / "scaler.json").write_text(json.dumps({"kind": "minmax", "min": [0, 5], "max": [2, 5]}))
    anomctl("models", "import", "--weights", "w.safetensors", "--settings", "s.json", "--columns", "a,b",
            "--scaler", "scaler.json", "--output", "bundle", "--name", "pump", code=0)
    shown = anomctl("models", "show", "bundle", "--json", code=0).json
    assert shown["name"] == "pump" and shown["scaler"]["kind"] == "minmax"
    assert shown["settings"]["fc_n_layers"] == 1


@pytest.mark.parametrize("spoil, words, code", [
    (lambda s, w: s.update(kernel_size=4), "s.json", 4),
    (lambda s, w: s.update(n_features=3), "w.safetensors", 4),
    (lambda s, w: w.pop("conv.conv.bias"), "conv.conv.bias", 4),
    (lambda s, w: w.update({"extra": w["conv.conv.bias"]}), "extra", 4),
    (lambda s, w: s.pop("n_features"), "s.json", 4),
])
def test_import_names_what_does_not_fit(anomctl, tmp_path, source, spoil, words, code):
    weights, settings = source
    spoil(settings, weights)
    write_safetensors(tmp_path / "w.safetensors", weights)
    (tmp_path / "s.json").write_text(json.dumps(settings))
    done = anomctl("models", "import", "--weights", "w.safetensors", "--settings", "s.json", "--output", "bundle", code=code)
    assert words in done.err, done
    assert not (tmp_path / "bundle").exists()


def test_import_checks_the_number_of_columns(anomctl, source):
    done = anomctl("models", "import", "--weights", "w.safetensors", "--settings", "s.json", "--columns", "a,b,c",
                   "--output", "bundle", code=2)
    assert "--columns names 3 sensors" in done.err
