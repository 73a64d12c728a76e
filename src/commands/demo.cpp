#include "commands/demo.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <latch>
#include <optional>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/data/plant.h"
#include "commands/create_datasets.h"
#include "commands/demo/local_broker.h"
#include "commands/demo/rehearsal.h"
#include "commands/evaluate.h"
#include "commands/manage.h"
#include "commands/role_threads.h"
#include "commands/row_input.h"
#include "commands/train.h"

namespace anomctl {
namespace {

// What the demo settles for in its time.
struct Scale {
  std::int64_t rows, live_rows;
  int live_faults;
  std::int64_t window, stride, epochs, relation_epochs;
};
constexpr Scale kFull = {20'000, 4800, 7, 32, 2, 6, 40};
constexpr Scale kQuick = {20'000, 1500, 3, 16, 8, 1, 10};

TrainOptions train_options(const DemoOptions& options, const Scale& scale, const fs::path& datasets,
                           const std::string& name) {
  TrainOptions train;
  train.dataset = name;
  train.datasets_dir = datasets;
  train.tracking.tracking_uri = (options.output / "mlruns").string();
  train.network.window_size = static_cast<int>(scale.window);
  train.trainer.stride = scale.stride;
  train.trainer.epochs = scale.epochs;
  train.trainer.seed = options.seed;
  train.relation.epochs = static_cast<int>(scale.relation_epochs);
  return train;
}

RowInput live_rows(const DemoOptions& options, const Scale& scale, const fs::path& data_set, Rehearsal& rehearsal) {
  if (!options.dataset.empty()) {
    rehearsal.expect(load_data_set(data_set));
    return rows_of_data_set(data_set, "eval");
  }
  PlantSettings plant;
  plant.seed = options.seed + 1000;  // days that the detector has not seen
  plant.rows = scale.live_rows;
  plant.start += 30 * kDay;
  plant.faults = spread_faults(plant.kind, seconds(500), seconds(scale.live_rows), scale.live_faults, plant.seed);
  SimulatedPlant once(plant);
  Row row;
  while (once.next(row)) {
  }
  rehearsal.expect(once.truth());
  RowInput rows;
  rows.columns = once.columns();
  rows.has_times = true;
  rows.period_s = plant_period_s(plant.kind);
  rows.open = [plant] { return std::make_unique<SimulatedPlant>(plant); };
  return rows;
}

fs::path store_of(const DemoOptions& options) { return options.output / "anomctl.store"; }

// generate and manage over a broker of our own, until every row is judged.
void run_live(const DemoOptions& options, const fs::path& bundle, const RowInput& rows, Rehearsal& rehearsal,
              Dashboard* page, Context& context) {
  LocalBroker broker;
  context.text(fmt::format("\n== live: a mosquitto on {} with generated passwords, {} rows a second", broker.url(),
                           options.rate));
  ManageOptions manage;
  manage.bundle = bundle;
  manage.role.mqtt = {
      .mqtt_url = broker.url(), .mqtt_user = broker.manager().name, .mqtt_pass = broker.manager().password};
  manage.role.topic.topic_sensor = "pump";
  manage.role.readings.no_data_after = 0;  // rows come at another pace than their stamps
  if (page != nullptr) manage.role.store = store_of(options);
  ManageParts parts = manage_parts(manage);
  std::latch ready(1);
  std::atomic<std::int64_t> judged{0};
  parts.on_ready = [&](const std::string&) { ready.count_down(); };
  parts.on_judged = [&](const JudgedRow&) { ++judged; };
  parts.on_episode = [&](const Episode& episode) { context.text(rehearsal.add(episode)); };
  if (page != nullptr) page->attach(parts);
  ManageCounts counts;
  RoleThreads roles(context.stop().token());
  roles.start("manage", [&] {
    const std::shared_ptr<void> begun(nullptr, [&](void*) {
      if (!ready.try_wait()) ready.count_down();
    });
    counts = run_manage(manage.role, parts, roles.token());
  });
  ready.wait();

  GenerateSettings generate;
  generate.mqtt = {.mqtt_url = broker.url(), .mqtt_user = broker.sensor().name, .mqtt_pass = broker.sensor().password};
  generate.topic = manage.role.topic;
  generate.rate = options.rate;
  GenerateParts source;
  source.open = [&](std::int64_t) { return rows.open(); };
  source.has_times = rows.has_times;
  source.period_s = rows.period_s;
  const GenerateCounts sent = run_generate(generate, source, roles.token());
  for (int i = 0; i < 150 && judged < sent.rows && !roles.ended(); ++i) wait_for_stop(roles.token(), 100);
  roles.end();
  roles.wait();
  if (context.stop().received() == 0 && (!sent.complete || counts.verdicts != sent.rows))
    throw failed(fmt::format("{} rows were sent, {} verdicts came back", sent.rows, counts.verdicts));
  rehearsal.rows = sent.rows;
}

int run(const DemoOptions& options, Context& context) {
  const Nanoseconds began = system_clock().steady();
  const std::stop_token stop = context.stop().token();
  const Scale& scale = options.quick ? kQuick : kFull;
  const auto ended = [&] { return stop.stop_requested(); };
  fs::create_directories(options.output);

  fs::path datasets = options.output / "datasets", data_set;
  std::string name = "pump";
  if (options.dataset.empty()) {
    context.text(
        fmt::format("== data: {} rows of a simulated pump loop at 1 Hz, with faults of known cause", scale.rows));
    CreateDatasetsOptions create;
    create.source = "plant";
    create.name = name;
    create.datasets_dir = datasets;
    create.rows = scale.rows;
    create.seed = options.seed;
    const WrittenDataSet written = create_data_set(create, context.progress(), stop);
    data_set = written.folder;
    context.text(fmt::format("{} rows to train, {} to evaluate with {} faults: {}", written.train_rows,
                             written.eval_rows, written.segments, data_set.string()));
  } else {
    datasets = options.datasets_dir;
    name = options.dataset;
    data_set = find_data_set(datasets, name);
  }
  if (ended()) return context.stop().exit_code(0);

  context.text(
      fmt::format("\n== train: window {}, stride {}, at most {} epochs (smaller than train's defaults, for time)",
                  scale.window, scale.stride, scale.epochs));
  const TrainedRun trained = train(train_options(options, scale, datasets, name), context.progress(), stop);
  if (!trained.findings.empty()) context.text(trained.findings);
  if (ended()) return context.stop().exit_code(0);

  context.text("\n== evaluate");
  EvaluateOptions judge;
  judge.run = trained.run_id;
  judge.datasets_dir = datasets;
  judge.dataset = name;
  judge.tracking.tracking_uri = (options.output / "mlruns").string();
  judge.output = options.output;
  Context figures(context.progress(), context.stop(), context.json());
  evaluate(judge, figures);
  if (ended()) return context.stop().exit_code(0);

  Rehearsal rehearsal;
  const RowInput rows = live_rows(options, scale, data_set, rehearsal);
  std::optional<Dashboard> page;
  if (options.dashboard.page) {
    for (const char* tail : {"", "-wal", "-shm"}) fs::remove(store_of(options).string() + tail);  // of the demo before
    page.emplace(options.dashboard, store_of(options));
    context.text("\n== page: " + page->url());
  }
  run_live(options, trained.bundle, rows, rehearsal, page ? &*page : nullptr, context);
  if (ended()) return context.stop().exit_code(0);

  context.text("\n== what was injected, and what was told");
  context.text(rehearsal.summary());
  write_file_atomic(options.output / "alerts.json", rehearsal.to_json().dump(2) + "\n");
  const double took = static_cast<double>(system_clock().steady() - began) / 1e9;
  context.text(fmt::format("\nlook at {} (report) and {} (alerts); it took {:.0f} s",
                           (options.output / "report.html").string(), (options.output / "alerts.json").string(), took));
  if (page && options.stay) {
    context.text("the page stays at " + page->url() + " until Ctrl-C");
    while (!wait_for_stop(stop, 3'600'000)) {
    }
  }
  context.result["evaluate"] = figures.result;
  context.result["live"] = rehearsal.to_json();
  context.result["bundle"] = trained.bundle.string();
  context.result["seconds"] = took;
  return context.stop().exit_code(0);
}

}  // namespace

CommandSpec demo_command() {
  return make_command<DemoOptions>("demo", "Live", "From sensor readings to live, explained alerts, on this machine",
                                   {"anomctl demo", "anomctl demo --quick", "anomctl demo --dataset cats"}, run);
}

}  // namespace anomctl
