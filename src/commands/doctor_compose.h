// What `docker compose up` would miss: settings, secrets, ports, engine, images. Reads only. Thread rule: one thread.
#pragma once

#include <vector>

#include "anomctl/core/files.h"
#include "commands/doctor.h"

namespace anomctl {

// One finding for each kind of thing, of the composition in `folder` as `engine` (docker) would start it.
std::vector<Finding> examine_compose(const fs::path& folder, const std::string& engine);

}  // namespace anomctl
