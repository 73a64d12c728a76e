// The shared examples beside the checkout (<repo>/../shared, or $ANOMCTL_SHARED), which may be absent: tests that want
// them then skip and say so. Thread rule: free functions.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>

namespace anomctl {

// The path below the shared folder; nothing, with a printed count, where it is absent.
inline std::optional<std::filesystem::path> shared_path(const std::string& below) {
  const char* set = std::getenv("ANOMCTL_SHARED");
  const auto root = set != nullptr ? std::filesystem::path(set)
                                   : std::filesystem::path(ANOMCTL_TEST_DIR).parent_path().parent_path() / "shared";
  if (std::filesystem::exists(root / below)) return root / below;
  static int skipped = 0;
  std::cerr << "skipped (" << ++skipped << "): no " << below << " in the shared examples\n";
  return std::nullopt;
}

}  // namespace anomctl
