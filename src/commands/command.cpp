#include "commands/command.h"

#include <cstdio>
#include <string>

namespace anomctl {

void Context::text(std::string_view line) const {
  if (json_) return;
  // Names come from servers and files of other people: none of them moves the cursor or changes colours.
  std::string shown(line);
  for (char& c : shown)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f) c = '?';
  std::fwrite(shown.data(), 1, shown.size(), stdout);
  if (line.empty() || line.back() != '\n') std::fputc('\n', stdout);
  std::fflush(stdout);
}

}  // namespace anomctl
