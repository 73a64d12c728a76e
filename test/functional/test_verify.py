"""`verify`: stored verdicts judged again from stored readings; whatever was altered since is told."""

import shutil
import sqlite3
import struct

import pytest

from bundles import make_bundle
from conftest import Broker
from streams import Listener, end, make_plant, start_manage


@pytest.fixture(scope="module")
def plant(anomctl_in, tmp_path_factory):
    return make_plant(anomctl_in(tmp_path_factory.mktemp("verify")))


def judge(plant, tmp_path, bundle, *managers):
    """A store of 400 rows each of managers one after another, each with its own settings."""
    broker = Broker(tmp_path / "broker")
    listener = Listener(broker.port)
    for i, more in enumerate(managers):
        process = start_manage(plant, broker.url, listener, "--bundle", bundle, "--topic-sensor", "pump", "--store",
                               tmp_path / "store.db", *more)
        plant("generate", "--dataset", "pump", "--mqtt-url", broker.url, "--topic-sensor", "pump", "--rate", 0,
              "--rows", 400, "--start-time", f"2026-01-0{i + 1}T00:00:00Z", code=0)
        listener.wait_for(lambda n=i + 1: len(listener.payloads("anomaly")) >= 400 * n)
        if "--no-data-after" not in more:
            listener.wait_for(lambda: any(verdict["state"] == "no_data" for verdict in listener.below("anomaly")))
        end(process)
    listener.close()
    broker.stop()
    return tmp_path / "store.db"


def altered(store, sql, *values):
    """A copy of the store with one statement run on it; it must have changed something."""
    copy = store.with_name("altered.db")
    for tail in ("", "-wal", "-shm"):
        copy.with_name(copy.name + tail).unlink(missing_ok=True)
    with sqlite3.connect(store) as original, sqlite3.connect(copy) as database:
        original.backup(database)
        assert database.execute(sql, values).rowcount > 0
        database.commit()
    return copy


ROW = "number = (SELECT number FROM rows WHERE state = 'normal' ORDER BY number LIMIT 1 OFFSET 150)"


def test_what_was_judged_is_judged_alike_and_what_was_altered_is_told(plant, tmp_path):
    muted = "pump@2026-01-02T00:01:00Z/2026-01-02T00:02:00Z"
    store = judge(plant, tmp_path, "pump.bundle", ("--no-data-after", 0), ("--maintenance", muted, "--latch", "true"))
    with sqlite3.connect(store) as database:
        states = dict(database.execute("SELECT state, count(*) FROM rows GROUP BY state"))
    assert states["muted"] > 50 and states["no_data"] == 1
    found = plant("verify", "--store", store, "--bundle", "pump.bundle", "--json", code=0).json
    assert found["rows"] == found["judged"] == found["equal"] == 801
    assert found["not_judged"] == found["differ"] == found["missing"] == 0
    text = plant("verify", "--store", store, "--bundle", "pump.bundle", "--fail-on", "not_judged>0", code=0).out
    assert "801 verdicts, 801 judged again: 801 equal to the last bit" in text

    def check(sql, *values, code=1):
        return plant("verify", "--store", altered(store, sql, *values), "--bundle", "pump.bundle", "--json",
                     code=code).json

    for what, sql in {"score": "score = score + 1e-15 + score * 1e-15", "is_anomaly": "is_anomaly = 1 - is_anomaly",
                      "state": "state = 'open'", "episode": "episode = 'e'", "threshold": "threshold = threshold * 2",
                      "expected": "expected = zeroblob(length(expected))"}.items():
        told = check(f"UPDATE rows SET {sql} WHERE {ROW}")
        assert told["differ"] == 1 and told["judged"] == 801, what
        assert [difference["what"] for difference in told["differences"]] == [what]
    # A reading that is another than was judged: told as such, not as a wrong verdict.
    told = check(f"UPDATE rows SET vals = ? WHERE {ROW}", struct.pack("<2d", 0.1, 0.25))
    assert told["altered_values"] == 1 and told["differences"][0]["what"] == "values"
    assert all(difference["after_altered_values"] for difference in told["differences"][1:])
    # With an id that fits, the verdict does not.
    told = check(f"UPDATE rows SET vals = ?, id = 'ffff' WHERE {ROW}", struct.pack("<2d", 0.1, 0.25))
    assert told["altered_values"] == 1
    # Rows that went: those behind them are not judged, up to the next state, and that is no silence.
    told = check(f"DELETE FROM rows WHERE {ROW}", code=0)
    assert told["missing"] == 1 and 0 < told["not_judged"] < 400 and told["judged"] + told["not_judged"] == 800
    assert list(told["not_judged_why"]) == ["rows before them are missing in the store"]
    gone = altered(store, f"DELETE FROM rows WHERE {ROW}")
    bound = plant("verify", "--store", gone, "--bundle", "pump.bundle", "--fail-on", "not_judged>0", code=3)
    assert "Missed: not_judged>0" in bound.out
    told = check("UPDATE rows SET before = substr(before, 1, 90) WHERE length(before) > 0", code=1)
    assert told["damaged_states"] == 2 and told["judged"] == 0
    # Without its state nothing is known of what the detector had seen.
    told = check("UPDATE rows SET before = x'' WHERE length(before) > 0", code=4)
    assert told["not_judged"] == 801 and told["judged"] == 0

    # One verdict, and a span.
    with sqlite3.connect(store) as database:
        verdict, = database.execute(f"SELECT id FROM rows WHERE {ROW}").fetchone()
    assert plant("verify", "--store", store, "--bundle", "pump.bundle", "--verdict", verdict, "--json",
                 code=0).json["judged"] == 1
    span = plant("verify", "--store", store, "--bundle", "pump.bundle", "--asset", "pump", "--start",
                 "2026-01-02T00:00:10Z", "--end", "2026-01-02T00:00:29Z", "--json", code=0).json
    assert span["rows"] == span["equal"] == 20
    assert "no verdict of id 'x'" in plant("verify", "--store", store, "--bundle", "pump.bundle", "--verdict", "x",
                                           code=2).err


def test_a_file_is_judged_and_not_changed(plant, tmp_path):
    store = judge(plant, tmp_path, "pump.bundle", ("--no-data-after", 0))
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as database:
        database.execute("CREATE TABLE rows(a)")
        database.execute("PRAGMA user_version=1")
    before = foreign.read_bytes()
    refused = plant("verify", "--store", foreign, "--bundle", "pump.bundle", code=4)
    assert "this is no store of anomctl" in refused.err and foreign.read_bytes() == before
    # Sensors that exchanged their names are told: the page and data sets made of the store would show them so.
    with sqlite3.connect(store) as database:
        body, = database.execute("SELECT body FROM layouts").fetchone()
    exchanged = body.replace("flow", "FLOW").replace("power", "flow").replace("FLOW", "power")
    told = plant("verify", "--store", altered(store, "UPDATE layouts SET body = ?", exchanged), "--bundle", "pump.bundle",
                 "--json", code=1).json
    assert told["differences"][0]["what"] == "sensors" and told["equal"] == 0
    # Bytes that are no text do not make the answer one that nobody can read.
    odd = altered(store, f"UPDATE rows SET episode = cast(x'ac41' AS TEXT) WHERE {ROW}")
    assert plant("verify", "--store", odd, "--bundle", "pump.bundle", "--json", code=1).json["differ"] > 0
    far = altered(store, f"UPDATE rows SET place = 9223372036854775807 WHERE {ROW}")
    assert plant("verify", "--store", far, "--bundle", "pump.bundle", "--json").json["missing"] > 0


def test_another_bundle_or_instruction_set(plant, tmp_path):
    bundle = make_bundle(plant, tmp_path / "net.bundle", sensors=2, window=8, threshold=0.4, columns=["flow", "power"])
    store = judge(plant, tmp_path, bundle, ("--no-data-after", 0))
    assert plant("verify", "--store", store, "--bundle", bundle, "--json", code=0).json["equal"] == 400
    other = make_bundle(plant, tmp_path / "other.bundle", sensors=2, window=8, threshold=0.4, seed=1,
                        columns=["flow", "power"])
    told = plant("verify", "--store", store, "--bundle", other, "--json", code=4)
    assert told.json["not_judged"] == 400 and "not one verdict could be judged again" in told.err
    assert list(told.json["not_judged_why"])[0].startswith("another bundle judged them: net.bundle, sha256 ")
    # One that claims to be it is found out by what it says.
    hashes = [plant("models", "show", it, "--json", code=0).json["hash"] for it in (bundle, other)]
    lying = altered(store, "UPDATE layouts SET body = replace(body, ?, ?)", *hashes)
    told = plant("verify", "--store", lying, "--bundle", other, "--json", code=1).json
    assert told["differ"] > 300
    shutil.rmtree(other)
    # On the portable code figures differ in their last digits.
    across = plant("verify", "--store", store, "--bundle", bundle, "--json", code=0,
                   env={"ANOMCTL_ISA": "portable"}).json
    assert across["judged"] == across["equal"] + across["within"] == 400
    told = plant("verify", "--store", altered(store, f"UPDATE rows SET score = score + 1e-5 WHERE time = (SELECT max(time) FROM rows)"), "--bundle",
                 bundle, "--json", code=1, env={"ANOMCTL_ISA": "portable"}).json
    assert told["differ"] == 1
