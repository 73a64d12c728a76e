#include <fmt/format.h>

#include <map>
#include <optional>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/registry/model_registry.h"
#include "commands/models.h"
#include "commands/registered_models.h"

namespace anomctl {
namespace {

// "pump@champion", "models:/pump/3", and "pump/3" where there is no such folder.
bool names_version(const std::string& text) {
  std::error_code error;
  if (fs::exists(text, error)) return false;
  if (text.starts_with("models:/") || text.find('@') != std::string::npos) return true;
  const std::size_t slash = text.find('/');
  return slash != std::string::npos && slash + 1 < text.size() &&
         text.find_first_not_of("0123456789", slash + 1) == std::string::npos;
}

fs::path folder_of(const ModelsShowOptions& options, std::optional<ModelVersion>& version) {
  if (!names_version(options.bundle)) return find_bundle(options.bundle, options.where);
  const auto registry = open_model_registry(options.where.tracking);
  version = resolve_model(*registry, parse_model_reference(options.bundle));
  return registry->bundle(*version);
}

// Of the run that the bundle comes from, where its store is at hand.
std::map<std::string, double> metrics_of(const Bundle& bundle, const TrackingSettings& tracking) {
  const std::string id = bundle.provenance.string_or("run_id", "");
  if (id.empty()) return {};
  try {
    return open_run_store(tracking)->find(id).metrics;
  } catch (const Error& error) {
    log_info("no metrics: {}", error.what());
    return {};
  }
}

void tell_version(const ModelVersion& version, const Context& context) {
  std::string aliases;
  for (const std::string& alias : version.aliases) aliases += " @" + alias;
  context.text(fmt::format("  {}{}, registered {}", version.id(), aliases, format_stamp(version.created)));
  for (const auto& [name, value] : version.tags) context.text(fmt::format("  {} {}", name, value));
}

int run_show(const ModelsShowOptions& options, Context& context) {
  std::optional<ModelVersion> version;
  const fs::path folder = folder_of(options, version);
  const Bundle bundle = load_bundle(folder);  // with all checks
  context.result = bundle_to_json(bundle);
  context.result["path"] = folder.string();
  context.result["hash"] = bundle.hash;
  const std::map<std::string, double> metrics = metrics_of(bundle, options.where.tracking);
  context.result["metrics"] = Json::object();
  for (const auto& [name, value] : metrics) context.result["metrics"][name] = value;
  if (version) context.result["registered"] = version_json(*version);
  std::int64_t parameters = 0;
  for (const auto& [name, tensor] : bundle.weights) parameters += tensor.size();
  context.result["parameters"] = parameters;
  context.text(fmt::format("{} ({}), {}", bundle.name, bundle.kind, folder.string()));
  if (version) tell_version(*version, context);
  context.text(fmt::format("  window {} rows of {} s, {} parameters", bundle.settings.window_size,
                           shortest(bundle.period_s), parameters));
  context.text(fmt::format("  score {}, limit {}", bundle.score.kind, limit_text(bundle)));
  for (const auto& [name, value] : bundle.thresholds)
    context.text(fmt::format("  threshold {} {}", name, shortest(value)));
  if (!bundle.active_when.empty()) context.text(fmt::format("  active when {}", bundle.active_when));
  for (const Column& column : bundle.columns) {
    context.text(fmt::format("  sensor {}{}{}", column.name, column.unit.empty() ? "" : " in ", column.unit));
  }
  context.text(fmt::format("  sha256 {}", bundle.hash));
  for (const auto& [key, value] : bundle.provenance.as_object())
    context.text(fmt::format("  {} {}", key, value.is_string() ? value.as_string() : value.dump()));
  const Json settings = bundle.settings.to_json();
  for (const auto& [key, value] : settings.as_object()) context.text(fmt::format("  setting {} {}", key, value.dump()));
  for (const auto& [name, value] : metrics) context.text(fmt::format("  metric {} {}", name, shortest(value)));
  return 0;
}

}  // namespace

CommandSpec models_show_command() {
  return make_command<ModelsShowOptions>(
      "models show", "Data and models", "Show what a bundle holds and where it comes from, after checking its files",
      {"anomctl models show pump.bundle", "anomctl models show pump@champion"}, run_show);
}

}  // namespace anomctl
