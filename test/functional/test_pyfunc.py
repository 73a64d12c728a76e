"""The bundle of a run as a python_function model of the real MLflow."""

import json

import numpy
import pytest

WINDOW = 100


@pytest.fixture(scope="module")
def trained(anomctl_in, tmp_path_factory):
    """An Anomctl in whose folder a panel was trained as a run."""
    program = anomctl_in(tmp_path_factory.mktemp("pyfunc"))
    program("create-datasets", "--source", "plant", "--rows", "1200", "--name", "pump", code=0)
    program.run = program("train", "--kind", "panel", "--relation-epochs", "0", "--dataset", "pump", "--json", code=0).json
    return program


@pytest.fixture
def mlflow(trained, monkeypatch):
    import mlflow.pyfunc

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("ANOMCTL", trained.binary)
    mlflow.set_tracking_uri((trained.folder / "mlruns").as_uri())
    return mlflow


def scores_of(program, rows):
    numpy.savetxt(program.folder / "rows.csv", rows, delimiter=",", fmt="%.17g")
    program("score", "--bundle", program.run["bundle"], "--input", "rows.csv", "--output", "scores.csv", code=0)
    return numpy.loadtxt(program.folder / "scores.csv", delimiter=",", skiprows=1, usecols=1, ndmin=1)


def test_predict_gives_the_scores_of_score(trained, mlflow):
    import pandas

    rows = numpy.loadtxt(trained.folder / "datasets/pump/eval.csv", delimiter=",")[:130]
    model = mlflow.pyfunc.load_model(f"runs:/{trained.run['run_id']}/model")
    wanted = scores_of(trained, rows)
    assert (model.predict(rows) == wanted).all() and len(wanted) == 30
    description = json.loads((trained.folder / trained.run["bundle"] / "bundle.json").read_text())
    columns = [column["name"] for column in description["columns"]]
    frame = pandas.DataFrame(rows, columns=columns)
    assert (model.predict(frame[columns[::-1]]) == wanted).all()
    # A window is judged alone, as if nothing had been before it.
    windows = numpy.stack([rows[i:i + WINDOW + 1] for i in range(0, 30, 10)])
    alone = [scores_of(trained, window)[0] for window in windows]
    assert (model.predict(windows) == alone).all()
    assert (model.predict(windows[0]) == alone[:1]).all()
    assert model.predict(windows[:0]).shape == (0,)


def test_the_folder_alone_is_a_model_and_the_run_tells_of_it(trained, mlflow):
    bundle = trained.folder / trained.run["bundle"]
    rows = numpy.loadtxt(trained.folder / "datasets/pump/eval.csv", delimiter=",")[:WINDOW + 1]
    assert (mlflow.pyfunc.load_model(str(bundle.parent / "model")).predict(rows) == scores_of(trained, rows)).all()
    history = json.loads(mlflow.get_run(trained.run["run_id"]).data.tags["mlflow.log-model.history"])
    assert [(m["artifact_path"], list(m["flavors"])) for m in history] == [("model", ["python_function"])]
    listed = trained("models", "list", "--json", code=0).json["models"]
    assert [trained.folder / model["path"] for model in listed] == [bundle]
    assert sorted(path.name for path in bundle.iterdir()) == ["bundle.json", "weights.safetensors"]


def test_what_does_not_fit_is_said(trained, mlflow, monkeypatch):
    bundle = trained.folder / trained.run["bundle"]
    model = mlflow.pyfunc.load_model(str(bundle.parent / "model"))
    k = len(json.loads((bundle / "bundle.json").read_text())["columns"])
    for shape, words in (((3, WINDOW + 1, k + 1), "expected windows"), ((2, WINDOW, k), f"{WINDOW + 1} rows"),
                         ((7, k), "at least"), ((k,), "expected windows")):
        with pytest.raises(ValueError, match=words):
            model.predict(numpy.zeros(shape))
    monkeypatch.setenv("ANOMCTL", "/bin/true")  # says nothing, and that went well
    with pytest.raises(RuntimeError, match="no whole table of scores"):
        model.predict(numpy.zeros((WINDOW + 1, k)))
    monkeypatch.setenv("ANOMCTL", "/no/such/anomctl")
    with pytest.raises(RuntimeError, match="environment variable ANOMCTL"):
        model.predict(numpy.zeros((WINDOW + 1, k)))
