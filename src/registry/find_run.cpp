#include <charconv>

#include "anomctl/core/error.h"
#include "registry/file_run_store.h"

namespace anomctl {
namespace {

bool is_named(const RunInfo& run, const std::string& reference) {
  const auto local = run.tags.find(kLocalRunTag);
  return run.id == reference || run.name == reference || (local != run.tags.end() && local->second == reference);
}

bool begins(const RunInfo& run, const std::string& reference) {
  const auto local = run.tags.find(kLocalRunTag);
  return run.id.starts_with(reference) || (local != run.tags.end() && local->second.starts_with(reference));
}

}  // namespace

RunInfo find_run(const std::vector<RunInfo>& runs, const std::string& reference, const std::string& where) {
  if (runs.empty()) throw UsageError("there is no run in " + where + "; 'anomctl train' makes one");
  if (reference.size() > 1 && reference[0] == '-' &&
      reference.find_first_not_of("0123456789", 1) == std::string::npos) {
    std::size_t back = 0;
    std::from_chars(reference.data() + 1, reference.data() + reference.size(), back);
    if (back >= 1 && back <= runs.size()) return runs[back - 1];
    throw UsageError("run " + reference + " was asked for, and " + where + " holds " + std::to_string(runs.size()) +
                     " (-1 is the latest)");
  }
  for (const auto& run : runs)
    if (is_named(run, reference)) return run;
  std::vector<const RunInfo*> matches;
  if (reference.size() >= 6)
    for (const auto& run : runs)
      if (begins(run, reference)) matches.push_back(&run);
  if (matches.size() == 1) return *matches[0];
  if (matches.size() > 1)
    throw UsageError("'" + reference + "' begins the ids of " + std::to_string(matches.size()) + " runs in " + where);
  throw UsageError("no run '" + reference + "' in " + where + "; 'anomctl runs list' shows them");
}

}  // namespace anomctl
