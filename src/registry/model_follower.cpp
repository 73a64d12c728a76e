#include "anomctl/registry/model_follower.h"

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "anomctl/core/log.h"
#include "registry/server_run_store.h"
#include "registry/store_lock.h"
#include "registry/version_bundle.h"

namespace anomctl {

ModelFollower::ModelFollower(const TrackingSettings& settings, const std::string& reference)
    : settings_(settings), reference_(parse_model_reference(reference)), registry_(open_model_registry(settings)) {}
ModelFollower::~ModelFollower() = default;

// What the reference named when the server last said so.
fs::path ModelFollower::note_file() const {
  return cached_versions(settings_) / reference_.name /
         (reference_.alias.empty() ? "number-" + std::to_string(reference_.number) : "alias-" + reference_.alias);
}

FollowedModel ModelFollower::take(const ModelVersion& version) {
  FollowedModel found{version.name, version.number, registry_->bundle(version)};
  number_ = version.number;
  if (!settings_.has_server()) return found;
  Json note = Json::object();
  note["number"] = found.number;
  note["folder"] = found.folder.string();
  note["hash"] = version.tag(kBundleHashTag);
  make_folders(note_file().parent_path());
  write_file_atomic(note_file(), note.dump() + "\n");
  return found;
}

FollowedModel ModelFollower::start() {
  try {
    return take(resolve_model(*registry_, reference_));
  } catch (const Error& error) {
    std::error_code ignored;
    if (error.code() != ExitCode::unreachable || !settings_.has_server() || !fs::exists(note_file(), ignored)) throw;
    const Json note = Json::parse(read_file(note_file(), kMiB), note_file().string());
    ModelVersion version;
    version.name = reference_.name;
    version.number = note.at("number").as_int();
    version.tags[kBundleHashTag] = note.string_or("hash", "");
    FollowedModel found{version.name, version.number, note.at("folder").as_string()};
    if (!has_hash(version, found.folder)) throw;
    log_warning("{}: going on with {}, which {} named when it last answered", error.what(), found.id(),
                reference_.text());
    number_ = found.number;
    return found;
  }
}

std::optional<FollowedModel> ModelFollower::moved() {
  if (reference_.alias.empty()) return std::nullopt;  // a number names one version for ever
  try {
    const std::int64_t now = registry_->alias_number(reference_.name, reference_.alias);
    if (now == 0) throw failed("model " + reference_.name + " has no alias " + reference_.alias + " any more");
    if (!trouble_.empty()) log_info("{} can be followed again", reference_.text());
    trouble_.clear();
    if (now == number_) return std::nullopt;
    return take(registry_->version(reference_.name, now));
  } catch (const Error& error) {
    if (trouble_ != error.what()) log_warning("{}; {}/{} goes on", error.what(), reference_.name, number_);
    trouble_ = error.what();
    return std::nullopt;
  }
}

}  // namespace anomctl
