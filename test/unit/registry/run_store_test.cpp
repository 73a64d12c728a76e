#include "anomctl/registry/run_store.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <thread>

#include "anomctl/core/error.h"
#include "registry/run_meta.h"
#include "support/catch.h"
#include "support/shared_folder.h"

using namespace anomctl;

namespace {

class FixedClock : public Clock {
 public:
  mutable Nanoseconds time = 1'700'000'000'000 * kMillisecond;
  Nanoseconds now() const override { return time; }
  Nanoseconds steady() const override { return time; }
};

}  // namespace

TEST_CASE("what is written to a run is read back", "[runs]") {
  const TemporaryFolder folder;
  const FixedClock clock;
  const auto root = folder.path() / "my runs";
  const auto store = open_run_store(root.string(), clock);
  CHECK(store->list().empty());
  std::string id;
  {
    const auto run = store->create("pump_training", "first try");
    id = run->info().id;
    run->log_param("window_size", "100");
    run->log_param("window_size", "100");
    CHECK_THROWS_AS(run->log_param("window_size", "50"), Error);
    run->log_metric("loss/train", 0.1, 0);
    run->log_metric("loss/train", 1.0 / 3, 1);
    run->log_metric("gone", std::numeric_limits<double>::quiet_NaN(), 0);
    run->set_tag("stage", "it's \"new\"");
    std::ofstream(folder.path() / "x.csv") << "1,2\n";
    fs::create_directories(folder.path() / "bundle/deep");
    std::ofstream(folder.path() / "bundle/deep/b.json") << "{}";
    run->log_artifact(folder.path() / "x.csv", "tables/x.csv");
    run->log_artifact(folder.path() / "bundle", "model");
    CHECK(store->find("-1").status == "RUNNING");
    run->finish("FINISHED");
  }
  const auto info = store->find("-1");
  CHECK(info.id == id);
  CHECK(info.name == "first try");
  CHECK(info.experiment == "pump_training");
  CHECK(info.status == "FINISHED");
  CHECK(info.start == clock.time);
  CHECK(info.params == std::map<std::string, std::string>{{"window_size", "100"}});
  CHECK(info.metrics.at("loss/train") == 1.0 / 3);
  CHECK(std::isnan(info.metrics.at("gone")));
  CHECK(info.tags.at("stage") == "it's \"new\"");
  CHECK(info.tags.at("mlflow.source.type") == "LOCAL");
  CHECK(read_file(info.artifacts / "tables/x.csv") == "1,2\n");
  CHECK(read_file(info.artifacts / "model/deep/b.json") == "{}");
  const auto points = store->history(info, "loss/train");
  REQUIRE(points.size() == 2);
  CHECK(points[1].step == 1);
  CHECK(points[0].value == 0.1);
  CHECK(store->history(info, "none").empty());

  const auto again = store->open(id);
  again->log_metric("f1", 0.5, 0);
  CHECK(store->find(id).metrics.at("f1") == 0.5);
  CHECK(store->find(id).status == "FINISHED");
  CHECK(read_file(root / "0/meta.yaml").find("name: 'Default'") != std::string::npos);
}

TEST_CASE("runs are found by id, prefix, name and age", "[runs]") {
  const TemporaryFolder folder;
  const FixedClock clock;  // stands still: the order comes from the store
  const auto store = open_run_store(folder.path().string(), clock);
  CHECK_THROWS_AS(store->find("-1"), UsageError);
  const auto a = store->create("pump_training", "calm")->info();
  const auto b = store->create("fan_training", "brisk")->info();
  const auto c = store->create("pump_training", "calm")->info();
  CHECK(store->find("-1").id == c.id);
  CHECK(store->find("-2").id == b.id);
  CHECK(store->find("-3").id == a.id);
  CHECK_THROWS_WITH(store->find("-4"), Contains("holds 3"));
  CHECK(store->find("-1", "fan_training").id == b.id);
  CHECK(store->find("calm").id == c.id);  // the newest of that name
  CHECK(store->find(a.id.substr(0, 12)).id == a.id);
  CHECK_THROWS_AS(store->find(a.id.substr(0, 5)), UsageError);
  CHECK_THROWS_AS(store->find("windy"), UsageError);
  CHECK(store->list("pump_training").size() == 2);
}

TEST_CASE("a run that is left behind by an error is marked as failed", "[runs]") {
  const TemporaryFolder folder;
  const auto store = open_run_store("file://" + folder.path().string());
  store->create("pump_training", "");
  const auto info = store->find("-1");
  CHECK(info.status == "FAILED");
  CHECK(std::count(info.name.begin(), info.name.end(), '-') == 2);
}

TEST_CASE("runs that start together share one experiment", "[runs]") {
  const TemporaryFolder folder;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back(
        [&] { open_run_store(folder.path().string())->create("pump_training", "")->finish("FINISHED"); });
  threads.clear();
  const auto runs = open_run_store(folder.path().string())->list("pump_training");
  REQUIRE(runs.size() == 8);
  for (std::size_t i = 1; i < runs.size(); ++i) CHECK(runs[i].start < runs[i - 1].start);
  int experiments = 0;
  for (const auto& entry : fs::directory_iterator(folder.path()))
    experiments += entry.path().filename().string().size() == 18;
  CHECK(experiments == 1);
}

TEST_CASE("names that would leave the run's folder are refused", "[runs]") {
  const TemporaryFolder folder;
  const auto store = open_run_store(folder.path().string());
  const auto run = store->create("pump_training", "");
  for (const char* key : {"../x", "a/../../x", "/etc/x", "", "a//b", "..", "a\nb", "a/"})
    CHECK_THROWS_AS(run->log_param(key, "1"), Error);
  CHECK_THROWS_AS(open_run_store("sqlite:///mlflow.db"), UsageError);
}

TEST_CASE("meta files as MLflow writes them are read", "[runs]") {
  const auto meta = parse_flat_yaml("name: 'it''s'\nid: \"a\\\"b\"\nlong: one\n  two\ntags: []\nend_time: null\n- x\n");
  CHECK(meta.at("name") == "it's");
  CHECK(meta.at("id") == "a\"b");
  CHECK(meta.at("long") == "one two");
  CHECK(meta.at("end_time").empty());
  CHECK(parse_flat_yaml("x: " + yaml_quoted("a 'b' \"c\": d")).at("x") == "a 'b' \"c\": d");
  CHECK(path_of_uri(file_uri("/data/my runs/50%")) == "/data/my runs/50%");
  CHECK(path_of_uri("s3://bucket/x").empty());
  CHECK(path_of_uri("mlruns") == "mlruns");
}

TEST_CASE("stores that MLflow wrote are read", "[runs]") {
  const auto logged = shared_path("protocols/mlflow/mlruns_logged");
  if (!logged) return;
  const auto store = open_run_store(logged->string());
  const auto run = store->find("first");
  CHECK(run.experiment == "anomaly");
  CHECK(run.status == "FINISHED");
  CHECK(run.params.at("window_size") == "100");
  CHECK(run.metrics.at("f1") == 0.5);
  CHECK(store->history(run, "loss").size() == 4);
  CHECK(fs::exists(run.artifacts / "notes/a.txt"));
  const auto plain = open_run_store(shared_path("protocols/mlflow/mlruns_plain")->string())->find("-1");
  CHECK(plain.metrics.at("train/loss") == 0.25);
  CHECK(std::isnan(plain.metrics.at("nanm")));
}
