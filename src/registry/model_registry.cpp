#include "anomctl/registry/model_registry.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "anomctl/core/error.h"
#include "anomctl/detection/bundle.h"
#include "registry/version_bundle.h"

namespace anomctl {
namespace {

constexpr std::size_t kLongestName = 250;
constexpr std::size_t kLongestHistory = 100;  // numbers

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-'; }

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc() || end != text.data() + text.size() || number < 1) return std::nullopt;
  return number;
}

std::vector<std::int64_t> history_of(const RegisteredModel& model, const std::string& alias) {
  std::vector<std::int64_t> numbers;
  const auto tag = model.tags.find(kHistoryTag + alias);
  if (tag == model.tags.end()) return numbers;
  for (const std::string& part : detail::split_list({tag->second}))
    if (const auto number = number_of(part)) numbers.push_back(*number);
  return numbers;
}

void write_history(ModelRegistry& registry, const std::string& name, const std::string& alias,
                   std::vector<std::int64_t> numbers) {
  if (numbers.size() > kLongestHistory) numbers.erase(numbers.begin(), numbers.end() - kLongestHistory);
  std::string text;
  for (const std::int64_t number : numbers) text += (text.empty() ? "" : ",") + std::to_string(number);
  registry.set_model_tag(name, kHistoryTag + alias, text);
}

RegisteredModel existing(ModelRegistry& registry, const std::string& name) {
  if (auto model = registry.find_model(name)) return std::move(*model);
  throw UsageError("no registered model '" + name + "' in " + registry.where() +
                   "; 'anomctl models list' shows them, 'anomctl models register' makes one");
}

std::string now() { return format_stamp(system_clock().now() / kMillisecond * kMillisecond); }

}  // namespace

void check_model_name(const std::string& name) {
  const bool good = !name.empty() && name.size() <= kLongestName && name.front() != '.' && name.front() != ' ' &&
                    std::all_of(name.begin(), name.end(), [](char c) { return is_word(c) || c == '.' || c == ' '; });
  if (!good)
    throw UsageError("'" + name +
                     "' cannot name a registered model: it has up to 250 letters, digits, _ - . and blanks");
}

void check_model_alias(const std::string& alias) {
  const bool version_like =
      alias.size() > 1 && (alias[0] == 'v' || alias[0] == 'V') &&
      std::all_of(alias.begin() + 1, alias.end(), [](unsigned char c) { return std::isdigit(c); });
  if (alias.empty() || alias.size() > kLongestName || !std::all_of(alias.begin(), alias.end(), is_word) ||
      version_like || equal_to_latest(alias))
    throw UsageError("'" + alias +
                     "' cannot be an alias: it has letters, digits, _ and -, and is neither 'latest' nor "
                     "like v3");
}

ModelReference parse_model_reference(const std::string& text) {
  std::string_view rest = text;
  if (rest.starts_with("models:/")) rest.remove_prefix(8);
  ModelReference reference;
  const std::size_t at = rest.find('@'), slash = rest.find('/');
  reference.name = rest.substr(0, std::min(at, slash));
  if (at != std::string_view::npos) {
    reference.alias = rest.substr(at + 1);
    check_model_alias(reference.alias);
  } else if (slash != std::string_view::npos) {
    const auto number = number_of(rest.substr(slash + 1));
    if (!number)
      throw UsageError("'" + text + "' names no version: write NAME/3, NAME@champion, or models:/NAME@champion");
    reference.number = *number;
  } else {
    reference.alias = kChampion;
  }
  check_model_name(reference.name);
  return reference;
}

ModelVersion resolve_model(ModelRegistry& registry, const ModelReference& reference) {
  if (reference.number > 0) return registry.version(reference.name, reference.number);
  const std::int64_t number = registry.alias_number(reference.name, reference.alias);
  if (number > 0) return registry.version(reference.name, number);
  const RegisteredModel model = existing(registry, reference.name);
  std::string aliases;
  for (const auto& [alias, to] : model.aliases) aliases += (aliases.empty() ? "" : ", ") + alias;
  throw UsageError("model " + reference.name + " has no alias '" + reference.alias + "' in " + registry.where() +
                   (aliases.empty() ? "" : " (it has " + aliases + ")") + "; 'anomctl models promote' sets one");
}

std::int64_t promote(ModelRegistry& registry, const ModelVersion& version, const std::string& alias) {
  check_model_alias(alias);
  load_bundle(registry.bundle(version));  // with all hashes: what cannot be loaded is not promoted
  const auto lock = registry.hold();
  const RegisteredModel model = existing(registry, version.name);
  const auto before = model.aliases.find(alias);
  if (before != model.aliases.end() && before->second == version.number) return 0;
  auto numbers = history_of(model, alias);
  // First: what is interrupted between leaves a history that names one version twice, not one that lacks it.
  if (before != model.aliases.end() && (numbers.empty() || numbers.back() != before->second)) {
    numbers.push_back(before->second);
    write_history(registry, version.name, alias, numbers);
  }
  registry.set_alias(version.name, alias, version.number);
  registry.set_version_tag(version, kPromotedTag + alias, now());
  return before == model.aliases.end() ? 0 : before->second;
}

RolledBack rollback(ModelRegistry& registry, const std::string& name, const std::string& alias) {
  check_model_alias(alias);
  const auto lock = registry.hold();
  const RegisteredModel model = existing(registry, name);
  const auto current = model.aliases.find(alias);
  auto numbers = history_of(model, alias);
  const auto is_there = [&](std::int64_t number) {
    return std::any_of(model.versions.begin(), model.versions.end(),
                       [&](const ModelVersion& v) { return v.number == number; });
  };
  // Versions that were deleted meanwhile cannot come back.
  while (!numbers.empty() &&
         (!is_there(numbers.back()) || (current != model.aliases.end() && numbers.back() == current->second)))
    numbers.pop_back();
  if (current == model.aliases.end() || numbers.empty())
    throw UsageError("alias " + alias + " of model " + name +
                     " named no version before: there is nothing to go back to");
  const RolledBack done{current->second, numbers.back()};
  load_bundle(registry.bundle(registry.version(name, done.to)));
  numbers.pop_back();
  registry.set_alias(name, alias, done.to);
  write_history(registry, name, alias, numbers);
  if (is_there(done.from)) registry.set_version_tag(registry.version(name, done.from), kRolledBackTag + alias, now());
  return done;
}

std::unique_ptr<ModelRegistry> open_model_registry(const TrackingSettings& settings, const Clock& clock) {
  return settings.has_server() ? open_server_registry(settings) : open_folder_registry(settings, clock);
}

}  // namespace anomctl
