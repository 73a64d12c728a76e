// Detector::take_over: another bundle judges on.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "anomctl/detection/detector.h"
#include "detection/detector_state.h"

namespace anomctl {

std::size_t Detector::take_over(const Detector& before, const WindowModel& model) {
  const State& old = *before.state_;
  if (!old.prepared.empty()) throw std::logic_error("a detector is taken over only with every prepared row judged");
  const std::string name = state_->bundle->name;
  const auto rename = [&](Episode& episode) { episode.model = name; };
  if (belongs_to(*old.bundle, old.options.asset) == belongs_to(*state_->bundle, state_->options.asset)) {
    std::vector<Episode> events = old.events;
    restore(before.snapshot());
    state_->events = std::move(events);
    state_->current.filled = old.current.filled;
  } else {
    State& s = *state_;
    const std::size_t k = s.bundle->columns.size();
    const std::span<const double> rows = old.intake.last_rows();
    const auto step = static_cast<Nanoseconds>(std::llround(s.bundle->period_s * 1e9));
    const auto n = static_cast<std::int64_t>(rows.size() / k);
    for (std::int64_t r = 0; r < n; ++r) {
      const auto first = rows.begin() + r * static_cast<std::ptrdiff_t>(k);
      const Row row{old.current.time - (n - 1 - r) * step, {first, first + static_cast<std::ptrdiff_t>(k)}};
      const auto window = prepare(row);
      if (window) {
        model.expect(*window, 1, s.expectation);
        judge(s.expectation.forecast.row(0), s.expectation.reconstruction.row(0));
      } else {
        judge({}, {});
      }
    }
    s.intake.go_on_from(old.intake);
    s.events = old.events;
    s.counts = old.counts;
    StateWriter out;
    old.faults.write(out);
    StateReader in(out.bytes());
    s.faults.read(in);
    s.episodes.restore(old.episodes.numbers());
  }
  State& s = *state_;
  EpisodeTracker::Numbers numbers = s.episodes.numbers();
  rename(numbers.episode);
  s.episodes.restore(std::move(numbers));
  s.current.time = old.current.time;
  const std::size_t needed = s.has_panel() ? s.bundle->panel_voices()->warm_up + 1 : window() + 1;
  return needed - std::min(needed, s.current.filled);
}

}  // namespace anomctl
