"""Every recorded exchange with a real MLServer, replayed: same status, equivalent body; its 500s become 400 or work."""

import copy
import gzip
import json
import pathlib
import re

import numpy
import pytest
from bundles import make_bundle
from serving import Server

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden/v2/mlserver_1.7.1.json"
EXCHANGES = json.loads(GOLDEN.read_text())
# Models of the recording that were there to try codecs; ours serves windows only.
OTHER_MODELS = ("/v2/models/pdm/", "/v2/models/pdout/", "/v2/models/dict/", "/v2/models/nosig/")
OURS = [e for e in EXCHANGES if not e["path"].startswith(OTHER_MODELS)]


def ramp(n):
    return [float(x) for x in (numpy.arange(n, dtype=numpy.float32) * numpy.float32(0.001))]


def expand(body):
    """Undoes the shortening that README.md beside the recording describes; returns bytes, or None for no body."""
    if body is None:
        return None
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, dict):
        if "$gzip" in body:
            return gzip.compress(expand(body["$gzip"]))
        if "$text_of" in body:
            return expand(body["$text_of"])
        if "$binary" in body:
            return body["$binary"].encode() + (numpy.arange(body["$floats"], dtype="<f4") * numpy.float32(0.001)).tobytes()
        body = copy.deepcopy(body)
        for tensor in body.get("inputs", []):
            data = tensor.get("data")
            if isinstance(data, dict):
                if "$ramp" in data:
                    tensor["data"] = ramp(data["$ramp"])
                elif "$constant" in data:
                    tensor["data"] = [data["$constant"]] * data["$count"]
                else:
                    shape = data["$nested_ramp"]
                    tensor["data"] = numpy.reshape(ramp(int(numpy.prod(shape))), shape).tolist()
    return json.dumps(body).encode()


def expected_status(exchange):
    if exchange["name"] == "index-nobody":
        return {200}  # tritonclient sends no body
    return {200, 400} if exchange["status"] == 500 else {exchange["status"]}


def is_inference(body):
    return isinstance(body, dict) and "outputs" in body and "model_name" in body


def same_kind(ours, theirs, where="body"):
    """The same keys hold the same kinds of values."""
    if theirs is None or ours is None:
        return
    assert isinstance(ours, type(theirs)), f"{where}: {ours!r} instead of {theirs!r}"
    if isinstance(theirs, dict):
        assert theirs.keys() <= ours.keys(), f"{where}: {ours.keys()} lacks some of {theirs.keys()}"
        for key in theirs:
            same_kind(ours[key], theirs[key], f"{where}.{key}")
    if isinstance(theirs, list) and theirs and ours:
        same_kind(ours[0], theirs[0], f"{where}[0]")


def equivalent(exchange, status, text):
    """Fails where the answer is not what a client of MLServer needs."""
    theirs = exchange["response"]
    if exchange["status"] == 500:
        if status == 400:
            assert json.loads(text)["error"], text
        else:
            # Raw tensors may follow the JSON.
            assert is_inference(json.JSONDecoder().raw_decode(text)[0]), text
        return
    if theirs == "":
        assert text == ""
    elif theirs == "$html":
        assert "<html" in text
    elif exchange["name"] == "stream":
        assert text.startswith("data: ") and text.endswith("\n\n")
        same_inference(json.loads(text[6:]), json.loads(theirs[6:]), exchange)
    elif is_inference(theirs):
        same_inference(json.loads(text), theirs, exchange)
    elif isinstance(theirs, dict) and "detail" in theirs:
        ours = json.loads(text)
        assert ours["error"]
        if isinstance(theirs["detail"], str):
            assert ours["detail"] == theirs["detail"]
        else:
            assert len(ours["detail"]) == len(theirs["detail"])
            for mine, their in zip(ours["detail"], theirs["detail"]):
                for key in ("type", "loc", "msg"):
                    assert mine[key] == their[key], (key, mine, their)
                if not str(their["input"]).endswith("characters in all"):
                    assert mine["input"] == their["input"]
                assert mine.keys() == their.keys()
    elif isinstance(theirs, dict) and "error" in theirs:
        assert json.loads(text) == theirs
    elif isinstance(theirs, dict) and "$long" in theirs:
        assert {"openapi", "info", "paths"} <= json.loads(text).keys()
    elif isinstance(theirs, list):
        assert json.loads(text) == theirs
    else:
        same_kind(json.loads(text), theirs)


UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def same_inference(ours, theirs, exchange):
    assert ours["model_name"] == theirs["model_name"]
    assert ours["model_version"] == theirs["model_version"]
    if UUID.fullmatch(theirs["id"]):
        assert UUID.fullmatch(ours["id"])
    else:
        assert ours["id"] == theirs["id"]
    assert ours["parameters"]["content_type"] == "np"
    n = theirs["outputs"][0]["shape"][0]
    outputs = {o["name"]: o for o in ours["outputs"]}
    wanted = [o["name"] for o in exchange["body"].get("outputs", [])] if isinstance(exchange["body"], dict) else []
    if "output-1" in wanted:
        assert outputs.keys() == {"output-1"}
        assert outputs["output-1"]["shape"] == [n, 1] and outputs["output-1"]["datatype"] == "FP32"
        assert outputs["output-1"]["parameters"]["content_type"] == "np"
        return
    assert outputs.keys() == {"score", "is_anomaly", "contribution", "expected"}
    score = outputs["score"]
    assert (score["shape"], score["datatype"]) == ([n], "FP64")
    assert score["parameters"]["content_type"] == "np"
    assert len(score["data"]) == n and all(isinstance(v, float) and numpy.isfinite(v) for v in score["data"])
    # All recorded windows of one request are alike but those of the batch of 3; the score is the sum of the contributions.
    contribution = numpy.reshape(outputs["contribution"]["data"], outputs["contribution"]["shape"])
    assert contribution.shape == (n, 17)
    numpy.testing.assert_allclose(contribution.sum(axis=1), score["data"], rtol=1e-6)
    assert outputs["is_anomaly"]["data"] == [v >= 1000 for v in score["data"]]


@pytest.fixture(scope="module")
def server(anomctl_in, tmp_path_factory):
    program = anomctl_in(tmp_path_factory.mktemp("v2"))
    bundle = make_bundle(program, program.folder / "mtad-gat", sensors=17, window=99, threshold=1000)
    return Server(program, "--bundle", bundle)


def ask(server, exchange):
    return server.session.request(exchange["method"], server.url + exchange["path"], data=expand(exchange["body"]),
                                  headers=exchange["headers"] | {"Accept-Encoding": exchange["headers"].get("Accept-Encoding", "identity")},
                                  allow_redirects=False)


# One test: unload and load change what later exchanges find, as they did when they were recorded.
def test_recorded_exchanges(server):
    failures = []
    for number, exchange in enumerate(OURS):
        answer = ask(server, exchange)
        try:
            check(exchange, answer.status_code, answer.headers, answer.text)
        except (AssertionError, KeyError, ValueError) as failure:
            failures.append(f"{number} {exchange['name']} {exchange['path']}: {answer.status_code}, {str(failure)[:600]}")
    print(f"{len(OURS)} exchanges, {len(failures)} differ")
    assert not failures, "\n".join(failures)


def check(exchange, status, headers, text):
    assert status in expected_status(exchange), f"status {status} instead of {exchange['status']}"
    if exchange["name"] == "index-nobody":
        assert json.loads(text)[0]["state"] == "READY"
        return
    equivalent(exchange, status, text)
    if exchange["status"] in (200, 404, 405, 422):
        for name in ("allow",):
            assert headers.get(name) == exchange["response_headers"].get(name)
        theirs = exchange["response_headers"].get("content-type")
        if theirs:
            assert headers["content-type"].split(";")[0] == theirs.split(";")[0]
    if status == 307:
        assert headers["location"].endswith(exchange["path"].rstrip("/"))


def test_the_check_can_fail(server):
    """An altered status and an altered output are seen."""
    exchange = next(e for e in OURS if e["name"] == "plain")
    answer = ask(server, exchange)
    check(exchange, answer.status_code, answer.headers, answer.text)
    with pytest.raises(AssertionError):
        check(exchange, 201, answer.headers, answer.text)
    for alter in (lambda b: b["outputs"].pop(0), lambda b: b["outputs"][0]["data"].append(1.0), lambda b: b.pop("id"),
                  lambda b: b["outputs"][0].update(shape=[1, 1]), lambda b: b["outputs"][0]["data"].__setitem__(0, 12345.0)):
        body = answer.json()
        alter(body)
        with pytest.raises((AssertionError, KeyError)):
            check(exchange, answer.status_code, answer.headers, json.dumps(body))
