// Bodies within the server's limits; what a server must not make us do.
#include "anomctl/io/tracking/mlflow_client.h"

#include <atomic>
#include <limits>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/io/net/http_server.h"
#include "io/tracking/mlflow_json.h"
#include "support/catch.h"

using namespace anomctl;

TEST_CASE("a batch keeps to the limits of a call and loses nothing") {
  MlflowBatch batch;
  for (int i = 0; i < 2500; ++i) batch.metrics.push_back({"m", 1.0 * i, i, i});
  for (int i = 0; i < 250; ++i) batch.params.emplace_back("p" + std::to_string(i), std::string(20'000, 'x'));
  for (int i = 0; i < 250; ++i) batch.tags.emplace_back("t" + std::to_string(i), "y");
  batch.metrics.push_back({"m", std::numeric_limits<double>::quiet_NaN(), 0, 0});
  batch.metrics.push_back({"m", -std::numeric_limits<double>::infinity(), 0, 0});
  std::size_t metrics = 0, params = 0, tags = 0;
  for (const Json& body : tracking::batch_bodies("r", batch)) {
    CHECK(body.string_or("run_id", "") == "r");
    CHECK(body.dump().size() < 1'000'000);
    const auto count = [&](const char* kind) { return body.find(kind) != nullptr ? body.at(kind).size() : 0; };
    CHECK(count("metrics") <= 1000);
    CHECK(count("params") <= 100);
    CHECK(count("tags") <= 100);
    CHECK(count("metrics") + count("params") + count("tags") <= 1000);
    metrics += count("metrics"), params += count("params"), tags += count("tags");
    if (count("params") > 0) CHECK(body.at("params").as_array()[0].string_or("value", "").size() == kMlflowParamBytes);
  }
  CHECK(metrics == 2502);
  CHECK(params == 250);
  CHECK(tags == 250);
  CHECK(tracking::batch_bodies("r", {}).empty());
}

TEST_CASE("texts are cut between characters") {
  CHECK(tracking::cut("h\xc3\xa4", 3) == "h\xc3\xa4");
  CHECK(tracking::cut("h\xc3\xa4", 2) == "h");
  CHECK(tracking::cut("\xf0\x9f\x98\x80", 3).empty());
}

TEST_CASE("names of a server stay below the folder they are written to") {
  for (const char* good : {"a", "bundle/bundle.json", "a b/c-d_e.f"}) CHECK(is_inner_path(good));
  for (const char* bad : {"", "/etc/passwd", "..", "a/../../b", "a//b", "./a", "a/", "a\\b"})
    CHECK_FALSE(is_inner_path(bad));
  const Json run = Json::parse(R"({"info":{"run_id":"../../x"}})");
  CHECK_THROWS_AS(tracking::run_of(run), Error);

  HttpServer server({}, [](const HttpRequest&, Reply reply) {
    reply.send(json_response(200, R"({"files":[{"path":"../../outside","file_size":3}]})"));
  });
  server.start();
  MlflowClient client("http://127.0.0.1:" + std::to_string(server.port()), {});
  CHECK_THROWS_WITH(client.artifacts("mlflow-artifacts:/1/r/artifacts"), Catch::Matchers::Contains("outside"));
  CHECK_THROWS_WITH(client.artifacts("s3://bucket/1"), Catch::Matchers::Contains("--artifacts-destination"));
}

TEST_CASE("a call that waits ends when it is cancelled, and so do later ones") {
  std::vector<Reply> kept;
  std::atomic<bool> asked = false;
  HttpServer server({}, [&](const HttpRequest&, Reply reply) {
    kept.push_back(std::move(reply));
    asked = true;
  });
  server.start();
  MlflowClient client("http://127.0.0.1:" + std::to_string(server.port()), {});
  const std::jthread canceller([&] {
    while (!asked) std::this_thread::yield();
    client.cancel();
  });
  CHECK_THROWS_AS(client.experiments(), Error);
  CHECK_THROWS_AS(client.experiments(), Error);
}

TEST_CASE("a file goes up and comes down whole, and half a file is none") {
  std::string stored;
  bool broken = false;
  HttpServer server({}, [&](const HttpRequest& request, Reply reply) {
    if (request.method == "PUT") {
      stored = request.body;
      return reply.send(json_response(200, "{}"));
    }
    HttpResponse response;
    response.status = broken ? 500 : 200;
    response.body = stored;
    reply.send(std::move(response));
  });
  server.start();
  const TemporaryFolder folder;
  std::string content(3'000'000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7919 >> 3);
  write_file_atomic(folder.path() / "up", content);
  MlflowClient client("http://127.0.0.1:" + std::to_string(server.port()), {});
  client.put_artifact("mlflow-artifacts:/1/r/artifacts", "a/b c.bin", folder.path() / "up");
  CHECK(stored == content);
  client.get_artifact("mlflow-artifacts:/1/r/artifacts", "a/b c.bin", folder.path() / "x/down");
  CHECK(read_file(folder.path() / "x/down") == content);
  broken = true;
  CHECK_THROWS_AS(client.get_artifact("mlflow-artifacts:/1/r/artifacts", "a", folder.path() / "x/other"), Error);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder.path() / "x")) ++files;
  CHECK(files == 1);
}
