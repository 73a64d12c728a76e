#include "roles/manage/missing_rows.h"

#include <algorithm>

namespace anomctl::manage {

void MissingRows::see(const std::string& asset, Nanoseconds time, Nanoseconds received, bool counts) {
  const auto [last, is_new] = last_.try_emplace(asset, time);
  if (is_new) return;
  if (counts && received < until_ && period_ > 0)
    rows_ += std::max<std::int64_t>(0, (time - last->second + period_ / 2) / period_ - 1);
  last->second = std::max(last->second, time);
}

}  // namespace anomctl::manage
