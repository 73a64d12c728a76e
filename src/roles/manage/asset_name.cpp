#include "roles/manage/asset_name.h"

#include "anomctl/core/json.h"

namespace anomctl::manage {

bool is_asset_name(std::string_view name) {
  if (name.empty() || name.size() > kLongestName || !is_utf8(name)) return false;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(name[i]); };
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool ascii_control = byte(i) < 0x20 || byte(i) == 0x7f;
    const bool c1_control = byte(i) == 0xc2 && byte(i + 1) < 0xa0;  // U+0080 to U+009F; whole, as it is UTF-8
    if (ascii_control || c1_control) return false;
  }
  return true;
}

}  // namespace anomctl::manage
