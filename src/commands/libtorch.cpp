#include "commands/libtorch.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace anomctl {
namespace {

constexpr const char* kLibrary = "libtorch_cpu.so";

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// torch/lib of each Python below `prefix`, newest Python first.
std::vector<fs::path> wheel_folders(const fs::path& prefix) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(prefix / "lib", error)) {
    if (!entry.path().filename().string().starts_with("python3")) continue;
    folders.push_back(entry.path() / "site-packages" / "torch" / "lib");
    folders.push_back(entry.path() / "dist-packages" / "torch" / "lib");
  }
  std::sort(folders.rbegin(), folders.rend());
  return folders;
}

}  // namespace

fs::path find_libtorch() {
  std::vector<fs::path> folders;
  if (const std::string root = variable("ANOMCTL_LIBTORCH"); !root.empty()) {
    folders = {fs::path(root), fs::path(root) / "lib"};
  } else {
    std::vector<fs::path> prefixes;
    if (const std::string prefix = variable("ANOMCTL_PREFIX"); !prefix.empty()) prefixes.emplace_back(prefix);
    if (const std::string active = variable("VIRTUAL_ENV"); !active.empty()) prefixes.emplace_back(active);
    const std::string cache = variable("XDG_CACHE_HOME");
    prefixes.push_back((cache.empty() ? fs::path(variable("HOME")) / ".cache" : fs::path(cache)) / "anomctl/prefix");
    prefixes.emplace_back("/usr/local");
    for (const fs::path& prefix : prefixes) {
      const auto more = wheel_folders(prefix);
      folders.insert(folders.end(), more.begin(), more.end());
    }
  }
  for (const fs::path& folder : folders) {
    std::error_code error;
    if (fs::exists(folder / kLibrary, error)) return folder / kLibrary;
  }
  return {};
}

}  // namespace anomctl
