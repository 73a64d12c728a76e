#include <fmt/core.h>

#include <algorithm>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/data/data_set.h"

namespace anomctl {
namespace {

struct Candidate {
  fs::file_time_type written;
  fs::path folder;
};

std::vector<Candidate> candidates_in(const fs::path& datasets_dir) {
  std::vector<Candidate> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(datasets_dir, error)) {
    const fs::path train = entry.path() / "train.csv";
    if (fs::is_regular_file(train, error)) found.push_back({fs::last_write_time(train), entry.path()});
  }
  std::sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) {
    return a.written != b.written ? a.written > b.written : a.folder < b.folder;
  });
  return found;
}

}  // namespace

fs::path find_data_set(const fs::path& datasets_dir, const std::string& name) {
  if (!name.empty()) {
    const fs::path folder = datasets_dir / name;
    if (fs::is_directory(folder)) return folder;
    std::string known;
    for (const Candidate& c : candidates_in(datasets_dir))
      known += (known.empty() ? "" : ", ") + c.folder.filename().string();
    throw input_error(fmt::format("no data set '{}' in {}: {}", name, datasets_dir.string(),
                                  known.empty() ? "make one with anomctl create-datasets" : "there are " + known));
  }
  const auto found = candidates_in(datasets_dir);
  if (found.empty()) {
    throw input_error(
        fmt::format("no data set in {}: make one with anomctl create-datasets", fs::absolute(datasets_dir).string()));
  }
  log_info("taking data set {} ({})", found.front().folder.filename().string(),
           found.size() == 1 ? std::string("the only one") : fmt::format("the newest of {}", found.size()));
  return found.front().folder;
}

}  // namespace anomctl
