#include "commands/import_work/original_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <system_error>
#include <utility>
#include <vector>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "anomctl/data/csv.h"

namespace anomctl {
namespace {

constexpr std::array<std::pair<const char*, const char*>, 4> kThresholds = {
    {{"POT", "pot"}, {"epsilon", "epsilon"}, {"BF-F1", "best-f1"}, {"BF-F1-PA", "best-f1-adjusted"}}};
constexpr std::size_t kMostFiles = 10'000;

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (auto it = fs::directory_iterator(folder, error); !error && it != fs::directory_iterator(); it.increment(error)) {
    if (found.size() == kMostFiles) throw input_error(fmt::format("{} holds too many files", folder.string()));
    found.push_back(it->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// The value of "key: value" in one of MLflow's meta.yaml files; empty where it is not there.
std::string meta_value(const fs::path& file, const std::string& key) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return {};
  const std::string text = '\n' + read_file(file, kMiB);
  const std::size_t at = text.find('\n' + key + ": ");
  if (at == std::string::npos) return {};
  const std::size_t from = at + key.size() + 3;
  return text.substr(from, text.find_first_of("\r\n", from) - from);
}

// The model that this run logged, where MLflow 3 keeps it: beside the runs of the experiment, with its run's id.
std::vector<fs::path> models_beside(const fs::path& run) {
  std::vector<fs::path> found;
  std::string id = meta_value(run / "meta.yaml", "run_id");
  if (id.empty()) id = run.filename().string();
  for (const fs::path& model : entries_of(run.parent_path() / "models")) {
    std::error_code error;
    const fs::path weights = model / "artifacts/data/model.pth";
    if (fs::is_regular_file(weights, error) && meta_value(model / "meta.yaml", "source_run_id") == id)
      found.push_back(weights);
  }
  return found;
}

// model.pth of a logged model, else weights that lie among the artifacts.
fs::path find_weights(const fs::path& artifacts, const fs::path& run) {
  std::vector<fs::path> models, files;
  std::error_code error;
  for (const fs::path& entry : entries_of(artifacts)) {
    if (fs::is_regular_file(entry / "data/model.pth", error)) models.push_back(entry / "data/model.pth");
    const std::string kind = entry.extension().string();
    if (fs::is_regular_file(entry, error) && (kind == ".pt" || kind == ".pth" || kind == ".safetensors"))
      files.push_back(entry);
  }
  if (models.empty()) models = models_beside(run);
  if (models.empty()) models = std::move(files);
  if (models.size() == 1) return models.front();
  if (models.empty())
    throw input_error(
        fmt::format("{} has no model (NAME_model/data/model.pth, or a .pt file among the artifacts)", run.string()));
  throw input_error(
      fmt::format("{} has several models, as {} and {}: name one with --weights, and config.txt with "
                  "--settings",
                  run.string(), models[0].string(), models[1].string()));
}

void read_thresholds(const fs::path& file, OriginalRun& run) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return;
  const Json json = Json::parse(read_file(file, kMiB), file.string());
  for (const auto& [theirs, ours] : kThresholds) {
    const Json* value = json.find(theirs);
    if (value == nullptr || value->is_null()) continue;
    // mlflow.log_dict writes numbers of numpy's float32 as text.
    const auto number = value->is_string() ? parse_number(value->as_string())
                                           : std::optional<double>(value->is_number() ? value->as_double() : NAN);
    if (!number || !std::isfinite(*number))
      throw input_error(fmt::format("{}: {} is no number", file.string(), theirs));
    run.thresholds[ours] = *number;
  }
  for (const char* name : {"epsilon", "pot"})
    if (run.thresholds.contains(name)) run.chosen = name;
}

}  // namespace

OriginalRun find_original_run(const fs::path& folder) {
  std::error_code error;
  const fs::path whole = fs::absolute(folder).lexically_normal();
  const fs::path clean = whole.has_filename() ? whole : whole.parent_path();
  const bool is_artifacts = fs::is_regular_file(clean / "config.txt", error);
  const fs::path artifacts = is_artifacts ? clean : clean / "artifacts";
  OriginalRun run;
  run.config = artifacts / "config.txt";
  if (!fs::is_regular_file(run.config, error))
    throw input_error(fmt::format("{} is no run of the Python original: there is no {}", folder.string(),
                                  (folder / "artifacts/config.txt").string()));
  run.weights = find_weights(artifacts, is_artifacts ? clean.parent_path() : clean);
  if (fs::is_regular_file(artifacts / "scaler.json", error)) run.scaler = artifacts / "scaler.json";
  read_thresholds(artifacts / "thresholds.json", run);
  return run;
}

}  // namespace anomctl
