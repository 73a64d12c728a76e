"""`drill`: what a bundle would not see, by faults in the user's own normal rows."""

import json
import re

import pytest


@pytest.fixture(scope="module")
def trained(anomctl_in, tmp_path_factory):
    program = anomctl_in(tmp_path_factory.mktemp("drill"))
    program("create-datasets", "--source", "plant", "--plant", "linear-plant", "--name", "lab", "--rows", 6000, code=0)
    program("train", "--kind", "panel", "--relation-epochs", 0, "--window-size", 20, code=0)
    return program


def test_a_drill_tells_small_from_large_and_draws_it(trained):
    told = trained("drill", "--sensors", "x1,x2", "--sizes", "0.05,8", "--places", 3, code=0)
    assert re.search(r"^sensor +offset +drift +noise +stuck +replay$", told.out, re.M), told.out
    assert re.search(r"^x1 +8 ", told.out, re.M) and "No blind spot" in told.out, told.out
    found = trained("drill", "--sensors", "x1,x2", "--sizes", "8,0.05", "--places", 3, "--json", code=0).json
    assert found["places"] == 3 and len(found["cases"]) == 2 * (3 * 2 + 2)
    by_size = {(c["sensor"], c["kind"], c["size"]): c for c in found["cases"]}
    assert by_size["x1", "offset", 8]["found"] == 3 and by_size["x1", "offset", 0.05]["found"] == 0
    assert by_size["x1", "offset", 8]["delay_rows"] < 20 and by_size["x1", "offset", 0.05]["delay_rows"] is None
    stored = json.loads((trained.folder / "drill/drill.json").read_text())
    assert stored["cases"] == found["cases"]  # a second time the same
    page = (trained.folder / "drill/drill.html").read_text()
    assert page.count("<td class=\"f") == sum(c["tried"] > 0 for c in found["cases"]) and "@" not in page.split("</style>")[1]
    assert "http" not in page


def test_names_of_sensors_do_not_spoil_the_page(anomctl):
    folder = anomctl.folder / "datasets/odd"
    folder.mkdir(parents=True)
    names = ["@BODY@", "<b>&", "@"]
    for part in ("train", "eval"):
        rows = [",".join(f"{(7 * r + 3 * c) % 13 + 0.1 * ((r * (c + 2)) % 5):.1f}" for c in range(3)) for r in range(600)]
        (folder / f"{part}.csv").write_text("\n".join(rows) + "\n")
        (folder / f"{part}_labels.csv").write_text("0\n" * 600)
    (folder / "meta.json").write_text(json.dumps({"name": "odd", "period_s": 1, "columns": [{"name": n} for n in names]}))
    anomctl("train", "--kind", "panel", "--relation-epochs", 0, "--window-size", 20, code=0)
    anomctl("drill", "--kinds", "offset", "--sizes", "1", "--fault-rows", 20, "--threshold", 1000, code=0)
    page = (anomctl.folder / "drill/drill.html").read_text()
    assert page.count("<tbody>") == 1 and page.count("<tr>") == 2 + len(names)
    assert ">@BODY@</th>" in page and "&lt;b&gt;&amp;" in page and "<b>" not in page


def test_what_cannot_be_drilled_is_told(trained):
    for arguments, words in ((("--sensors", "nosuch"), "has no 'nosuch'"), (("--kinds", "leak"), "not 'leak'"),
                             (("--sizes", "0"), "is not above 0"), (("--threshold", 1, "--budget", "1/day"), "one of them")):
        outcome = trained("drill", *arguments, code=2)
        assert words in outcome.err, outcome.err
    outcome = trained("drill", "--fault-rows", 100_000, code=4)
    assert "normal rows in one stretch" in outcome.err, outcome.err
