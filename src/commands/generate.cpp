#include "commands/generate.h"

#include <fmt/format.h>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/data/data_set.h"
#include "anomctl/data/plant.h"
#include "commands/row_input.h"

namespace anomctl {

namespace {

constexpr std::size_t kMostSharedRows = 500'000;
constexpr std::int64_t kBorderRows = 60;

// Rows in memory from `first` on and round to it again. Where the table's end meets its beginning there is a pause.
class SharedRows : public RowSource {
 public:
  SharedRows(std::shared_ptr<const std::vector<Row>> rows, std::vector<std::string> columns, std::size_t first,
             double period_s)
      : rows_(std::move(rows)),
        columns_(std::move(columns)),
        first_(first),
        turn_(rows_->back().time - rows_->front().time +
              static_cast<Nanoseconds>(kBorderRows * period_s * static_cast<double>(kSecond))) {}
  const std::vector<std::string>& columns() const override { return columns_; }
  bool next(Row& row) override {
    if (given_ == rows_->size()) return false;
    const std::size_t at = first_ + given_++;
    row = (*rows_)[at % rows_->size()];
    if (at >= rows_->size()) row.time += turn_;
    return true;
  }

 private:
  std::shared_ptr<const std::vector<Row>> rows_;
  std::vector<std::string> columns_;
  std::size_t first_, given_ = 0;
  Nanoseconds turn_;
};

// A plant that tells of its faults as they begin.
class PlantRows : public RowSource {
 public:
  PlantRows(const PlantSettings& settings, std::function<void(const InjectedFault&)> on_fault)
      : plant_(settings), on_fault_(std::move(on_fault)) {}
  const std::vector<std::string>& columns() const override { return plant_.columns(); }
  bool next(Row& row) override {
    if (!plant_.next(row)) return false;
    if (!plant_.label() && row.clock_skew == 0) return true;
    for (const InjectedFault& fault : plant_.truth())
      if (fault.start == row.time) on_fault_(fault);
    return true;
  }

 private:
  SimulatedPlant plant_;
  std::function<void(const InjectedFault&)> on_fault_;
};

std::string asset_name(const GenerateSettings& role, std::int64_t asset) {
  return role.assets == 1 ? role.topic.topic_sensor : fmt::format("{}-{}", role.topic.topic_sensor, asset);
}

void send_plant(const GenerateOptions& options, GenerateParts& parts) {
  PlantSettings plant;
  plant.kind = parse_plant(options.plant);
  plant.seed = options.role.disturbance.seed;
  for (const std::string& text : options.role.fault) plant.faults.push_back(parse_fault(text));
  plant.start = options.role.start_time.empty() ? system_clock().now() / kMillisecond * kMillisecond
                                                : parse_stamp(options.role.start_time)->time;
  parts.has_times = true;
  parts.faults_in_rows = true;
  parts.period_s = plant_period_s(plant.kind);
  parts.open = [&options, &parts, plant](std::int64_t asset) {
    PlantSettings own = plant;
    own.seed += static_cast<std::uint64_t>(asset);
    return std::make_unique<PlantRows>(own, [&, asset](const InjectedFault& fault) {
      if (parts.on_fault) parts.on_fault(asset_name(options.role, asset), fault);
    });
  };
}

void send_table(const GenerateOptions& options, GenerateParts& parts, std::stop_token stop) {
  const RowInput input = options.input.empty()
                             ? rows_of_data_set(find_data_set(options.datasets_dir, options.dataset), options.split)
                             : rows_of_table(options.input, options.columns, stop);
  parts.has_times = input.has_times;
  parts.period_s = input.period_s;
  if (options.role.assets == 1) {
    parts.open = [open = input.open](std::int64_t) { return open(); };
    return;
  }
  auto rows = std::make_shared<std::vector<Row>>();
  const auto source = input.open();
  for (Row row; rows->size() < kMostSharedRows && source->next(row) && !stop.stop_requested();) rows->push_back(row);
  if (rows->empty()) throw input_error("there are no rows to send");
  if (rows->size() == kMostSharedRows) log_info("several assets share the first {} rows", kMostSharedRows);
  const auto assets = static_cast<std::size_t>(options.role.assets);
  parts.open = [rows, columns = source->columns(), assets, period = input.period_s](std::int64_t asset) {
    const std::size_t first = rows->size() * static_cast<std::size_t>(asset) / assets;
    return std::make_unique<SharedRows>(rows, columns, first, period);
  };
}

}  // namespace

GenerateCounts generate(const GenerateOptions& options, Progress& progress, std::stop_token stop,
                        std::vector<AssetFault>* faults) {
  validate(options.role);
  if (!options.input.empty() + !options.dataset.empty() + !options.plant.empty() > 1)
    throw UsageError("dataset, input and plant exclude each other");
  if (options.input == "-" && options.role.loop)
    throw UsageError("standard input cannot be read again: leave out loop");
  Heartbeat heartbeat(options.heartbeat);
  GenerateParts parts;
  heartbeat.attach(parts);
  parts.on_fault = [&](const std::string& asset, const InjectedFault& fault) {
    log_info("{}: {} of {} until {}", asset, fault_name(fault.kind), fault.sensor.empty() ? "the clock" : fault.sensor,
             format_stamp(fault.end));
    if (faults != nullptr) faults->push_back({asset, fault});
  };
  if (options.plant.empty())
    send_table(options, parts, stop);
  else
    send_plant(options, parts);
  parts.on_row = [&](std::int64_t row, const Row&) {
    if (row % 64 == 0) progress.update(row);
  };
  progress.begin("sending", options.role.rows > 0 ? options.role.rows : 0, "rows");
  const GenerateCounts counts = run_generate(options.role, parts, stop);
  progress.end();
  return counts;
}

namespace {

Json to_json(const std::vector<AssetFault>& faults) {
  Json list = Json::array();
  for (const AssetFault& known : faults) {
    Json item = Json::object();
    item["asset"] = known.asset;
    item["kind"] = std::string(fault_name(known.fault.kind));
    item["sensor"] = known.fault.sensor;
    item["affected"] = Json(known.fault.affected);
    item["start"] = format_stamp(known.fault.start);
    item["end"] = format_stamp(known.fault.end);
    list.push_back(std::move(item));
  }
  return list;
}

int run(const GenerateOptions& options, Context& context) {
  std::vector<AssetFault> faults;
  const GenerateCounts counts = generate(options, context.progress(), context.stop().token(), &faults);
  context.result["rows"] = counts.rows;
  context.result["published"] = counts.published;
  context.result["acknowledged"] = counts.acknowledged;
  context.result["refused"] = counts.refused;
  context.result["seconds"] = counts.seconds;
  context.result["dropped"] = counts.dropped;
  context.result["duplicated"] = counts.duplicated;
  context.result["late"] = counts.late;
  context.result["disordered"] = counts.disordered;
  context.result["faults"] = to_json(faults);
  const std::size_t wanted = options.role.fault.size() * static_cast<std::size_t>(options.role.assets);
  if (faults.size() < wanted && context.stop().received() == 0)
    log_warning("{} of {} faults never began: they lie behind the last row that was sent", wanted - faults.size(),
                wanted);
  context.text(fmt::format("{} rows sent in {:.1f} s: {} messages, {} acknowledged", counts.rows, counts.seconds,
                           counts.published, counts.acknowledged));
  if (counts.refused > 0)
    throw failed(fmt::format("the broker refused {} of {} readings: may this user write to {}/sensor/{}?",
                             counts.refused, counts.published, options.role.topic.topic_org,
                             options.role.topic.topic_sensor));
  if (context.stop().received() == 0 && !counts.complete)
    throw unreachable_error(fmt::format("the broker did not acknowledge {} of {} readings",
                                        counts.published - counts.acknowledged, counts.published));
  return context.stop().exit_code(0);
}

}  // namespace

CommandSpec generate_command() {
  return make_command<GenerateOptions>(
      "generate", "Live", "Send the rows of a data set, a table or a simulated plant to an MQTT broker",
      {"anomctl generate --dataset cats --rate 10",
       "anomctl generate --input readings.csv --mqtt-url mqtts://broker:8883 --mqtt-user sensor --mqtt-pass-file word",
       "anomctl generate --dataset cats --speed 60 --loop --assets 100",
       "anomctl generate --plant pump-loop --rate 10 --fault stuck:flow@120s+30s --drop 0.01 --late 0.01"},
      run);
}

}  // namespace anomctl
