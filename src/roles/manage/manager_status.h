// What `manage` says of itself on its status topic: flat JSON. Thread rule: a value.
#pragma once

#include <cstdint>
#include <string>

#include "anomctl/core/files.h"
#include "anomctl/io/spool/spool_file.h"

namespace anomctl::manage {

struct ManagerStatus {
  std::string state;                   // ready, not_storing, lost, stopped
  std::string model;                   // the bundle that judges
  std::string reason;                  // empty: there is none
  std::int64_t dropped = 0, lost = 0;  // readings and verdicts, since the start
  std::string text() const;
};

// Says what was found damaged when the state was opened, if anything was.
void warn_of_damage(const fs::path& folder, const SpoolDamage& readings, const SpoolDamage& verdicts);

}  // namespace anomctl::manage
