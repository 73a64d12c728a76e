"""Run by MLServer's own Python: writes a model repository whose models give the mean of each window.

    python mlserver_models.py FOLDER ROWS COLUMN..

FOLDER/windows takes FP32 [n, ROWS, k]; FOLDER/plain the same without a signature, so any datatype; FOLDER/table takes
columns and gives one value for each row from the ROWS-th on.
"""

import json
import pathlib
import sys

import mlflow
import numpy
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec


class MeanOfWindows(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        windows = numpy.asarray(model_input)
        if windows.dtype == object or windows.dtype.kind == "S":
            windows = windows.astype(str).astype(numpy.float64)
        return windows.astype(numpy.float64).reshape(len(windows), -1).mean(axis=1)


class MeanOfRows(mlflow.pyfunc.PythonModel):
    def __init__(self, rows):
        self.rows = rows

    def predict(self, context, model_input, params=None):
        values = model_input.to_numpy(dtype=numpy.float64)
        n = len(values) - self.rows + 1
        return numpy.array([values[i:i + self.rows].mean() for i in range(n)])


def main():
    folder, rows, columns = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    score = Schema([TensorSpec(numpy.dtype(numpy.float64), (-1,))])
    windows = Schema([TensorSpec(numpy.dtype(numpy.float32), (-1, rows, len(columns)))])
    table = Schema([ColSpec("double", name) for name in columns])
    models = {"windows": (MeanOfWindows(), ModelSignature(windows, score)), "plain": (MeanOfWindows(), None),
              "table": (MeanOfRows(rows), ModelSignature(table, score))}
    for name, (model, signature) in models.items():
        mlflow.pyfunc.save_model(folder / name / "model", python_model=model, signature=signature,
                                 pip_requirements=["mlflow"])
        (folder / name / "model-settings.json").write_text(json.dumps(
            {"name": name, "implementation": "mlserver_mlflow.MLflowRuntime",
             "parameters": {"uri": str(folder / name / "model"), "version": "1"}}))


main()
