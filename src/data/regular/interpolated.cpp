// interpolate: a row waits until the next value of every column is known, or is known to be too far away. What waits is
// bounded by the longest time that is filled over.
#include <algorithm>
#include <deque>

#include "data/regular/points.h"

namespace anomctl {
namespace {

class InterpolatedRows : public RegularBase {
 public:
  InterpolatedRows(std::unique_ptr<LabelledSource> input, const RegularSettings& settings, ReadReport& report)
      : RegularBase(std::move(input), settings, report), ahead_(held_.size()) {}

  bool next(Row& row) override {
    while (true) {
      if (!points_.empty() && ready(points_.front())) {
        const Point point = points_.front();
        points_.pop_front();
        if (fill(point, row)) return true;
        continue;
      }
      if (run_over_) {  // all points of the run before are out
        if (!next_run_) return false;
        run_over_ = false;
        next_run_ = false;
        for (std::size_t c = 0; c < held_.size(); ++c) {
          held_[c].known = false;
          ahead_[c].clear();
        }
        take(true);
        continue;
      }
      if (!ordered_.next(input_)) {
        run_over_ = true;
      } else if (any_ && input_.starts_run) {
        run_over_ = next_run_ = true;
      } else {
        take(!any_);
      }
    }
  }

 private:
  struct Value {
    Nanoseconds time;
    double value;
  };

  void take(bool first) {
    any_ = true;
    newest_ = input_.row.time;
    for (std::size_t c = 0; c < held_.size(); ++c) {
      if (!std::isnan(input_.row.values[c])) ahead_[c].push_back({newest_, input_.row.values[c]});
    }
    if (settings_.period == 0) {
      points_.push_back({newest_, input_.label, first, input_.file});
      return;
    }
    if (first) {
      grid_ = newest_;
      label_ = {};
      label_.add(input_.label);
      points_.push_back({grid_, label_.take(), true, input_.file});
      return;
    }
    if (newest_ - grid_ > settings_.gap + settings_.period && newest_ - grid_ > longest_gap()) {
      // Too far to be filled over: no points in between.
      grid_ += (newest_ - grid_ - 1) / settings_.period * settings_.period;
    }
    while (grid_ + settings_.period < newest_) {
      grid_ += settings_.period;
      points_.push_back({grid_, label_.take(), false, input_.file});
    }
    label_.add(input_.label);
    if (grid_ + settings_.period == newest_) {
      grid_ = newest_;
      points_.push_back({grid_, label_.take(), false, input_.file});
    }
  }
  Nanoseconds longest_gap() const {
    return *std::max_element(settings_.column_gap.begin(), settings_.column_gap.end());
  }
  bool ready(const Point& point) const {
    if (run_over_) return true;
    for (std::size_t c = 0; c < held_.size(); ++c) {
      if (!ahead_[c].empty() && ahead_[c].back().time >= point.time) continue;
      const Nanoseconds last = ahead_[c].empty() ? held_[c].time : ahead_[c].back().time;
      const bool known = held_[c].known || !ahead_[c].empty();
      if (known && newest_ - last <= settings_.column_gap[c]) return false;
    }
    return true;
  }
  bool fill(const Point& point, Row& row) {
    row.values.resize(held_.size());
    std::int64_t filled = 0;
    for (std::size_t c = 0; c < held_.size(); ++c) {
      auto& ahead = ahead_[c];
      Held& held = held_[c];
      for (; !ahead.empty() && ahead.front().time <= point.time; ahead.pop_front()) {
        held = {true, ahead.front().time, ahead.front().value};
      }
      row.values[c] = kMissing;
      if (held.known && held.time == point.time) {
        row.values[c] = held.value;
      } else if (held.known && !ahead.empty() && ahead.front().time - held.time <= settings_.column_gap[c]) {
        const double share =
            static_cast<double>(point.time - held.time) / static_cast<double>(ahead.front().time - held.time);
        row.values[c] = held.value + share * (ahead.front().value - held.value);
        ++filled;
      }
    }
    if (!give(point, row)) return false;
    report_.filled_cells += filled;
    return true;
  }

  InputRow input_;
  std::vector<std::deque<Value>> ahead_;  // one a column: values after the last point given out
  std::deque<Point> points_;
  Nanoseconds newest_ = 0, grid_ = 0;
  GridLabel label_;
  bool any_ = false, run_over_ = false, next_run_ = false;
};

}  // namespace

std::unique_ptr<LabelledSource> make_interpolated(std::unique_ptr<LabelledSource> input,
                                                  const RegularSettings& settings, ReadReport& report) {
  return std::make_unique<InterpolatedRows>(std::move(input), settings, report);
}

std::unique_ptr<LabelledSource> make_regular(std::unique_ptr<LabelledSource> input, const RegularSettings& settings,
                                             ReadReport& report) {
  return settings.fill == Fill::interpolate ? make_interpolated(std::move(input), settings, report)
                                            : make_causal(std::move(input), settings, report);
}

}  // namespace anomctl
