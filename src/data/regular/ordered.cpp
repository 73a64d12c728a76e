#include "data/regular/ordered.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "anomctl/core/error.h"

namespace anomctl {

bool Ordered::next(InputRow& out) {
  while (true) {
    if (!input_->next(out.row)) {
      check_share();
      return false;
    }
    ++rows_;
    const bool border = input_->starts_run();
    if (any_ && !border && out.row.time <= last_) {
      Tally& tally = out.row.time == last_ ? report_.duplicate_stamps : report_.backward_stamps;
      tally.add(input_->where());
      ++dropped_;
      if (rows_ == 10'000) check_share();  // soon, where most rows are wrong
      continue;
    }
    last_ = out.row.time;
    any_ = true;
    out.label = input_->label();
    out.starts_run = border;
    out.file = input_->file_number();
    out.complete = std::none_of(out.row.values.begin(), out.row.values.end(), [](double v) { return std::isnan(v); });
    return true;
  }
}

void Ordered::check_share() const {
  // A handful of rows is no share: a clock set back once is counted only.
  if (dropped_ <= 20 && dropped_ * 2 <= rows_) return;
  if (dropped_ * 10 <= rows_) return;
  const bool back = report_.backward_stamps.count >= report_.duplicate_stamps.count;
  throw input_error(fmt::format("{}: {} of {} rows {}: {}",
                                back ? report_.backward_stamps.first : report_.duplicate_stamps.first, dropped_, rows_,
                                back ? "have stamps that go back in time" : "repeat the stamp of the row before",
                                back ? "sort the rows by time (or is one stamp far in the future?)"
                                     : "is this several series in one table, or are stamps cut to whole seconds?"));
}

}  // namespace anomctl
