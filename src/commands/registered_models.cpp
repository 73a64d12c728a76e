#include "commands/registered_models.h"

#include <fmt/format.h>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/registry/run_bundle.h"

namespace anomctl {
namespace {

constexpr std::size_t kShortHash = 12, kShortId = 8;

std::string or_dash(const std::string& text, std::size_t most) { return text.empty() ? "-" : text.substr(0, most); }

int run_register(const ModelsRegisterOptions& options, Context& context) {
  check_model_name(options.name);
  if (!options.alias.empty()) check_model_alias(options.alias);
  const auto registry = open_model_registry(options.tracking);
  const BundleChoice choice = choose_bundle(options.bundle, options.run, options.tracking);
  const ModelVersion version = registry->add({options.name, choice.folder, choice.run});
  context.result = version_json(version);
  context.text(fmt::format("{} in {}: bundle {}", version.id(), registry->where(),
                           or_dash(version.tag(kBundleHashTag), kShortHash)));
  if (!options.alias.empty()) {
    promote(*registry, version, options.alias);
    context.result["alias"] = options.alias;
    context.text(fmt::format("{}@{} is now {}", options.name, options.alias, version.id()));
  }
  return 0;
}

int run_promote(const ModelsPromoteOptions& options, Context& context) {
  const auto registry = open_model_registry(options.tracking);
  const ModelReference reference = parse_model_reference(options.model);
  if (reference.alias == options.alias)
    throw UsageError(fmt::format("{} names the version by the alias that shall move: say which, {}/3 or {}@challenger",
                                 options.model, reference.name, reference.name));
  const ModelVersion version = resolve_model(*registry, reference);
  registry->bundle(version);  // what cannot be loaded is not promoted
  const std::int64_t before = promote(*registry, version, options.alias);
  context.result["name"] = version.name;
  context.result["alias"] = options.alias;
  context.result["version"] = version.number;
  context.result["before"] = before > 0 ? Json(before) : Json();
  context.text(fmt::format("{}@{} is now {}{}", version.name, options.alias, version.id(),
                           before > 0 ? fmt::format(", it was {}/{}", version.name, before) : ""));
  return 0;
}

int run_rollback(const ModelsRollbackOptions& options, Context& context) {
  const auto registry = open_model_registry(options.tracking);
  const RolledBack done = rollback(*registry, options.name, options.alias);
  context.result["name"] = options.name;
  context.result["alias"] = options.alias;
  context.result["version"] = done.to;
  context.result["before"] = done.from;
  context.text(fmt::format("{}@{} is {}/{} again, it was {}/{}", options.name, options.alias, options.name, done.to,
                           options.name, done.from));
  return 0;
}

}  // namespace

Json version_json(const ModelVersion& version) {
  Json item = Json::object();
  item["name"] = version.name;
  item["version"] = version.number;
  item["aliases"] = Json(version.aliases);
  item["created"] = format_stamp(version.created);
  item["run_id"] = version.run_id.empty() ? Json() : Json(version.run_id);
  item["source"] = version.source;
  for (const auto& [name, tag] : {std::pair{"bundle_hash", kBundleHashTag}, std::pair{"data_set", kDataSetTag},
                                  std::pair{"data_set_hash", kDataSetHashTag}}) {
    const std::string text = version.tag(tag);
    item[name] = text.empty() ? Json() : Json(text);
  }
  return item;
}

Json registered_json(const RegisteredModel& model) {
  Json item = Json::object();
  item["name"] = model.name;
  item["aliases"] = Json::object();
  for (const auto& [alias, number] : model.aliases) item["aliases"][alias] = number;
  item["versions"] = Json::array();
  for (const ModelVersion& version : model.versions) item["versions"].push_back(version_json(version));
  return item;
}

std::string registered_text(const RegisteredModel& model) {
  std::string text = model.name;
  for (const auto& [alias, number] : model.aliases) text += fmt::format("  @{} = {}", alias, number);
  for (const ModelVersion& version : model.versions) {
    std::string names;
    for (const std::string& alias : version.aliases) names += " @" + alias;
    text += fmt::format("\n  {:<6} {:<24} data {:<12} run {:<8} bundle {:<12}{}", version.number,
                        format_stamp(version.created), or_dash(version.tag(kDataSetHashTag), kShortHash),
                        or_dash(version.run_id, kShortId), or_dash(version.tag(kBundleHashTag), kShortHash), names);
  }
  return text;
}

CommandSpec models_register_command() {
  return make_command<ModelsRegisterOptions>(
      "models register", "Data and models", "Make a run's bundle a version of a registered model",
      {"anomctl models register pump", "anomctl models register pump --run calm-turbine-412 --alias challenger"},
      run_register);
}
CommandSpec models_promote_command() {
  return make_command<ModelsPromoteOptions>(
      "models promote", "Data and models", "Let an alias of a registered model name another version",
      {"anomctl models promote pump/3", "anomctl models promote pump@challenger --alias champion"}, run_promote);
}
CommandSpec models_rollback_command() {
  return make_command<ModelsRollbackOptions>("models rollback", "Data and models",
                                             "Let an alias name the version again that it named before",
                                             {"anomctl models rollback pump"}, run_rollback);
}

}  // namespace anomctl
