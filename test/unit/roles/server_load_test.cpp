// The whole server under load while everything about it changes; the sanitizers watch.
#include <csignal>
#include <future>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "anomctl/io/auth/api_tokens.h"
#include "anomctl/io/net/http_client.h"
#include "anomctl/roles/serve.h"
#include "support/catch.h"
#include "support/fake_model.h"

using namespace anomctl;
using namespace anomctl::test;

namespace {

std::string window_request(unsigned seed, std::size_t n) {
  Json tensor = Json::object(), body = Json::object();
  tensor["name"] = "x";
  tensor["datatype"] = "FP64";
  tensor["shape"] = Json(Json::Array{static_cast<std::int64_t>(n), static_cast<std::int64_t>(kFakeWindow + 1), 3});
  std::vector<double> values;
  for (const Row& row : random_rows(n * (kFakeWindow + 1), 3, seed))
    values.insert(values.end(), row.values.begin(), row.values.end());
  tensor["data"] = values;
  body["inputs"] = Json::Array{tensor};
  return body.dump();
}

// The server on a thread of its own, until it goes.
struct RunningServer {
  explicit RunningServer(ServeSettings settings) {
    settings.http_port = settings.metrics_port = 0;
    settings.access_log = false;
    ServeParts parts;
    parts.make_model = fake_model;
    parts.version = "9.9";
    parts.on_listening = [this](const ServerPorts& bound) { listening.set_value(bound); };
    thread =
        std::jthread([this, settings, parts] { answered.set_value(run_server(settings, parts, stop.get_token())); });
    ports = listening.get_future().get();
  }
  std::string url(int port) const { return "http://127.0.0.1:" + std::to_string(port); }
  std::promise<ServerPorts> listening;
  std::promise<bool> answered;
  std::stop_source stop;
  ServerPorts ports;
  std::jthread thread;
};

}  // namespace

TEST_CASE("requests of many clients are answered while models are loaded anew and metrics are read") {
  TemporaryFolder folder;
  Bundle bundle = fake_bundle();
  bundle.thresholds["given"] = 2;
  bundle.chosen_threshold = "given";
  save_bundle(bundle, folder.path() / "fake");
  const std::string token = make_api_token("robot");
  write_file_atomic(folder.path() / "tokens",
                    api_token_line(token, Scopes::of({"infer", "read", "admin"}), {4, 1, 1}) + "\n", 0600);
  ServeSettings settings;
  settings.bundle = {(folder.path() / "fake").string()};
  settings.token_file = folder.path() / "tokens";
  settings.watch = milliseconds(5);
  settings.workers = 2;
  settings.drain_grace = milliseconds(5);
  RunningServer server(settings);

  const auto request = [&](const std::string& method, const std::string& path, std::string body = {}) {
    HttpRequest r;
    r.method = method;
    r.target = path;
    r.body = std::move(body);
    r.headers.add("authorization", "Bearer " + token);
    return r;
  };
  HttpClient admin(server.url(server.ports.http)), metrics(server.url(server.ports.metrics));
  CHECK(admin.send(request("POST", "/v2/repository/models/fake/load")).status == 200);

  std::atomic<bool> enough{false};
  std::atomic<int> good{0}, bad{0};
  std::vector<std::jthread> clients;
  for (unsigned c = 0; c < 4; ++c)
    clients.emplace_back([&, c] {
      HttpClient client(server.url(server.ports.http));
      const std::string body = window_request(c, 1 + c);
      const std::string first = client.send(request("POST", "/v2/models/fake/infer", body)).body;
      const Json expected = Json::parse(first).at("outputs");
      while (!enough) {
        const HttpResponse response = client.send(request("POST", "/v2/models/fake/infer", body));
        ++(response.status == 200 && Json::parse(response.body).at("outputs") == expected ? good : bad);
      }
    });
  for (int i = 0; i < 20; ++i) {
    if (i % 4 == 1) std::raise(SIGHUP);
    if (i % 4 == 2) save_bundle(bundle, folder.path() / "fake");
    CHECK(admin.send(request("POST", "/v2/repository/models/fake/load")).status == 200);
    CHECK(metrics.send(request("GET", "/metrics")).status == 200);
  }
  while (good + bad < 200) std::this_thread::yield();
  enough = true;
  clients.clear();
  CHECK(bad == 0);
  server.stop.request_stop();
  CHECK(server.answered.get_future().get());
}
