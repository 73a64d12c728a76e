// hold and drop: what a row becomes is known from the rows up to its stamp.
#include "data/regular/points.h"

namespace anomctl {
namespace {

class CausalRows : public RegularBase {
 public:
  using RegularBase::RegularBase;

  bool next(Row& row) override { return settings_.period > 0 ? next_on_grid(row) : next_as_is(row); }

 private:
  bool next_as_is(Row& row) {
    while (ordered_.next(input_)) {
      const Point point{input_.row.time, input_.label, input_.starts_run, input_.file};
      std::swap(row.values, input_.row.values);
      if (settings_.fill == Fill::drop) {
        if (give(point, row)) return true;
        continue;
      }
      forget_at(point);
      for (std::size_t c = 0; c < held_.size(); ++c) {
        Held& held = held_[c];
        if (!std::isnan(row.values[c])) {
          held = {true, point.time, row.values[c]};
        } else if (held.known && point.time - held.time <= settings_.column_gap[c]) {
          row.values[c] = held.value;
          ++report_.filled_cells;
        }
      }
      if (give(point, row)) return true;
    }
    return false;
  }

  bool next_on_grid(Row& row) {
    while (true) {
      if (!have_input_ && !ended_) ended_ = !(have_input_ = ordered_.next(input_));
      if (have_input_ && (!started_ || input_.starts_run)) {
        if (started_ && point_.time <= last_input_) {  // the points up to the end of the run before come first
          if (give_point(row)) return true;
          continue;
        }
        begin_run();
      }
      if (have_input_ && input_.row.time <= point_.time) {
        take_input();
        continue;
      }
      if (!started_ || (ended_ && point_.time > last_input_)) return false;
      if (give_point(row)) return true;
    }
  }
  void begin_run() {
    started_ = true;
    point_ = {input_.row.time, false, true, input_.file};
    label_ = {};
    input_.starts_run = false;
    for (Held& held : held_) held.known = false;
  }
  void take_input() {
    for (std::size_t c = 0; c < held_.size(); ++c) {
      const double value = input_.row.values[c];
      if (!std::isnan(value)) held_[c] = {true, input_.row.time, value};
    }
    label_.add(input_.label);
    last_input_ = input_.row.time;
    have_input_ = false;
  }
  // The row at the point, and on to the next one.
  bool give_point(Row& row) {
    row.values.resize(held_.size());
    std::int64_t filled = 0;
    bool any = false;
    for (std::size_t c = 0; c < held_.size(); ++c) {
      const Held& held = held_[c];
      const Nanoseconds age = point_.time - held.time;
      const bool fresh = held.known && age < settings_.period;
      const bool usable = fresh || (settings_.fill == Fill::hold && held.known && age <= settings_.column_gap[c]);
      row.values[c] = usable ? held.value : kMissing;
      filled += usable && !fresh;
      any = any || usable;
    }
    point_.label = label_.take();
    const Point point = point_;
    point_ = {point.time + settings_.period, false, false, point.file};
    if (!any) {
      // Nothing is known any more: on to the first point at or after the next input, in one step.
      break_run_ = true;
      if (have_input_ && !input_.starts_run && input_.row.time > point_.time) {
        const Nanoseconds ahead = input_.row.time - point_.time;
        point_.time += (ahead + settings_.period - 1) / settings_.period * settings_.period;
      }
      return false;
    }
    report_.filled_cells += filled;
    return give(point, row);
  }

  InputRow input_;
  bool have_input_ = false, ended_ = false, started_ = false;
  Point point_;
  GridLabel label_;
  Nanoseconds last_input_ = 0;
};

}  // namespace

std::unique_ptr<LabelledSource> make_causal(std::unique_ptr<LabelledSource> input, const RegularSettings& settings,
                                            ReadReport& report) {
  return std::make_unique<CausalRows>(std::move(input), settings, report);
}

}  // namespace anomctl
