// `anomctl serve`.
#pragma once

#include "anomctl/roles/serve.h"
#include "commands/command.h"

namespace anomctl {

int serve_bundles(const ServeSettings& options, Context& context);
CommandSpec serve_command();

}  // namespace anomctl
