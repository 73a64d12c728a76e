"""Bundles for tests: a small MTAD-GAT with random weights, made without training."""

import json
import struct

import numpy


def network_weights(sensors, window, hidden=6, seed=0):
    """Weights of a network with GATv2 and all hidden sizes alike, by the names of the reference."""
    random = numpy.random.default_rng(seed)

    def draw(*shape):
        return (random.standard_normal(shape) * 0.2).astype("<f4")

    def gru(name, inputs):
        return {f"{name}.weight_ih_l0": draw(3 * hidden, inputs), f"{name}.weight_hh_l0": draw(3 * hidden, hidden),
                f"{name}.bias_ih_l0": draw(3 * hidden), f"{name}.bias_hh_l0": draw(3 * hidden)}

    def attention(name, nodes, values):
        return {f"{name}.a": draw(2 * values, 1), f"{name}.bias": draw(nodes, nodes),
                f"{name}.lin.weight": draw(2 * values, 2 * values), f"{name}.lin.bias": draw(2 * values)}

    weights = {"conv.conv.weight": draw(sensors, sensors, 3), "conv.conv.bias": draw(sensors)}
    weights |= attention("feature_gat", sensors, window) | attention("temporal_gat", window, sensors)
    weights |= gru("gru.gru", 3 * sensors) | gru("recon_model.decoder.rnn", hidden)
    weights |= {"forecasting_model.layers.0.weight": draw(hidden, hidden), "forecasting_model.layers.0.bias": draw(hidden),
                "forecasting_model.layers.1.weight": draw(sensors, hidden), "forecasting_model.layers.1.bias": draw(sensors),
                "recon_model.fc.weight": draw(sensors, hidden), "recon_model.fc.bias": draw(sensors)}
    settings = {"n_features": sensors, "window_size": window, "out_dim": sensors, "kernel_size": 3, "use_gatv2": True,
                "use_bias": True, "gru_n_layers": 1, "gru_hid_dim": hidden, "fc_n_layers": 1, "fc_hid_dim": hidden,
                "recon_n_layers": 1, "recon_hid_dim": hidden, "alpha": 0.2, "gamma": 1.0}
    return weights, settings


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, values in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [offset, offset + values.nbytes]}
        offset += values.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(t.tobytes() for t in tensors.values()))


def make_bundle(anomctl, folder, sensors=3, window=8, threshold=None, seed=0, columns=None):
    """A bundle in `folder` (made by `models import`); returns the folder."""
    weights, settings = network_weights(sensors, window, seed=seed)
    source = folder.parent / (folder.name + "-source")
    source.mkdir(parents=True, exist_ok=True)
    write_safetensors(source / "weights.safetensors", weights)
    (source / "settings.json").write_text(json.dumps(settings))
    arguments = ["--weights", source / "weights.safetensors", "--settings", source / "settings.json", "--output", folder]
    if threshold is not None:
        arguments += ["--threshold", threshold]
    if columns:
        arguments += ["--columns", ",".join(columns)]
    anomctl("models", "import", *arguments, code=0)
    return folder
