#include "commands/create_datasets.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "anomctl/core/error.h"
#include "anomctl/data/influx.h"
#include "anomctl/data/plant.h"
#include "anomctl/data/regular.h"
#include "anomctl/data/table.h"
#include "commands/store_source.h"

namespace anomctl {
namespace {

constexpr const char* kCatsChannels = "17 channels of the Controlled Anomalies Time Series data set";

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return text;
}

// A source with what its form tells about it.
struct OpenedSource {
  std::unique_ptr<LabelledSource> rows;
  SourceShape shape;
  std::vector<std::string> file_names;
  std::vector<Column> columns;  // with units, where the source knows them
  std::string described;        // for meta.json
  std::string default_name;
  bool on_grid = false;  // rows of several rates meet on a grid even when no period is asked for
};

// What long reading needs.
struct Work {
  Progress& progress;
  std::stop_token stop;
};

// To those there are, by start.
void add_anomalies(DataSetPlan& plan, std::vector<Anomaly> more) {
  plan.anomalies.insert(plan.anomalies.end(), std::make_move_iterator(more.begin()),
                        std::make_move_iterator(more.end()));
  std::stable_sort(plan.anomalies.begin(), plan.anomalies.end(),
                   [](const Anomaly& a, const Anomaly& b) { return a.start < b.start; });
  plan.have_anomalies = true;
}

void refuse(bool given, const char* option, const std::string& source) {
  if (given) throw UsageError(fmt::format("--{} does not go with --source {}", option, source));
}

TableSettings table_settings(const CreateDatasetsOptions& options, const TimeZone& zone) {
  TableSettings settings;
  settings.time_column = options.time_column;
  settings.label_column = options.label_column;
  settings.columns = options.columns;
  settings.exclude = options.exclude;
  settings.bad_cells = options.bad_cells == "missing" ? BadCells::missing : BadCells::error;
  settings.zone = zone;
  if (options.period) settings.period = options.period->ns;
  if (options.delimiter == "tab" || options.delimiter == "\\t") {
    settings.delimiter = '\t';
  } else if (!options.delimiter.empty()) {
    if (options.delimiter.size() != 1) throw UsageError("--delimiter: expected one character, or tab");
    settings.delimiter = options.delimiter[0];
  }
  return settings;
}

OpenedSource open_files(const TableSettings& settings, ReadReport& report) {
  OpenedSource opened;
  const TableLayout layout = guess_layout(settings, report);
  opened.rows = open_table(settings, layout, report);
  opened.shape = layout.shape;
  if (settings.files.size() > 1) {
    for (const fs::path& file : settings.files) opened.file_names.push_back(file.filename().string());
  }
  return opened;
}

OpenedSource open_cats(const CreateDatasetsOptions& options, const TimeZone& zone, DataSetPlan& plan,
                       ReadReport& report) {
  refuse(!options.data.empty(), "data", "cats");
  refuse(options.data_csv.has_value(), "data-csv", "cats");
  refuse(!options.tag.empty(), "tag", "cats");
  TableSettings settings = table_settings(options, zone);
  const fs::path folder = fs::is_regular_file(options.input) ? options.input.parent_path() : options.input;
  const fs::path data = folder / "data.csv", metadata = options.anomalies_csv.value_or(folder / "metadata.csv");
  if (!fs::exists(data)) {
    throw input_error(
        fmt::format("there is no {}: --input names the folder that holds data.csv and metadata.csv", data.string()));
  }
  settings.files = {data};
  settings.never = {"y", "category"};
  OpenedSource opened = open_files(settings, report);
  if (fs::exists(metadata)) {
    plan.anomalies = read_anomalies(metadata, zone, report);
    plan.have_anomalies = true;
  } else {
    report.notes.push_back(
        fmt::format("there is no {}: anomalies are the rows with y other than 0", metadata.string()));
  }
  opened.described = fmt::format("{} ({})", kCatsChannels, data.filename().string());
  opened.default_name = "cats";
  return opened;
}

OpenedSource open_tables(const CreateDatasetsOptions& options, const TimeZone& zone, ReadReport& report) {
  refuse(options.data_csv.has_value(), "data-csv", "table");
  refuse(!options.tag.empty(), "tag", "table");
  if (options.data.empty()) throw UsageError("--source table wants --data FILE");
  TableSettings settings = table_settings(options, zone);
  settings.files = expand_files(options.data, {".csv", ".tsv", ".txt", ".parquet"});
  OpenedSource opened = open_files(settings, report);
  opened.described = settings.files.size() == 1 ? "table " + settings.files[0].filename().string()
                                                : fmt::format("{} tables", settings.files.size());
  const fs::path& first = options.data.front();
  opened.default_name = (first.filename().empty() ? first.parent_path() : first).stem().string();
  return opened;
}

InfluxSettings influx_settings(const CreateDatasetsOptions& options, const TimeZone& zone) {
  InfluxSettings settings;
  settings.columns = options.columns;
  settings.exclude = options.exclude;
  settings.tags = options.tag;
  settings.label_column = options.label_column;
  settings.bad_cells = options.bad_cells == "missing" ? BadCells::missing : BadCells::error;
  settings.zone = zone;
  return settings;
}

OpenedSource opened_influx(InfluxSource source, std::string described) {
  OpenedSource opened;
  opened.rows = std::move(source.rows);
  opened.shape = std::move(source.shape);
  opened.described = std::move(described);
  opened.default_name = "influx";
  opened.on_grid = true;
  return opened;
}

// Anomalies by what people confirmed and by verdicts; a CSV comes in later.
OpenedSource open_live(const CreateDatasetsOptions& options, const TimeZone& zone, const Work& work, DataSetPlan& plan,
                       ReadReport& report) {
  const InfluxLive live(options.live, parse_tags(options.tag), zone, work.progress, work.stop);
  OpenedSource opened = opened_influx(open_influx(live.readings(), live.name(), influx_settings(options, zone), report),
                                      live.described());
  if (!options.live.verdicts.empty()) {
    add_anomalies(plan, live.judged_anomalies(report));
  }
  return opened;
}

OpenedSource open_series(const CreateDatasetsOptions& options, const TimeZone& zone, const Work& work,
                         DataSetPlan& plan, ReadReport& report) {
  refuse(!options.data.empty(), "data", "influx");
  refuse(!options.time_column.empty(), "time-column", "influx");
  const bool live = !options.live.server.influx_url.empty();
  if (live == options.data_csv.has_value())
    throw UsageError(live ? "--data-csv and --influx-url are given: give one of them"
                          : "--source influx wants --data-csv FILE, saved with the CSV button of the Data Explorer, or "
                            "--influx-url URL of a running InfluxDB");
  if (!live) {
    if (!options.live.verdicts.empty()) throw UsageError("--verdicts goes with --influx-url");
    parse_tags(options.tag);
  }
  OpenedSource opened = live ? open_live(options, zone, work, plan, report)
                             : opened_influx(open_influx(*options.data_csv, influx_settings(options, zone), report),
                                             "InfluxDB export " + options.data_csv->filename().string());
  if (!options.asset.empty()) {
    const RecordStore store(options.store, RecordStore::Open::existing);
    add_anomalies(plan, confirmed_anomalies(store.labels(options.asset), store));
  }
  return opened;
}

// The anomalies are the faults that the simulation will put in.
OpenedSource open_plant(const CreateDatasetsOptions& options, DataSetPlan& plan, ReadReport& report) {
  refuse(!options.data.empty(), "data", "plant");
  refuse(options.data_csv.has_value(), "data-csv", "plant");
  PlantSettings settings;
  settings.kind = parse_plant(options.plant);
  settings.seed = options.seed;
  settings.rows = options.rows;
  for (const std::string& text : options.fault) {
    settings.faults.push_back(parse_fault(text));
    if (settings.faults.back().kind == FaultKind::clock_skew)
      throw UsageError(
          fmt::format("fault '{}': rows of a data set have no arrival that their clock could be off from", text));
  }
  if (settings.faults.empty()) {
    const Duration end{
        static_cast<Nanoseconds>(static_cast<double>(options.rows) * plant_period_s(settings.kind) * 1e9)};
    settings.faults = spread_faults(settings.kind, {end.ns / 5 * 3}, end, 9, options.seed);
  }
  // A run of its own tells the truth beforehand: what shows a fault, from which row on.
  SimulatedPlant rehearsal(settings);
  Row row;
  while (rehearsal.next(row)) {
  }
  plan.anomalies = anomalies_of(rehearsal.truth());
  plan.have_anomalies = true;
  report.notes.push_back(
      fmt::format("simulated {}: seed {}, {} faults", options.plant, options.seed, plan.anomalies.size()));
  OpenedSource opened;
  opened.rows = std::make_unique<SimulatedPlant>(settings);
  opened.shape.period = static_cast<Nanoseconds>(plant_period_s(settings.kind) * 1e9);
  opened.columns = plant_columns(settings.kind);
  opened.described = fmt::format("simulated {}, seed {}", options.plant, options.seed);
  opened.default_name = "plant";
  plan.active_when = plant_active_when(settings.kind);
  plan.settle_s = plant_settle(settings.kind).seconds();
  return opened;
}

// Confirmed anomalies are the labels; where none lies in the rows there are none.
OpenedSource open_store(const CreateDatasetsOptions& options, DataSetPlan& plan, ReadReport& report) {
  refuse(!options.data.empty(), "data", "store");
  refuse(options.data_csv.has_value(), "data-csv", "store");
  refuse(!options.columns.empty(), "columns", "store");
  refuse(!options.exclude.empty(), "exclude", "store");
  const auto store = std::make_shared<RecordStore>(options.store, RecordStore::Open::existing);
  std::string asset = options.asset;
  if (asset.empty()) {
    const std::vector<std::string> assets = store->assets();
    if (assets.size() != 1)
      throw UsageError(fmt::format("--asset: the store has {} assets{}: say which", assets.size(),
                                   assets.empty() ? "" : ", as " + assets.front()));
    asset = assets.front();
  }
  auto rows = std::make_unique<StoreSource>(store, asset, report);
  OpenedSource opened;
  for (const StoredColumn& column : rows->layout().columns) opened.columns.push_back({column.name, column.unit, ""});
  opened.shape.period = static_cast<Nanoseconds>(std::llround(rows->layout().period_s * 1e9));
  opened.described = fmt::format("asset {} of the store {}", asset, options.store.filename().string());
  opened.default_name = asset;
  opened.rows = std::move(rows);
  plan.anomalies = confirmed_anomalies(store->labels(asset), *store);
  plan.have_anomalies = !plan.anomalies.empty();
  return opened;
}

OpenedSource open_source(const CreateDatasetsOptions& options, const TimeZone& zone, const Work& work,
                         DataSetPlan& plan, ReadReport& report) {
  const std::string source = lower(options.source);
  if (source == "cats") return open_cats(options, zone, plan, report);
  if (source == "influx") return open_series(options, zone, work, plan, report);
  if (source == "plant") return open_plant(options, plan, report);
  if (source == "store") return open_store(options, plan, report);
  if (source == "table") return open_tables(options, zone, report);
  throw UsageError(fmt::format("--source '{}' is unknown: use cats, influx, table, plant or store", options.source));
}

// Whether rows go onto a grid, and how far a value may be carried.
RegularSettings regular_settings(const CreateDatasetsOptions& options, const OpenedSource& opened, ReadReport& report) {
  RegularSettings settings;
  Nanoseconds period = opened.shape.period;
  if (period <= 0) {
    period = options.period ? options.period->ns : kSecond;
    report.notes.push_back(fmt::format("the step between rows cannot be told: {} is taken", format_duration({period})));
  }
  if (options.period && options.period->ns <= 0) throw UsageError("--period must be longer than 0");
  constexpr Nanoseconds kFinest = 1000;  // points of the grid a row: beyond it is a slip of the unit
  if (options.period && opened.shape.period > 0 && options.period->ns < opened.shape.period / kFinest)
    throw UsageError(fmt::format("--period {}: rows are {} apart, so that nearly all of the grid would be made up",
                                 format_duration(*options.period), format_duration({opened.shape.period})));
  settings.step = options.period ? options.period->ns : period;
  settings.period = options.period ? options.period->ns : opened.on_grid ? period : 0;
  settings.fill = options.fill == "hold" ? Fill::hold : options.fill == "drop" ? Fill::drop : Fill::interpolate;
  settings.gap = options.max_gap ? options.max_gap->ns : 5 * std::max(settings.step, period);
  for (const Nanoseconds own : opened.shape.column_period) {
    settings.column_gap.push_back(options.max_gap ? options.max_gap->ns : std::max(settings.gap, 5 * own));
  }
  return settings;
}

void check_name(const std::string& name) {
  if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
    throw UsageError(fmt::format("--name '{}' cannot be the name of a folder", name));
  }
}

std::string seconds_text(double s) { return format_duration({static_cast<Nanoseconds>(std::llround(s * 1e9))}); }

int run_create_datasets(const CreateDatasetsOptions& options, Context& context) {
  const WrittenDataSet set = create_data_set(options, context.progress(), context.stop().token());
  context.result = set.to_json();
  context.text(fmt::format("data set {} in {}: {} columns, one row every {}", set.name, set.folder.string(),
                           set.columns.size(), seconds_text(set.period_s)));
  context.text(fmt::format("train: {} rows in {} runs, {} of them labelled anomalous", set.train_rows, set.train_runs,
                           set.train_labelled));
  context.text(fmt::format("eval: {} rows in {} runs, {} anomalies ({:.1f} % of rows)", set.eval_rows, set.eval_runs,
                           set.segments,
                           100.0 * static_cast<double>(set.eval_labelled) / static_cast<double>(set.eval_rows)));
  context.text(set.split);
  for (const std::string& sentence : set.sentences) context.text(sentence);
  return 0;
}

}  // namespace

WrittenDataSet create_data_set(const CreateDatasetsOptions& options, Progress& progress, std::stop_token stop) {
  const TimeZone zone = TimeZone::named(options.timezone);
  if (options.settle.ns > 0 && options.active_when.empty()) throw UsageError("--settle goes with --active-when");
  ReadReport report;
  DataSetPlan plan;
  OpenedSource opened = open_source(options, zone, {progress, stop}, plan, report);
  const RegularSettings regular = regular_settings(options, opened, report);
  plan.name = options.name.empty() ? opened.default_name : options.name;
  check_name(plan.name);
  plan.folder = options.datasets_dir / plan.name;
  plan.columns = opened.columns;
  if (plan.columns.empty()) {
    for (const std::string& name : opened.rows->columns()) plan.columns.push_back({name, "", ""});
  }
  plan.period_s = static_cast<double>(regular.step) / 1e9;
  plan.file_names = opened.file_names;
  plan.source = opened.described;
  plan.derivation = regular.period > 0
                        ? fmt::format("rows on a grid of {}, {}", format_duration({regular.period}), options.fill)
                        : fmt::format("rows at their own stamps, {}", options.fill);
  if (options.downsample > 1) plan.derivation += fmt::format(", the first of every {} rows", options.downsample);
  if (options.anomalies_csv && (!plan.have_anomalies || lower(options.source) == "influx"))
    add_anomalies(plan, read_anomalies(*options.anomalies_csv, zone, report));
  plan.eval_fraction = options.eval_fraction;
  plan.lead_rows = options.lead_rows;
  plan.downsample = options.downsample;
  if (!options.active_when.empty()) {
    plan.active_when = options.active_when;
    plan.settle_s = options.settle.seconds();
  }
  if (options.timezone != "UTC") plan.extra.emplace_back("timezone", options.timezone);
  const auto rows = make_regular(std::move(opened.rows), regular, report);
  return write_data_set(*rows, plan, report, progress, stop);
}

CommandSpec create_datasets_command() {
  return make_command<CreateDatasetsOptions>(
      "create-datasets", "Data and models", "Make a labelled data set from sensor readings",
      {"anomctl create-datasets --source CATS",
       "anomctl create-datasets --source influx --data-csv export.csv --anomalies-csv anomalies.csv --exclude "
       "changepoint",
       "anomctl create-datasets --source influx --influx-url http://127.0.0.1:8086 --influx-org windmill "
       "--influx-bucket sensors --influx-token-file compose/secrets/influxdb_token --measurement reading --tag "
       "sensor=blade --start -30d --verdicts verdict",
       "anomctl create-datasets --source store --store anomctl.store --asset pump-3",
       "anomctl create-datasets --source table --data pump.csv --active-when 'rpm > 100' --settle 60s"},
      run_create_datasets);
}

}  // namespace anomctl
