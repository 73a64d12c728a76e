"""Who may ask `serve` what: API tokens, client certificates, and what the log says of them."""

import subprocess

import pytest
import requests
from bundles import make_bundle
from serving import Server
from test_serving import ROWS, SENSORS, body

INFER, LOAD, METADATA = "/v2/models/plant/infer", "/v2/repository/models/plant/load", "/v2/models/plant"


@pytest.fixture
def bundle(anomctl):
    return make_bundle(anomctl, anomctl.folder / "plant", sensors=SENSORS, window=ROWS - 1)


def make_token(anomctl, name, *scopes):
    return anomctl("api-token", name, "--scopes", ",".join(scopes), code=0).out.strip()


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_tokens_open_what_their_scopes_name(anomctl, bundle):
    tokens = {scope: make_token(anomctl, f"one-{scope}", scope) for scope in ("infer", "read", "admin")}
    file = anomctl.folder / "api_tokens"
    assert file.stat().st_mode & 0o777 == 0o600
    assert not any(token.split(".")[1] in file.read_text() for token in tokens.values())
    server = Server(anomctl, "--bundle", bundle, "--token-file", file, "--watch", "50ms", "--access-log")
    expected = {"infer": (200, 403, 403), "read": (403, 200, 403), "admin": (403, 403, 200)}
    for scope, statuses in expected.items():
        for _ in range(2):  # hashed, then remembered
            got = (server.post(INFER, json=body(), headers=bearer(tokens[scope])).status_code,
                   server.get(METADATA, headers=bearer(tokens[scope])).status_code,
                   server.post(LOAD, headers=bearer(tokens[scope])).status_code)
            assert got == statuses, scope
    nobody = server.post(INFER, json=body())
    assert nobody.status_code == 401 and nobody.headers["www-authenticate"] == "Bearer" and nobody.json()["error"]
    wrong = tokens["infer"][:-1] + ("0" if tokens["infer"][-1] != "0" else "1")
    assert server.post(INFER, json=body(), headers=bearer(wrong)).status_code == 401
    assert server.get("/v2/health/live").status_code == server.get("/v2/health/ready").status_code == 200
    # Metrics say which models and how often: they need the scope read.
    assert requests.get(server.metrics_url).status_code == 401
    assert requests.get(server.metrics_url, headers=bearer(tokens["infer"])).status_code == 403
    text = requests.get(server.metrics_url, headers=bearer(tokens["read"])).text
    assert 'anomctl_access_refused_total{status_code="403"}' in text
    # A caller who is taken out is out, without a restart.
    anomctl("api-token", "one-infer", "--remove", code=0)
    server.wait(lambda: server.post(INFER, json=body(), headers=bearer(tokens["infer"])).status_code == 401, "the removal")
    code, log = server.stop()
    assert code == 143
    assert "by one-infer" in log and INFER in log and not any(token.split(".")[1] in log for token in tokens.values())


def test_the_access_log_has_ids_and_no_payload(anomctl, bundle):
    server = Server(anomctl, "--bundle", bundle, "--access-log")
    secret = dict(body(), parameters={"note": "PAYLOAD-WORD"})
    answer = server.post(INFER + "?key=QUERY-WORD", json=secret, headers={"X-Request-Id": "order-66"})
    assert answer.status_code == 200 and answer.headers["x-request-id"] == "order-66"
    own = server.get(METADATA)
    assert len(own.headers["x-request-id"]) == 16
    harmful = server.get(METADATA, headers={"X-Request-Id": "a b\tc"})
    assert harmful.headers["x-request-id"] != "a b\tc"
    _, log = server.stop()
    assert f'"POST {INFER}" 200' in log and "id order-66" in log and f"id {own.headers['x-request-id']}" in log
    assert "PAYLOAD-WORD" not in log and "QUERY-WORD" not in log


@pytest.mark.parametrize("arguments, way_out", [((), "--insecure"), (("--token-file", "absent"), "absent")])
def test_beyond_loopback_somebody_must_be_asked(anomctl, bundle, arguments, way_out):
    outcome = anomctl("serve", "--bundle", bundle, "--host", "0.0.0.0", "--http-port", 0, *arguments)
    assert outcome.code in (2, 4) and way_out in outcome.err, outcome
    assert arguments or ("--token-file" in outcome.err and "--tls-client-ca-file" in outcome.err)


def test_api_token_command(anomctl):
    made = anomctl("--json", "api-token", "grafana", "--scopes", "read", code=0).json
    assert made["token"].startswith("grafana.") and made["scopes"] == "read"
    again = anomctl("api-token", "grafana", code=0).out.strip()
    assert again != made["token"]
    assert anomctl("api-token", "plant.example", "--certificate", "--scopes", "admin", code=0)
    lines = (anomctl.folder / "api_tokens").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["grafana", "plant.example"]
    assert anomctl("api-token", "nobody", "--remove").code == 2
    assert anomctl("api-token", "a/b").code == 2
    assert anomctl("api-token", "a", "--scopes", "everything").code == 2
    (anomctl.folder / "api_tokens").write_text("broken\n")
    outcome = anomctl("api-token", "a")
    assert outcome.code == 2 and "api_tokens:1:" in outcome.err


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_certificates(folder):
    """ca.pem signs server.pem (127.0.0.1), ops.pem and guest.pem; stranger.pem signs itself."""
    for name in ("ca", "stranger"):
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    for name in ("server", "ops", "guest"):
        openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (folder / "ext").write_text("subjectAltName=IP:127.0.0.1")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                "2", "-extfile", "ext", "-out", f"{name}.pem")


def test_tls_and_client_certificates(anomctl, bundle):
    folder = anomctl.folder
    make_certificates(folder)
    anomctl("api-token", "ops", "--certificate", "--scopes", "infer,admin", code=0)
    anomctl("api-token", "guest", "--certificate", "--scopes", "infer", code=0)
    tls = ("--tls-cert-file", "server.pem", "--tls-key-file", "server.key")
    server = Server(anomctl, "--bundle", bundle, *tls, "--tls-client-ca-file", "ca.pem", "--token-file", "api_tokens",
                    wait_ready=False)
    assert server.url.startswith("https://") and server.metrics_url.startswith("https://")
    authority = str(folder / "ca.pem")

    def status(name, path, method="POST"):
        pair = (str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
        return requests.request(method, server.url + path, json=body(), cert=pair, verify=authority, timeout=10).status_code

    server.wait(lambda: status("guest", "/v2/health/ready", "GET") == 200, "readiness")
    assert status("guest", INFER) == 200 and status("guest", LOAD) == 403
    assert status("ops", INFER) == 200 and status("ops", LOAD) == 200
    for arguments in ({}, {"cert": (str(folder / "stranger.pem"), str(folder / "stranger.key"))}):
        with pytest.raises(requests.RequestException):
            requests.get(server.url + "/v2", verify=authority, timeout=10, **arguments)
    old = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_1", "-cipher", "ALL@SECLEVEL=0"],
                         input=b"", capture_output=True)
    assert b"protocol version" in old.stderr, old.stderr


def test_tls_settings_that_do_not_fit(anomctl, bundle):
    make_certificates(anomctl.folder)
    start = ("serve", "--bundle", bundle, "--http-port", 0)
    assert anomctl(*start, "--tls-cert-file", "server.pem").code == 2
    assert anomctl(*start, "--tls-cert-file", "server.pem", "--tls-key-file", "ops.key").code == 4
    assert anomctl(*start, "--tls-client-ca-file", "ca.pem").code == 2
