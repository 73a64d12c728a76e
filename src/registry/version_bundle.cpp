#include "registry/version_bundle.h"

#include <algorithm>

#include "anomctl/core/error.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/io/net/http.h"

namespace anomctl {

bool equal_to_latest(const std::string& alias) { return equal_ignoring_case(alias, "latest"); }

std::map<std::string, std::string> lineage_tags(const fs::path& folder) {
  const Bundle bundle = load_bundle(folder);
  std::map<std::string, std::string> tags = {{kBundleHashTag, bundle.hash}};
  for (const auto& [tag, key] : {std::pair{kDataSetTag, "data_set"}, std::pair{kDataSetHashTag, "data_set_hash"},
                                 std::pair{kProgramTag, "version"}})
    if (const std::string text = bundle.provenance.string_or(key, ""); !text.empty()) tags[tag] = text;
  return tags;
}

fs::path bundle_below(const fs::path& files) {
  fs::path best;
  std::size_t least = 0;
  std::error_code error;
  if (fs::exists(files / kBundleFile, error)) return files;
  for (fs::recursive_directory_iterator it(files, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename() != kBundleFile) continue;
    const auto depth = static_cast<std::size_t>(it.depth()) + 1;
    if (best.empty() || depth < least) best = it->path().parent_path(), least = depth;
  }
  return best;
}

bool has_hash(const ModelVersion& version, const fs::path& folder) {
  const std::string wanted = version.tag(kBundleHashTag);
  if (folder.empty()) return false;
  try {
    const Bundle header = load_bundle_header(folder);
    return wanted.empty() || header.hash == wanted;
  } catch (const Error&) {
    return false;
  }
}

void refuse_bundle(const ModelVersion& version, const fs::path& folder) {
  if (folder.empty())
    throw input_error("model " + version.id() + " has no bundle at " + version.storage + ": another program made it");
  throw input_error("the bundle of model " + version.id() + " in " + folder.string() +
                    " is not the one that was registered (its hash is another): register it again");
}

}  // namespace anomctl
