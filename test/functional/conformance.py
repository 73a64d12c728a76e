"""What a client of MLServer relies on, as checks that run against any V2 server with the models of `Target`.

Each check is a function of a target and fails by an AssertionError; `CHECKS` lists them. They compare statuses, bodies
and the values of outputs with those that the target says it computes.
"""

import gzip
import json
import re

import numpy
import requests
import tritonclient.http

ROWS, COLUMNS = 9, ("a", "b", "c")
# Small whole numbers: every datatype holds them exactly.
SERIES = numpy.random.default_rng(7).integers(0, 16, (14, len(COLUMNS))).astype(float)
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Target:
    """A server at `url` with models `windows`, `plain` and `table`; `scores` are those of the windows of SERIES.

    `own` holds what anomctl computes besides (contribution, expected, threshold); MLServer has none of it.
    """

    def __init__(self, url, scores, own=None):
        self.url, self.scores, self.own, self.session = url, scores, own, requests.Session()
        self.session.headers["Accept-Encoding"] = "identity"

    def through(self, url):
        return Target(url, self.scores, self.own)

    def get(self, path, **options):
        return self.session.get(self.url + path, timeout=60, **options)

    def post(self, path, body=None, **options):
        return self.session.post(self.url + path, json=body, timeout=60, **options)


def windows(first, n):
    return numpy.stack([SERIES[i:i + ROWS] for i in range(first, first + n)])


def tensor(array, datatype="FP32", nested=False, name="input-0", **parameters):
    data = array.astype(int) if "INT" in datatype else array
    data = data.tolist() if nested else data.ravel().tolist()
    if datatype == "BYTES":
        data = [str(v) for v in data]
    out = {"name": name, "shape": list(array.shape), "datatype": datatype, "data": data}
    return out | {"parameters": parameters} if parameters else out


def request(*tensors, **more):
    return {"inputs": list(tensors), "outputs": [{"name": "output-1"}]} | more


def check_scores(target, answer, first, n, model="windows"):
    assert answer.status_code == 200, (answer.status_code, answer.text[:300])
    assert answer.headers["content-type"].split(";")[0] == "application/json"
    check_inference(target, answer.json(), first, n, model)


def check_inference(target, body, first, n, model="windows"):
    assert body["model_name"] == model and body["model_version"] == "1"
    assert body["parameters"]["content_type"] == "np"
    assert [o["name"] for o in body["outputs"]] == ["output-1"]
    output = body["outputs"][0]
    assert output["shape"] == [n, 1] and output["datatype"] in ("FP32", "FP64")
    assert output["parameters"]["content_type"] == "np"
    numpy.testing.assert_allclose(output["data"], target.scores[first:first + n], rtol=1e-5)


def check_error(answer, status, message=None):
    assert answer.status_code == status, (answer.status_code, answer.text[:300])
    error = answer.json()["error"]
    assert error and (message is None or error == message), error


def health(target):
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/windows/ready", "/v2/models/windows/versions/1/ready"):
        answer = target.get(path)
        assert (answer.status_code, answer.text) == (200, ""), path
    check_error(target.get("/v2/models/nope/ready"), 404, "Model nope not found")


def server_metadata(target):
    body = target.get("/v2").json()
    assert body["name"] and body["version"] and isinstance(body["extensions"], list)


def model_metadata(target):
    for path in ("/v2/models/windows", "/v2/models/windows/versions/1"):
        body = target.get(path).json()
        assert body["name"] == "windows" and isinstance(body["versions"], list) and isinstance(body["platform"], str)
        assert body["inputs"] == [{"name": "input-0", "datatype": "FP32", "shape": [-1, ROWS, len(COLUMNS)],
                                   "parameters": {"content_type": "np"}}]
        assert body["outputs"] and all({"name", "datatype", "shape"} <= o.keys() for o in body["outputs"])
        assert body["parameters"]["content_type"] == "np"
    check_error(target.get("/v2/models/nope"), 404, "Model nope not found")


def infer_plain(target):
    for n in (1, 3):
        check_scores(target, target.post("/v2/models/windows/infer", request(tensor(windows(1, n)))), 1, n)


def infer_nested(target):
    check_scores(target, target.post("/v2/models/windows/infer", request(tensor(windows(0, 2), nested=True))), 0, 2)


def infer_id(target):
    body = request(tensor(windows(0, 1)), id="my-id")
    assert target.post("/v2/models/windows/infer", body).json()["id"] == "my-id"
    assert UUID.fullmatch(target.post("/v2/models/windows/infer", request(tensor(windows(0, 1)))).json()["id"])


def infer_content_type(target):
    """np as a parameter of the request and of the tensor; what is not known is let be."""
    for body in (request(tensor(windows(2, 1)), parameters={"content_type": "np"}),
                 request(tensor(windows(2, 1), content_type="np")),
                 request(tensor(windows(2, 1), name="whatever"), unknown={"x": [1]})):
        check_scores(target, target.post("/v2/models/windows/infer", body), 2, 1)


def infer_datatypes(target):
    for datatype in ("FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"):
        body = request(tensor(windows(0, 2), datatype), parameters={"content_type": "np"})
        check_scores(target, target.post("/v2/models/plain/infer", body), 0, 2, "plain")


def infer_bytes(target):
    body = request(tensor(windows(0, 1), "BYTES"), parameters={"content_type": "np"})
    check_scores(target, target.post("/v2/models/plain/infer", body), 0, 1, "plain")


def infer_table(target):
    """pd: one tensor a column, as FP64 or as whole numbers, [rows] or [rows, 1]."""
    for shape in ((ROWS + 2,), (ROWS + 2, 1)):
        columns = [tensor(SERIES[:ROWS + 2, i].reshape(shape), "FP64", name=name) for i, name in enumerate(COLUMNS)]
        answer = target.post("/v2/models/table/infer", request(*columns, parameters={"content_type": "pd"}))
        check_scores(target, answer, 0, 3, "table")


def infer_versions(target):
    body = request(tensor(windows(0, 1)))
    check_scores(target, target.post("/v2/models/windows/versions/1/infer", body), 0, 1)
    check_error(target.post("/v2/models/windows/versions/9/infer", body), 404, "Model windows with version 9 not found")


def infer_gzip(target):
    packed = gzip.compress(json.dumps(request(tensor(windows(1, 2)))).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json", "Accept-Encoding": "gzip"}
    answer = target.session.post(target.url + "/v2/models/windows/infer", data=packed, headers=headers, timeout=60)
    check_scores(target, answer, 1, 2)
    long_one = target.get("/v2/docs/dataplane.json", headers={"Accept-Encoding": "gzip"})
    assert long_one.headers["content-encoding"] == "gzip" and long_one.headers["vary"] == "Accept-Encoding"
    assert {"openapi", "paths"} <= long_one.json().keys()


def infer_without_content_type(target):
    body = json.dumps(request(tensor(windows(0, 1)))).encode()
    prepared = requests.Request("POST", target.url + "/v2/models/windows/infer", data=body).prepare()
    prepared.headers.pop("Content-Type", None)
    check_scores(target, target.session.send(prepared, timeout=60), 0, 1)


def infer_event_headers(target):
    answer = target.post("/v2/models/windows/infer", request(tensor(windows(0, 1)), id="event"))
    assert answer.headers["ce-specversion"] == "0.3" and answer.headers["ce-modelid"] == "windows"
    assert answer.headers["ce-id"] == answer.headers["ce-requestid"] == "event"
    assert {"ce-source", "ce-type", "ce-endpoint", "ce-inferenceservicename"} <= answer.headers.keys()


def generate(target):
    check_scores(target, target.post("/v2/models/windows/generate", request(tensor(windows(0, 1)))), 0, 1)


def refusals(target):
    good = tensor(windows(0, 1))
    infer = "/v2/models/windows/infer"
    check_error(target.post("/v2/models/nope/infer", request(good)), 404, "Model nope not found")
    check_error(target.post(infer, {"inputs": []}), 400)
    for key in ("name", "shape", "datatype", "data"):
        answer = target.post(infer, request({k: v for k, v in good.items() if k != key}))
        assert answer.status_code == 422, (key, answer.status_code)
        detail = answer.json()["detail"][0]
        assert (detail["type"], detail["loc"], detail["msg"]) == ("missing", ["body", "inputs", 0, key], "Field required")
    wrong_type = target.post(infer, request(good | {"datatype": "FP99"}))
    assert wrong_type.status_code == 422 and wrong_type.json()["detail"][0]["loc"] == ["body", "inputs", 0, "datatype"]
    for text in ("{", "", "nope"):
        answer = target.session.post(target.url + infer, data=text, headers={"Content-Type": "application/json"}, timeout=60)
        assert answer.status_code == 422, (text, answer.status_code)
    # A window that does not fit: 500 in MLServer, 400 here; clients rely on neither being a success.
    assert target.post(infer, request(tensor(windows(0, 1)[:, :5]))).status_code in (400, 500)


def methods_and_paths(target):
    answer = target.get("/v2/models/windows/infer")
    assert (answer.status_code, answer.headers["allow"], answer.json()["detail"]) == (405, "POST", "Method Not Allowed")
    assert target.session.head(target.url + "/v2/health/live", timeout=60).status_code == 405
    answer = target.get("/v2/nope")
    assert (answer.status_code, answer.json()["detail"]) == (404, "Not Found")
    assert target.get("/metrics").status_code == 404
    answer = target.get("/v2/health/live/", allow_redirects=False)
    assert answer.status_code == 307 and answer.headers["location"].endswith("/v2/health/live")


def repository(target):
    ready = lambda: {m["name"]: m for m in target.post("/v2/repository/index", {"ready": True}).json()}
    index = target.post("/v2/repository/index", {})
    assert index.status_code == 200
    models = {m["name"]: m for m in index.json()}
    assert models.keys() == {"windows", "plain", "table"}
    assert models["windows"] == {"name": "windows", "version": "1", "state": "READY", "reason": ""}
    assert target.get("/v2/repository/index").status_code == 405
    unload = target.post("/v2/repository/models/windows/unload")
    assert (unload.status_code, unload.text) == (200, "")
    assert target.get("/v2/health/ready").status_code == 200
    assert target.get("/v2/models/windows/ready").status_code == 404
    check_error(target.post("/v2/models/windows/infer", request(tensor(windows(0, 1)))), 404, "Model windows not found")
    assert "windows" not in ready() and "plain" in ready()
    load = target.post("/v2/repository/models/windows/load")
    assert (load.status_code, load.text) == (200, "")
    assert "windows" in ready()
    check_scores(target, target.post("/v2/models/windows/infer", request(tensor(windows(0, 1)))), 0, 1)
    check_error(target.post("/v2/repository/models/nope/load"), 404)
    check_error(target.post("/v2/repository/models/nope/unload"), 404)


def mlflow_routes(target):
    answer = target.get("/ping")
    assert (answer.status_code, answer.text) == (200, '"\\n"')
    assert target.get("/health").json() == "\n"
    assert isinstance(target.get("/version").json(), str)
    # Which of several models answers is not said: all three give the same for one window of rows.
    rows = SERIES[:ROWS]
    for body in ({"inputs": [rows.tolist()]}, {"dataframe_split": {"columns": list(COLUMNS), "data": rows.tolist()}},
                 {"dataframe_records": [dict(zip(COLUMNS, row)) for row in rows.tolist()]}):
        answer = target.post("/invocations", body)
        if answer.status_code == 200:
            numpy.testing.assert_allclose(numpy.ravel(answer.json()["predictions"]), target.scores[:1], rtol=1e-5)
            return
    raise AssertionError(f"no form of /invocations was taken: {answer.status_code} {answer.text[:2000]}")


def triton_client(target):
    with tritonclient.http.InferenceServerClient(target.url.split("//")[1]) as client:
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("windows")
        assert client.get_server_metadata()["name"]
        assert client.get_model_metadata("windows")["inputs"][0]["datatype"] == "FP32"
        array = windows(1, 3).astype(numpy.float32)
        given = tritonclient.http.InferInput("input-0", list(array.shape), "FP32")
        given.set_data_from_numpy(array, binary_data=False)
        wanted = [tritonclient.http.InferRequestedOutput("output-1", binary_data=False)]
        result = client.infer("windows", [given], outputs=wanted, request_id="t-1")
        assert result.get_response()["id"] == "t-1"
        numpy.testing.assert_allclose(result.as_numpy("output-1").ravel(), target.scores[1:4], rtol=1e-5)
        client.unload_model("plain")
        assert not client.is_model_ready("plain")
        client.load_model("plain")
        assert client.is_model_ready("plain")
        try:
            client.infer("nope", [given])
            raise AssertionError("an unknown model was served")
        except tritonclient.http.InferenceServerException as refused:
            assert "Model nope not found" in refused.message()


CHECKS = (health, server_metadata, model_metadata, infer_plain, infer_nested, infer_id, infer_content_type,
          infer_datatypes, infer_bytes, infer_table, infer_versions, infer_gzip, infer_without_content_type,
          infer_event_headers, generate, refusals, methods_and_paths, repository, mlflow_routes, triton_client)


def own_outputs(target):
    """The four outputs and the limit that anomctl gives where none is asked for."""
    n = 3
    answer = target.post("/v2/models/windows/infer", {"inputs": [tensor(windows(1, n), "FP64")]})
    assert answer.status_code == 200
    body = answer.json()
    outputs = {o["name"]: o for o in body["outputs"]}
    assert list(outputs) == ["score", "is_anomaly", "contribution", "expected"]
    limit = target.own["threshold"]
    assert body["parameters"]["threshold"] == limit
    assert target.get("/v2/models/windows").json()["parameters"]["threshold"] == limit
    scores = target.scores[1:1 + n]
    shapes = {"score": [n], "is_anomaly": [n], "contribution": [n, len(COLUMNS)], "expected": [n, len(COLUMNS)]}
    assert {name: o["shape"] for name, o in outputs.items()} == shapes
    numpy.testing.assert_allclose(outputs["score"]["data"], scores, rtol=1e-5)
    assert outputs["is_anomaly"]["data"] == [bool(s >= limit) for s in scores]
    for name in ("contribution", "expected"):
        numpy.testing.assert_allclose(numpy.reshape(outputs[name]["data"], (n, -1)), target.own[name][1:1 + n], rtol=1e-5,
                                      atol=1e-6)


OWN_CHECKS = (own_outputs,)
