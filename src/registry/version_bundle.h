// What the two registries share: their makers, a version's tags, and the bundle among a version's files. Private to
// registry. Thread rule: free functions.
#pragma once

#include <memory>
#include <string>

#include "anomctl/registry/model_registry.h"

namespace anomctl {

std::unique_ptr<ModelRegistry> open_folder_registry(const TrackingSettings& settings, const Clock& clock);
std::unique_ptr<ModelRegistry> open_server_registry(const TrackingSettings& settings);

// "latest" in any case, which MLflow keeps for itself.
bool equal_to_latest(const std::string& alias);
// Lineage of a bundle as tags of its version. Checks the bundle's files; throws Error(bad_input).
std::map<std::string, std::string> lineage_tags(const fs::path& bundle);
// The nearest folder at or below `files` that holds a bundle.json; empty: none.
fs::path bundle_below(const fs::path& files);
// Whether the folder's bundle has the hash of the version, where that names one.
bool has_hash(const ModelVersion& version, const fs::path& folder);
[[noreturn]] void refuse_bundle(const ModelVersion& version, const fs::path& folder);

}  // namespace anomctl
