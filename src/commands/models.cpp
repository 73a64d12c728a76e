#include "commands/models.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "anomctl/core/config.h"
#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/registry/model_registry.h"
#include "commands/registered_models.h"
#include "commands/train_work/logged_model.h"

namespace anomctl {
namespace {

constexpr int kDeepest = 8;  // folders below the searched one

// Where runs are kept here.
fs::path local_folder(const TrackingSettings& tracking) {
  if (tracking.has_server()) return tracking.tracking_dir;
  const std::string& uri = tracking.tracking_uri;
  if (uri.starts_with("file://")) return uri.substr(7);
  return uri.find("://") == std::string::npos ? fs::path(uri) : fs::path();
}

void collect(const fs::path& folder, std::vector<fs::path>& found) {
  std::error_code error;
  if (folder.empty() || !fs::is_directory(folder, error)) return;
  auto it = fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (it.depth() > kDeepest) it.disable_recursion_pending();
    // Versions of registered models are listed as such.
    if (it->path().filename().string().starts_with("m-") && it->path().parent_path().filename() == "models")
      it.disable_recursion_pending();
    if (it->path().filename() != kBundleFile) continue;
    const fs::path bundle = it->path().parent_path();
    // A copy for MLflow of a run's bundle, which is found itself.
    if (std::error_code ignored; !fs::exists(bundle.parent_path() / kLoggedModelFile, ignored)) found.push_back(bundle);
  }
}

int run_list(const ModelsListOptions& options, Context& context) {
  Json list = Json::array();
  for (const fs::path& folder : find_bundles(options)) {
    try {
      const Bundle bundle = load_bundle_header(folder);
      Json item = Json::object();
      item["name"] = bundle.name;
      item["kind"] = bundle.kind;
      item["sensors"] = bundle.columns.size();
      item["window_size"] = bundle.settings.window_size;
      if (const auto limit = bundle.threshold()) item["threshold"] = *limit;
      item["hash"] = bundle.hash;
      item["path"] = folder.string();
      list.push_back(std::move(item));
      context.text(fmt::format("{:<24} {:<9} {:>4} sensors  window {:>4}  limit {:<18} {}", bundle.name, bundle.kind,
                               bundle.columns.size(), bundle.settings.window_size, limit_text(bundle),
                               folder.string()));
    } catch (const Error& error) {
      log_warning("left out: {}", error.what());
    }
  }
  Json registered = Json::array();
  for (const RegisteredModel& model : open_model_registry(options.tracking)->list()) {
    registered.push_back(registered_json(model));
    context.text(registered_text(model));
  }
  context.result["registered"] = std::move(registered);
  if (list.size() == 0)
    context.text(fmt::format("no bundles below {} and {}", options.models_dir.string(), options.tracking.tracking_uri));
  context.result["models"] = std::move(list);
  return 0;
}

int run_export(const ModelsExportOptions& options, Context& context) {
  const fs::path folder = find_bundle(options.bundle, options.where);
  const std::string hash = load_bundle(folder).hash;
  std::error_code error;
  if (fs::exists(options.output, error) && !fs::is_empty(options.output, error)) {
    throw UsageError(fmt::format("{} is not empty: give a folder that is new", options.output.string()));
  }
  fs::create_directories(options.output, error);
  if (error) throw failed(fmt::format("cannot make the folder {}: {}", options.output.string(), error.message()));
  for (const char* name : {kWeightsFile, kBundleFile}) {
    fs::copy_file(folder / name, options.output / name, fs::copy_options::overwrite_existing, error);
    if (error)
      throw failed(
          fmt::format("cannot copy {} to {}: {}", (folder / name).string(), options.output.string(), error.message()));
  }
  if (load_bundle(options.output).hash != hash)
    throw failed(fmt::format("{} changed while it was copied", folder.string()));
  context.result["bundle"] = options.output.string();
  context.result["hash"] = hash;
  context.text(fmt::format("{} copied to {}, checked", folder.string(), options.output.string()));
  return 0;
}

}  // namespace

std::string limit_text(const Bundle& bundle) {
  const auto limit = bundle.threshold();
  return limit ? fmt::format("{} ({})", shortest(*limit), bundle.chosen_threshold) : "none";
}

std::vector<fs::path> find_bundles(const ModelsListOptions& options) {
  std::vector<fs::path> found;
  collect(options.models_dir, found);
  collect(local_folder(options.tracking), found);
  std::vector<std::pair<fs::file_time_type, fs::path>> dated;
  for (fs::path& folder : found) {
    std::error_code error;
    const auto time = fs::last_write_time(folder / kBundleFile, error);
    if (!error) dated.emplace_back(time, std::move(folder));
  }
  std::sort(dated.begin(), dated.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  found.clear();
  for (auto& [time, folder] : dated) {
    if (std::find(found.begin(), found.end(), folder) == found.end()) found.push_back(std::move(folder));
  }
  return found;
}

fs::path find_bundle(const std::string& text, const ModelsListOptions& options) {
  std::error_code error;
  if (fs::exists(fs::path(text) / kBundleFile, error) || text.find('/') != std::string::npos) return text;
  std::vector<std::string> names;
  for (const fs::path& folder : find_bundles(options)) {
    try {
      names.push_back(load_bundle_header(folder).name);
    } catch (const Error&) {
      continue;
    }
    if (names.back() == text) return folder;
  }
  const auto near = nearest(text, names);
  throw UsageError(fmt::format("{} is neither a folder with {} nor the name of a listed model{}", text, kBundleFile,
                               near ? fmt::format(": did you mean {}?", *near) : ", see anomctl models list"));
}

CommandSpec models_list_command() {
  return make_command<ModelsListOptions>("models list", "Data and models",
                                         "List bundles, newest first, and registered models", {"anomctl models list"},
                                         run_list);
}
CommandSpec models_export_command() {
  return make_command<ModelsExportOptions>("models export", "Data and models",
                                           "Copy a bundle to a new folder and check the copy",
                                           {"anomctl models export pump.bundle --output shipped/pump"}, run_export);
}

}  // namespace anomctl
