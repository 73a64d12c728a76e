#include "roles/manage/missing_rows.h"

#include <algorithm>

namespace anomctl::manage {

void MissingRows::see(const Step& step) {
  const bool heard_before = !anew_ || step.heard_in < connection_;
  if (step.before == 0 || !heard_before || step.received >= until_ || period_ <= 0) return;
  const Nanoseconds jump = step.time - step.before;
  if (jump <= kDay) rows_ += std::max<std::int64_t>(0, (jump + period_ / 2) / period_ - 1);
}

}  // namespace anomctl::manage
