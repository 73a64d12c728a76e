#include "commands/models_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <system_error>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/model/native_model.h"
#include "anomctl/model/torch_checkpoint.h"
#include "commands/import_work/original_run.h"

namespace anomctl {
namespace {

// What to read, from --weights and --settings or from a run.
struct Parts {
  fs::path weights, settings, scaler;
  OriginalRun run;
};

Parts find_parts(const ImportOptions& options) {
  Parts parts{options.weights, options.settings, options.scaler, {}};
  if (options.mlflow_run.empty()) {
    if (options.weights.empty() || options.settings.empty())
      throw UsageError("give --weights FILE and --settings FILE, or --mlflow-run FOLDER");
    return parts;
  }
  if (!options.weights.empty() || !options.settings.empty())
    throw UsageError("--mlflow-run takes weights and settings from the run: leave out --weights and --settings");
  parts.run = find_original_run(options.mlflow_run);
  parts.weights = parts.run.weights;
  parts.settings = parts.run.config;
  if (parts.scaler.empty() && parts.run.scaler) parts.scaler = *parts.run.scaler;
  return parts;
}

// Errors of what a file says name the file.
template <class Work>
void in_file(const fs::path& file, Work work) {
  try {
    work();
  } catch (const Error& error) {
    throw input_error(fmt::format("{}: {}", file.string(), error.what()));
  }
}

Bundle imported(const ImportOptions& options, const Parts& parts, std::string& data_set) {
  const Json settings = Json::parse(read_file(parts.settings, kMiB), parts.settings.string());
  Bundle bundle;
  in_file(parts.settings, [&] {
    // Sizes may stand in an object of their own, as in a training's record.
    Json flat = settings;
    if (const Json* sizes = settings.find("hp"))
      for (const auto& [name, value] : sizes->as_object()) flat[name] = value;
    bundle.settings = MtadGatSettings::from_json(flat);
    if (bundle.settings.n_features == 0) bundle.settings.n_features = static_cast<std::int64_t>(options.columns.size());
    bundle.settings.validate();
    bundle.score = ScoreSettings::reference(settings.number_or("gamma", 1));
    data_set = settings.string_or("dataset", "");
  });
  const auto sensors = static_cast<std::size_t>(bundle.settings.n_features);
  if (!options.columns.empty() && options.columns.size() != sensors) {
    throw UsageError(fmt::format("--columns names {} sensors, {} says {}", options.columns.size(),
                                 parts.settings.string(), sensors));
  }
  for (const std::string& name : options.columns)
    if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
      throw UsageError(fmt::format("--columns: the name of sensor {} has a line break or another control character",
                                   &name - options.columns.data()));
  for (std::size_t c = 0; c < sensors; ++c) {
    bundle.columns.push_back({options.columns.empty() ? fmt::format("c{}", c) : options.columns[c], "", ""});
  }
  bundle.scaler = Scaler::none(sensors);
  if (!parts.scaler.empty()) {
    const Json scaler = Json::parse(read_file(parts.scaler, 16 * kMiB), parts.scaler.string());
    in_file(parts.scaler, [&] { bundle.scaler = Scaler::from_json(scaler, sensors); });
  }
  if (std::error_code error; fs::exists(parts.weights, error) && !fs::is_regular_file(parts.weights, error))
    throw input_error(fmt::format("{} is no file that can be looked into as a whole", parts.weights.string()));
  bundle.weights = load_weights(parts.weights);
  for (const auto& [name, tensor] : bundle.weights)
    if (!std::all_of(tensor.values.begin(), tensor.values.end(), [](float v) { return std::isfinite(v); }))
      throw input_error(fmt::format("{}: {} holds a number that is not finite, as a training that diverged leaves it",
                                    parts.weights.string(), name));
  in_file(parts.weights, [&] { make_native_model(bundle.settings, bundle.weights); });  // checks names and shapes
  return bundle;
}

// The folder's own name, else its run's data set.
std::string name_of(const ImportOptions& options, const std::string& data_set) {
  if (!options.name.empty()) return options.name;
  if (!options.mlflow_run.empty() && !data_set.empty()) return data_set;
  const fs::path folder = fs::absolute(options.output).lexically_normal();
  return folder.has_filename() ? folder.filename().string() : folder.parent_path().filename().string();
}

int run_import(const ImportOptions& options, Context& context) {
  const Parts parts = find_parts(options);
  std::string data_set;
  Bundle bundle = imported(options, parts, data_set);
  bundle.name = name_of(options, data_set);
  bundle.period_s = options.period.seconds();
  if (!(bundle.period_s > 0)) throw UsageError("--period must be longer than 0");
  bundle.thresholds = parts.run.thresholds;
  bundle.chosen_threshold = parts.run.chosen;
  if (options.threshold) {
    bundle.thresholds["given"] = *options.threshold;
    bundle.chosen_threshold = "given";
  }
  bundle.provenance["imported_from"] = parts.weights.filename().string();
  bundle.provenance["weights_sha256"] = sha256_file(parts.weights);
  if (!options.mlflow_run.empty()) {
    bundle.provenance["mlflow_run"] = fs::absolute(options.mlflow_run).lexically_normal().filename().string();
    bundle.provenance["data_set"] = data_set;
  }
  std::error_code ignored;
  if (fs::exists(options.output / kBundleFile, ignored))
    log_info("{} held a bundle, it is replaced", options.output.string());
  save_bundle(bundle, options.output);
  bundle_from_json(bundle_to_json(bundle), options.output.string());  // what was written can be read
  context.result["bundle"] = options.output.string();
  context.result["name"] = bundle.name;
  context.result["sensors"] = bundle.columns.size();
  context.result["window_size"] = bundle.settings.window_size;
  if (const auto limit = bundle.threshold()) context.result["threshold"] = *limit;
  context.text(fmt::format("{}: {} sensors, window {}", options.output.string(), bundle.columns.size(),
                           bundle.settings.window_size));
  if (const auto limit = bundle.threshold())
    context.text(fmt::format("limit {} ({})", shortest(*limit), bundle.chosen_threshold));
  return 0;
}

}  // namespace

CommandSpec models_import_command() {
  return make_command<ImportOptions>(
      "models import", "Data and models", "Make a bundle of what the Python original trained",
      {"anomctl models import --weights model.pt --settings model.json --output pump.bundle",
       "anomctl models import --mlflow-run mlruns/1/9f86d081884c7d659a2feaa0c55ad015 --output pump.bundle"},
      run_import);
}

}  // namespace anomctl
