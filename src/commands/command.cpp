#include "commands/command.h"

#include <cstdio>

namespace anomctl {

void Context::text(std::string_view line) const {
  if (json_) return;
  std::fwrite(line.data(), 1, line.size(), stdout);
  if (line.empty() || line.back() != '\n') std::fputc('\n', stdout);
  std::fflush(stdout);
}

}  // namespace anomctl
