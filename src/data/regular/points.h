// What the two kinds of filling share: the settings, the report and the row that is being made. Thread rule: one
// thread.
#pragma once

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "anomctl/data/regular.h"
#include "data/regular/ordered.h"

namespace anomctl {

// A stamp at which a row is to be given out.
struct Point {
  Nanoseconds time = 0;
  bool label = false, starts_run = false;
  std::int64_t file = 0;
};

// The last value of a column.
struct Held {
  bool known = false;
  Nanoseconds time = 0;
  double value = 0;
};

// The label of a grid point: 1 when any row since the point before is labelled, and the last row's where there is none.
class GridLabel {
 public:
  void add(bool label) {
    any_ = fresh_ ? any_ || label : label;
    last_ = label;
    fresh_ = true;
  }
  bool take() {
    const bool label = fresh_ ? any_ : last_;
    fresh_ = false;
    return label;
  }

 private:
  bool any_ = false, last_ = false, fresh_ = false;
};

class RegularBase : public LabelledSource {
 public:
  RegularBase(std::unique_ptr<LabelledSource> input, const RegularSettings& settings, ReadReport& report)
      : settings_(settings),
        report_(report),
        ordered_(std::move(input), report),
        held_(ordered_.source().columns().size()) {
    report_.dropped_by_column.assign(held_.size(), 0);
    settings_.column_gap.resize(held_.size(), settings_.gap);
  }
  const std::vector<std::string>& columns() const override { return ordered_.source().columns(); }
  bool label() const override { return given_.label; }
  bool starts_run() const override { return given_.starts_run; }
  std::int64_t file_number() const override { return given_.file; }
  std::string where() const override { return ordered_.source().where(); }

 protected:
  // Takes the row out, or counts it as dropped when a value is missing. True when it is out.
  bool give(const Point& point, Row& row) {
    bool complete = true;
    for (std::size_t c = 0; c < row.values.size(); ++c) {
      if (!std::isnan(row.values[c])) continue;
      complete = false;
      ++report_.dropped_by_column[c];
    }
    if (!complete) {
      report_.dropped_rows.add(where());
      break_run_ = true;
      return false;
    }
    give_complete(point, row);
    return true;
  }
  void give_complete(const Point& point, Row& row) {
    const bool border = point.starts_run || !out_any_ || point.file != given_.file;
    const bool pause = !border && point.time - given_.time > settings_.gap;
    // A dropped row or a pause ends the run; on a grid, so does any point that is left out.
    const bool hole = !border && (pause || break_run_);
    if (hole) ++report_.gaps;
    given_ = point;
    given_.starts_run = border || hole;
    break_run_ = false;
    out_any_ = true;
    row.time = point.time;
  }
  bool forget_at(const Point& point) {
    if (!point.starts_run) return false;
    for (Held& h : held_) h.known = false;
    return true;
  }

  RegularSettings settings_;
  ReadReport& report_;
  Ordered ordered_;
  std::vector<Held> held_;
  bool break_run_ = false;

 private:
  Point given_;
  bool out_any_ = false;
};

inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

std::unique_ptr<LabelledSource> make_causal(std::unique_ptr<LabelledSource> input, const RegularSettings& settings,
                                            ReadReport& report);
std::unique_ptr<LabelledSource> make_interpolated(std::unique_ptr<LabelledSource> input,
                                                  const RegularSettings& settings, ReadReport& report);

}  // namespace anomctl
