"""An anomctl bundle as a python_function model of MLflow: predict() runs `anomctl score` and needs only NumPy beside it.

The program is the one that the environment variable ANOMCTL names, else `anomctl` on the PATH."""

import json
import os
import pathlib
import subprocess

import numpy

PAUSE = 1000  # periods between two windows: each is judged alone


class AnomctlModel:
    def __init__(self, bundle):
        self.bundle = str(bundle)
        description = json.loads((pathlib.Path(bundle) / "bundle.json").read_text(encoding="utf-8"))
        self.columns = [column["name"] for column in description["columns"]]
        self.period = float(description.get("period_s") or 1)
        self.window_size = int(description["settings"]["window_size"])

    def predict(self, model_input, params=None):
        """Scores as a float64 array.

        model_input: windows [n, window_size + 1, k]: one score each, of its last row; or rows [m, k], an array or a
        DataFrame with the bundle's columns in any order: one score for each row from window_size on. A score is nan
        where there is nothing to judge: the machine is idle by the bundle's active_when."""
        if hasattr(model_input, "columns"):
            named = set(self.columns) <= set(model_input.columns)
            model_input = (model_input[self.columns] if named else model_input).to_numpy(dtype="float64")
        values = numpy.asarray(model_input, dtype="float64")
        if values.ndim not in (2, 3) or values.shape[-1] != len(self.columns):
            raise ValueError(f"expected windows [n, {self.window_size + 1}, {len(self.columns)}] or rows [m, "
                             f"{len(self.columns)}], got {list(values.shape)}")
        if values.ndim == 3:
            if values.shape[1] != self.window_size + 1:
                raise ValueError(f"a window has {self.window_size + 1} rows, got {values.shape[1]}")
            if not len(values):
                return numpy.empty(0)
            scores = self._score(values.reshape(-1, values.shape[-1]), values.shape[1])
            return numpy.array([scores[(i + 1) * values.shape[1] - 1] for i in range(len(values))])
        if len(values) <= self.window_size:
            raise ValueError(f"{len(values)} rows: a window of {self.window_size} needs at least {self.window_size + 1}")
        scores = self._score(values, len(values))
        return numpy.array([scores[row] for row in range(self.window_size, len(values))])

    def _score(self, rows, block):
        """Scores by row number; nan where there is none. A pause follows every `block` rows."""
        program = os.environ.get("ANOMCTL") or "anomctl"
        lines = [",".join(["time"] + ['"' + name.replace('"', '""') + '"' for name in self.columns])]
        for number, row in enumerate(rows):
            seconds = 946684800 + (number + number // block * PAUSE) * self.period
            cells = ["" if numpy.isnan(value) else repr(float(value)) for value in row]
            lines.append(f"{seconds:.9f}," + ",".join(cells))
        try:
            done = subprocess.run([program, "score", "--bundle", self.bundle, "--quiet"], input="\n".join(lines) + "\n",
                                  capture_output=True, text=True, encoding="utf-8", check=False)
        except OSError as error:
            raise RuntimeError(f"cannot run {program}: {error.strerror}; put anomctl on the PATH, or its path in the "
                               "environment variable ANOMCTL") from error
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip() or f"{program} score ended with exit code {done.returncode}")
        header, *answers = done.stdout.splitlines() or [""]
        scores = dict.fromkeys(range(len(rows)), float("nan"))
        for line in answers:
            row, score = line.split(",")[:2]
            scores[int(row)] = float(score) if score else float("nan")
        if not header.startswith("row,score,") or not answers or int(answers[-1].split(",")[0]) != len(rows) - 1:
            raise RuntimeError(f"{program} score gave no whole table of scores: is it anomctl, of this version?")
        return scores


def _load_pyfunc(data_path):
    return AnomctlModel(data_path)
