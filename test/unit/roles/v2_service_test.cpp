#include "roles/serve/v2_service.h"

#include <cmath>
#include <future>

#include "anomctl/core/error.h"
#include "anomctl/io/net/gzip.h"
#include "support/catch.h"
#include "support/fake_model.h"
#include "support/fake_server_reply.h"

using namespace anomctl;
using namespace anomctl::serve;
using namespace anomctl::test;

namespace {

constexpr std::size_t kRows = kFakeWindow + 1;

// A service over one bundle "fake" (window 4, sensors a, b, c, limit 2) in a folder of its own.
struct Fixture {
  explicit Fixture(V2Settings settings = {}) {
    Bundle bundle = fake_bundle();
    bundle.thresholds["given"] = 2;
    bundle.chosen_threshold = "given";
    save_bundle(bundle, folder.path() / "fake");
    settings.exchange.access_log = false;
    settings.version = "9.9";
    repository = std::make_unique<Repository>(
        std::vector<ModelSource>{{"", "1", folder.path() / "fake"}},
        [this](const Bundle& b) {
          if (broken) throw failed("broken on purpose");
          return fake_model(b);
        },
        BatchSettings{}, Repository::Hooks{});
    service = std::make_unique<V2Service>(settings, *repository, metrics);
  }
  void start() {
    repository->start({});
    CHECK(ask("POST", "/v2/repository/models/fake/load").status == 200);  // loading is in turn, so all is loaded now
  }
  HttpResponse ask(const std::string& method, const std::string& path, std::string body = {},
                   Headers headers = {}) const {
    HttpRequest request;
    request.method = method;
    request.target = request.path = path;
    request.body = std::move(body);
    request.headers = std::move(headers);
    request.headers.add("host", "here:1");
    KeptReply kept;
    service->handle(std::move(request), kept.reply());
    return kept.answer();
  }
  Json infer(const Json& body) const {
    const HttpResponse response = ask("POST", "/v2/models/fake/infer", body.dump());
    INFO(response.body);
    REQUIRE(response.status == 200);
    return Json::parse(response.body);
  }

  TemporaryFolder folder;
  bool broken = false;
  Metrics metrics;
  std::unique_ptr<Repository> repository;
  std::unique_ptr<V2Service> service;
};

std::vector<double> some_windows(std::size_t n) {
  std::vector<double> values;
  for (const Row& row : random_rows(n * kRows, 3, 5)) values.insert(values.end(), row.values.begin(), row.values.end());
  return values;
}

Json tensor(const std::string& name, const std::string& datatype, std::vector<std::int64_t> shape,
            const std::vector<double>& data) {
  Json json = Json::object();
  json["name"] = name;
  json["datatype"] = datatype;
  json["shape"] = Json(Json::Array(shape.begin(), shape.end()));
  json["data"] = data;
  return json;
}

Json request_of(Json::Array inputs) {
  Json json = Json::object();
  json["inputs"] = std::move(inputs);
  return json;
}

std::vector<double> output(const Json& answer, const std::string& name) {
  for (const Json& out : answer.at("outputs").as_array())
    if (out.at("name").as_string() == name) return doubles(out.at("data"));
  FAIL("no output " << name);
  return {};
}

std::string error_of(const HttpResponse& response) { return Json::parse(response.body).at("error").as_string(); }

}  // namespace

TEST_CASE("an inference gives what score_windows gives") {
  Fixture f;
  f.start();
  const auto windows = some_windows(3);
  const Bundle bundle = load_bundle(f.folder.path() / "fake");
  const WindowScores expected = score_windows(bundle, *fake_model(bundle), {3, windows});
  const Json answer = f.infer(request_of({tensor("input", "FP64", {3, kRows, 3}, windows)}));
  CHECK(output(answer, "score") == expected.score);
  CHECK(output(answer, "contribution") ==
        std::vector<double>(expected.contribution.values().begin(), expected.contribution.values().end()));
  CHECK(output(answer, "expected") ==
        std::vector<double>(expected.expected.values().begin(), expected.expected.values().end()));
  CHECK(answer.at("parameters").at("threshold").as_double() == 2);
  // One window without the first dimension, and as a table of columns: five rows make one window, seven make three.
  const std::vector<double> one(windows.begin(), windows.begin() + kRows * 3);
  CHECK(output(f.infer(request_of({tensor("input", "FP64", {kRows, 3}, one)})), "score").at(0) == expected.score[0]);
  Json::Array columns;
  for (std::size_t c = 0; c < 3; ++c) {
    std::vector<double> column;
    for (std::size_t r = 0; r < 7; ++r) column.push_back(windows[r * 3 + c]);
    columns.push_back(tensor(std::string(1, static_cast<char>('a' + c)), "FP64", {7, 1}, column));
  }
  const auto table = output(f.infer(request_of(columns)), "score");
  REQUIRE(table.size() == 3);
  CHECK(table[0] == expected.score[0]);
}

TEST_CASE("outputs are chosen by name; MLServer's output-1 is the score") {
  Fixture f;
  f.start();
  Json body = request_of({tensor("input", "FP32", {1, kRows, 3}, some_windows(1))});
  const auto names = [&](const std::string& wanted) {
    body["outputs"] = Json::parse(wanted);
    std::string text;
    const Json answer = f.infer(body);
    for (const Json& out : answer.at("outputs").as_array()) text += out.at("name").as_string() + " ";
    return text;
  };
  CHECK(names(R"([{"name":"expected"},{"name":"score"}])") == "expected score ");
  CHECK(names(R"([{"name":"zzz"}])") == "score is_anomaly contribution expected ");
  CHECK(names(R"([{"name":"output-1"}])") == "output-1 ");
  body["outputs"] = Json::parse(R"([{"name":"output-1"}])");
  const Json alias = f.infer(body).at("outputs").as_array().at(0);
  CHECK(alias.at("shape") == Json::parse("[1,1]"));
  CHECK(alias.at("datatype") == Json("FP32"));
}

TEST_CASE("what cannot be judged is a 400 that says why") {
  Fixture f;
  f.start();
  const auto refused = [&](const Json& body, const std::string& why) {
    const HttpResponse response = f.ask("POST", "/v2/models/fake/infer", body.dump());
    CHECK(response.status == 400);
    CHECK_THAT(error_of(response), Contains(why));
  };
  refused(request_of({tensor("x", "FP32", {1, 4, 3}, std::vector<double>(12))}), "takes [n,5,3]");
  refused(request_of({tensor("x", "FP32", {15}, std::vector<double>(15))}), "takes [n,5,3]");
  refused(request_of({tensor("x", "FP32", {0, kRows, 3}, {})}), "no window");
  refused(request_of({}), "np");
  refused(request_of({tensor("a", "FP32", {6}, std::vector<double>(6))}), "missing inputs ['b']");
  refused(request_of({tensor("x", "FP32", {5000, kRows, 3}, std::vector<double>(75'000))}), "max_request_windows");
}

TEST_CASE("missing values are held where the setting lets them through") {
  V2Settings settings;
  settings.limits.allow_not_finite = true;
  Fixture f(settings);
  f.start();
  auto windows = some_windows(1);
  auto held = windows;
  windows[4 * 3 + 1] = NAN;  // the last row's b
  held[4 * 3 + 1] = held[3 * 3 + 1];
  windows[0] = NAN;  // the first row's a
  held[0] = held[3];
  const auto with = output(f.infer(request_of({tensor("input", "FP64", {1, kRows, 3}, windows)})), "score");
  const auto without = output(f.infer(request_of({tensor("input", "FP64", {1, kRows, 3}, held)})), "score");
  CHECK(with == without);
  for (std::size_t r = 0; r < kRows; ++r) windows[r * 3 + 2] = NAN;
  const Json empty = request_of({tensor("input", "FP64", {1, kRows, 3}, windows)});
  CHECK_THAT(error_of(f.ask("POST", "/v2/models/fake/infer", empty.dump())), Contains("no value of c"));
}

TEST_CASE("packed bodies both ways") {
  Fixture f;
  f.start();
  const std::string body = request_of({tensor("input", "FP32", {4, kRows, 3}, some_windows(4))}).dump();
  Headers headers;
  headers.add("content-encoding", "gzip");
  headers.add("accept-encoding", "br, gzip");
  const HttpResponse packed = f.ask("POST", "/v2/models/fake/infer", gzip(body), headers);
  REQUIRE(packed.status == 200);
  CHECK(packed.headers.get("content-encoding") == "gzip");
  CHECK(packed.headers.get("vary") == "Accept-Encoding");
  std::string text;
  REQUIRE(gunzip(packed.body, 1 << 20, text) == GunzipResult::done);
  CHECK(output(Json::parse(text), "score") == output(f.infer(Json::parse(body)), "score"));
  CHECK(f.ask("POST", "/v2/models/fake/infer", body, headers).status == 400);
  Headers other;
  other.add("content-encoding", "deflate");
  CHECK(f.ask("POST", "/v2/models/fake/infer", body, other).status == 415);
}

TEST_CASE("ready tells the truth") {
  Fixture f;
  const auto ready = [&] { return f.ask("GET", "/v2/health/ready"); };
  CHECK(ready().status == 503);
  CHECK_THAT(error_of(ready()), Contains("loading"));
  CHECK(f.ask("GET", "/v2/models/fake/ready").status == 503);
  f.start();
  CHECK(ready().status == 200);
  CHECK(ready().body.empty());
  CHECK(f.ask("POST", "/v2/repository/models/fake/unload").status == 200);
  CHECK(ready().status == 200);  // as asked for
  CHECK(f.ask("GET", "/v2/models/fake/ready").status == 404);
  CHECK(f.ask("POST", "/v2/repository/models/fake/load").status == 200);
  f.service->set_not_ready("draining");
  CHECK(ready().status == 503);
  CHECK(f.ask("GET", "/v2/health/live").status == 200);
}

TEST_CASE("a bundle that cannot be loaded leaves the one before serving") {
  Fixture f;
  f.start();
  const Json body = request_of({tensor("input", "FP32", {1, kRows, 3}, some_windows(1))});
  const auto before = output(f.infer(body), "score");
  write_file_atomic(f.folder.path() / "fake" / kWeightsFile, "damaged");
  const HttpResponse refused = f.ask("POST", "/v2/repository/models/fake/load");
  CHECK(refused.status == 400);
  CHECK_THAT(error_of(refused), Contains(kWeightsFile));
  CHECK(output(f.infer(body), "score") == before);
  CHECK(f.ask("GET", "/v2/health/ready").status == 200);
  const Json index = Json::parse(f.ask("POST", "/v2/repository/index").body);
  CHECK(index.as_array()[0].at("state") == Json("READY"));
  CHECK_THAT(index.as_array()[0].at("reason").as_string(), Contains(kWeightsFile));
}

TEST_CASE("what is copied in later can be loaded without a restart, and does no harm") {
  TemporaryFolder root;
  const auto put = [&](const fs::path& where) { save_bundle(fake_bundle(), root.path() / where); };
  put("a");
  put(".hidden");
  fs::create_directories(root.path() / "empty");
  std::vector<fs::path> left_out;
  auto sources = scan_repository(root.path(), &left_out);
  REQUIRE(sources.size() == 1);
  CHECK(left_out == std::vector<fs::path>{root.path() / "empty"});
  Repository repository(sources, fake_model, {}, {}, [&] { return scan_repository(root.path()); });
  repository.start({});
  const auto load = [&](const std::string& name) {
    std::promise<std::string> done;
    if (!repository.load(name, [&](const std::string& error) { done.set_value(error); })) return std::string("unknown");
    return done.get_future().get();
  };
  CHECK(load("a").empty());
  CHECK(load("later") == "unknown");
  put("later");
  put("versions/3");
  CHECK(load("later").empty());
  CHECK(load("versions").empty());
  std::shared_ptr<ServedModel> served;
  CHECK(repository.find("later", "1", served) == Repository::Found::ready);
  CHECK(repository.find("versions", "3", served) == Repository::Found::ready);
  CHECK(repository.index(false).size() == 3);
  CHECK(repository.unload("later"));
  CHECK_FALSE(repository.unload("later"));
  CHECK(load("later").empty());
  fs::create_directories(root.path() / "bad");
  write_file_atomic(root.path() / "bad" / kBundleFile, "{");
  CHECK_FALSE(load("bad").empty());
  CHECK(repository.not_ready().empty());
}

TEST_CASE("a server whose only model fails says so") {
  Fixture f;
  f.broken = true;
  f.repository->start({});
  CHECK(f.ask("POST", "/v2/repository/models/fake/load").status == 400);
  const HttpResponse response = f.ask("GET", "/v2/health/ready");
  CHECK(response.status == 503);
  CHECK_THAT(error_of(response), Contains("broken on purpose"));
  CHECK(f.ask("POST", "/v2/models/fake/infer", "{}").status == 503);
}

TEST_CASE("MLflow's invocations") {
  Fixture f;
  f.start();
  const auto windows = some_windows(1);
  const double score = output(f.infer(request_of({tensor("input", "FP64", {1, kRows, 3}, windows)})), "score")[0];
  Json::Array rows, records;
  for (std::size_t r = 0; r < kRows; ++r) {
    rows.push_back(Json::Array{windows[r * 3], windows[r * 3 + 1], windows[r * 3 + 2]});
    Json record = Json::object();
    record["a"] = windows[r * 3];
    record["b"] = windows[r * 3 + 1];
    record["c"] = windows[r * 3 + 2];
    records.push_back(std::move(record));
  }
  Json inputs = Json::object(), split = Json::object(), record_body = Json::object();
  inputs["inputs"] = Json::Array{Json(rows)};
  split["dataframe_split"]["columns"] = Json::Array{"a", "b", "c"};
  split["dataframe_split"]["data"] = Json(rows);
  record_body["dataframe_records"] = Json(records);
  for (const Json& body : {inputs, split, record_body}) {
    const HttpResponse response = f.ask("POST", "/invocations", body.dump());
    INFO(body.dump() << response.body);
    REQUIRE(response.status == 200);
    CHECK(doubles(Json::parse(response.body).at("predictions")) == std::vector<double>{score});
  }
  CHECK(f.ask("POST", "/invocations", R"({"inputs":[[1,2],[3]]})").status == 400);
  CHECK(f.ask("POST", "/invocations", "{}").status == 400);
  CHECK(f.ask("GET", "/ping").body == R"("\n")");
}

TEST_CASE("requests are counted by route, not by what a client makes up") {
  Fixture f;
  f.start();
  f.infer(request_of({tensor("input", "FP32", {2, kRows, 3}, some_windows(2))}));
  for (int i = 0; i < 5; ++i) f.ask("POST", "/v2/models/made-up-" + std::to_string(i) + "/infer", "{}");
  f.ask("GET", "/made/up");
  f.ask("MADEUP", "/made/up");
  f.ask("MADEUP", "/v2");
  const std::string text = f.metrics.text();
  CHECK_THAT(text, Contains(R"(model_infer_request_success_total{model="fake",version="None"} 1)"));
  CHECK_THAT(text, Contains(R"(model_infer_request_failure_total{model="unknown",version="None"} 5)"));
  CHECK_THAT(text, Contains(R"(path="/v2/models/{model_name}/infer")"));
  CHECK_THAT(text, Contains(R"(anomctl_windows_total{model="fake"} 2)"));
  CHECK(text.find("made") == std::string::npos);
  CHECK(text.find("MADEUP") == std::string::npos);
}

TEST_CASE("who may not, is told so before anything is done") {
  Fixture f;
  f.start();
  f.service->authorize = [](const HttpRequest&, Scope scope, const Access::Decided& decided) {
    AccessDecision decision{"somebody", std::nullopt};
    if (scope == Scope::admin) decision.refusal = error_response(403, "no");
    decided(std::move(decision));
  };
  CHECK(f.ask("POST", "/v2/repository/models/fake/unload").status == 403);
  CHECK(f.ask("GET", "/v2/models/fake/ready").status == 200);
  CHECK_THAT(f.metrics.text(), Contains(R"(anomctl_access_refused_total{status_code="403"} 1)"));
}
