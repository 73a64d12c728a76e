// What a run's copy on a server becomes when the server, or we, fail at any moment.
#include "registry/run_mirror.h"

#include <cmath>
#include <fstream>
#include <limits>

#include "anomctl/core/error.h"
#include "anomctl/registry/run_sync.h"
#include "support/catch.h"
#include "support/fake_mlflow.h"

using namespace anomctl;
using anomctl::test::FakeMlflow;

namespace {

TrackingSettings settings_for(const FakeMlflow& server, const fs::path& folder) {
  TrackingSettings settings;
  settings.tracking_uri = server.url();
  settings.tracking_dir = folder / "mlruns";
  settings.tracking_cache = folder / "cache";
  return settings;
}

void write_run(Run& run, const fs::path& folder) {
  for (int i = 0; i < 12; ++i) run.log_param("p" + std::to_string(i), std::to_string(i));
  for (int i = 0; i < 50; ++i) run.log_metric("loss", 1.0 / (i + 1), i);
  run.log_metric("gone", std::numeric_limits<double>::quiet_NaN(), 0);
  run.log_metric("far", std::numeric_limits<double>::infinity(), 0);
  run.set_tag("stage", "new");
  fs::create_directories(folder / "bundle");
  std::ofstream(folder / "bundle/bundle.json") << "{}";
  std::ofstream(folder / "bundle/weights.safetensors") << std::string(100'000, 'w');
  run.log_artifact(folder / "bundle", "bundle");
}

void check_whole(const FakeMlflow& server) {
  REQUIRE(server.runs.size() == 1);
  const FakeMlflow::Run& there = server.runs.begin()->second;
  CHECK(there.status == "FINISHED");
  CHECK(there.params.size() == 12);
  CHECK(there.tags.at("stage") == "new");
  CHECK(there.points.count("loss") == 50);
  CHECK(there.points.count("gone") == 1);
  CHECK(there.points.count("far") == 1);
  REQUIRE(there.files.size() == 2);
  CHECK(there.files.at("bundle/weights.safetensors").size() == 100'000);
}

}  // namespace

TEST_CASE("a run is sent once, whichever answer of the server is lost", "[tracking]") {
  const TemporaryFolder folder;
  std::size_t requests = 1;
  for (std::size_t lost = 0; lost < requests; ++lost) {
    for (const bool carried_out : {false, true}) {
      FakeMlflow server;
      const fs::path root = folder.path() / (std::to_string(lost) + (carried_out ? "a" : "b"));
      const TrackingSettings settings = settings_for(server, root);
      {
        const auto run = open_run_store(settings.local())->create("e", "one");
        write_run(*run, root);
        run->finish("FINISHED");
      }
      std::size_t n = 0;
      server.fault = [&](const HttpRequest&, bool done) -> std::optional<HttpResponse> {
        if (done == carried_out && n++ == lost) return HttpResponse{503, {}, "gone", {}};
        return std::nullopt;
      };
      // As `runs sync` by hand: first the server says whether it is there, which this one cannot.
      const auto local = open_local_run_store(settings.tracking_dir, system_clock());
      const auto send = [&] {
        MlflowClient client(settings.tracking_uri, {});
        return RunMirror(client, server.url(), *local, local->find("-1").id).send();
      };
      CHECK_THROWS_AS(send(), Error);
      server.fault = nullptr;
      send();
      check_whole(server);
      const MirrorCounts again = send();
      CHECK(again.params + again.tags + again.points + again.artifacts == 0);
      if (lost == 0 && !carried_out) {
        // How many requests there are to lose.
        fs::remove_all(root);
        FakeMlflow counting;
        const TrackingSettings other = settings_for(counting, root);
        const auto run = open_run_store(other.local())->create("e", "one");
        write_run(*run, root);
        run->finish("FINISHED");
        MlflowClient client(other.tracking_uri, {});
        const auto store = open_local_run_store(other.tracking_dir, system_clock());
        RunMirror(client, counting.url(), *store, store->find("-1").id).send();
        requests = counting.asked.size();
        CHECK(requests >= 8);
      }
    }
  }
}

TEST_CASE("a server without answers neither stops nor holds up a run", "[tracking]") {
  const TemporaryFolder folder;
  FakeMlflow server;
  TrackingSettings settings = settings_for(server, folder.path());
  settings.tracking_wait = milliseconds(50);
  settings.tracking_timeout = milliseconds(200);
  const std::string reply = GENERATE("500", "garbage", "html");
  server.fault = [&](const HttpRequest&, bool) -> std::optional<HttpResponse> {
    if (reply == "500") return HttpResponse{500, {}, "", {}};
    return reply == "html" ? HttpResponse{404, {}, "<html>", {}} : HttpResponse{200, {}, "{\"runs\": [", {}};
  };
  {
    const auto run = open_run_store(settings)->create("e", "one");
    write_run(*run, folder.path());
    run->finish("FINISHED");
  }
  CHECK(server.runs.empty());
  const auto local = open_run_store(settings.local())->find("-1");
  CHECK(local.status == "FINISHED");
  CHECK(local.params.size() == 12);
  server.fault = nullptr;
  const auto store = open_local_run_store(settings.tracking_dir, system_clock());
  MlflowClient client(settings.tracking_uri, {});
  RunMirror(client, server.url(), *store, local.id).send();
  check_whole(server);
}

TEST_CASE("a run that is written while it is sent arrives whole", "[tracking]") {
  const TemporaryFolder folder;
  FakeMlflow server;
  const TrackingSettings settings = settings_for(server, folder.path());
  {
    const auto run = open_run_store(settings)->create("e", "one");
    write_run(*run, folder.path());
    run->finish("FINISHED");
  }
  check_whole(server);
}

TEST_CASE("a run that nobody finished is marked as failed on the server too", "[tracking]") {
  const TemporaryFolder folder;
  FakeMlflow server;
  open_run_store(settings_for(server, folder.path()))->create("e", "one")->log_param("a", "1");
  REQUIRE(server.runs.size() == 1);
  CHECK(server.runs.begin()->second.status == "FAILED");
}
