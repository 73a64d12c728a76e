#include "anomctl/detection/range_metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace anomctl {
namespace {

// Events with half a buffer on both sides; buffers that meet are one zone.
std::vector<RowRange> buffered(std::span<const RowRange> events, std::int64_t half, std::int64_t rows) {
  std::vector<RowRange> zones;
  for (const RowRange& event : events) {
    const std::int64_t first = std::max<std::int64_t>(0, event.first - half);
    const std::int64_t last = std::min(rows - 1, event.last + half);
    if (!zones.empty() && first <= zones.back().last)
      zones.back().last = last;
    else
      zones.push_back({first, last});
  }
  return zones;
}

// Labels that fall off beside the events, at most 1.
std::vector<double> soft_labels(std::span<const RowRange> events, std::int64_t buffer, std::size_t rows) {
  std::vector<double> soft(rows, 0);
  const std::int64_t half = buffer / 2;
  const auto add = [&](std::int64_t row, std::int64_t distance) {
    if (row < 0 || row >= static_cast<std::int64_t>(rows)) return;
    soft[static_cast<std::size_t>(row)] += std::sqrt(1 - static_cast<double>(distance) / static_cast<double>(buffer));
  };
  for (const RowRange& event : events) {
    for (std::int64_t row = event.first; row <= event.last; ++row) soft[static_cast<std::size_t>(row)] = 1;
    for (std::int64_t d = 1; d <= half; ++d) {
      add(event.first - d, d);
      add(event.last + d, d);
    }
  }
  for (double& value : soft) value = std::min(value, 1.0);
  return soft;
}

// The limits: how many rows each flags, ties included, and its score.
struct Limit {
  double score = 0;
  std::size_t flagged = 0;
};
struct Ranking {
  std::vector<std::size_t> order;  // rows by falling score
  std::vector<Limit> limits;
};
Ranking rank(std::span<const double> scores, std::size_t cuts) {
  Ranking out;
  out.order.resize(scores.size());
  std::iota(out.order.begin(), out.order.end(), std::size_t{0});
  std::sort(out.order.begin(), out.order.end(), [&](auto a, auto b) { return scores[a] > scores[b]; });
  const double step = static_cast<double>(scores.size() - 1) / static_cast<double>(cuts - 1);
  std::size_t end = 0;
  for (std::size_t c = 0; c < cuts; ++c) {
    const auto at = c + 1 == cuts ? scores.size() - 1 : static_cast<std::size_t>(static_cast<double>(c) * step);
    const double score = scores[out.order[at]];
    while (end < scores.size() && scores[out.order[end]] >= score) ++end;
    out.limits.push_back({score, end});
  }
  return out;
}

VolumeUnderSurface areas(std::span<const double> scores, const Ranking& ranking, std::span<const RowRange> events,
                         double positives, std::int64_t buffer) {
  const std::size_t n = scores.size();
  const std::vector<double> soft = soft_labels(events, buffer, n);
  std::vector<double> best;  // largest score of each zone
  for (const RowRange& zone : buffered(events, buffer / 2, static_cast<std::int64_t>(n)))
    best.push_back(*std::max_element(scores.begin() + zone.first, scores.begin() + zone.last + 1));
  VolumeUnderSurface area;
  std::vector<std::uint8_t> is_event(n, 0);
  for (const RowRange& event : events) std::fill_n(is_event.begin() + event.first, event.last - event.first + 1, 1);
  std::size_t done = 0;
  double inside = 0, beside = 0;  // soft labels of the flagged rows, in events and in their buffers
  double last_tpr = 0, last_fpr = 0;
  for (const Limit& limit : ranking.limits) {
    for (; done < limit.flagged; ++done) {
      const std::size_t row = ranking.order[done];
      (is_event[row] != 0 ? inside : beside) += soft[row];
    }
    const double hit = inside + beside;
    // Half way between the events alone and what is flagged of their buffers too.
    const double wanted = positives + beside / 2;
    const auto touched = static_cast<double>(
        std::count_if(best.begin(), best.end(), [&](double score) { return score >= limit.score; }));
    const double tpr = std::min(hit / wanted, 1.0) * touched / static_cast<double>(best.size());
    const double fpr = (static_cast<double>(limit.flagged) - hit) / std::max(static_cast<double>(n) - wanted, 1.0);
    area.roc += (fpr - last_fpr) * (tpr + last_tpr) / 2;
    area.pr += (tpr - last_tpr) * hit / static_cast<double>(limit.flagged);
    last_tpr = tpr;
    last_fpr = fpr;
  }
  area.roc += (1 - last_fpr) * (1 + last_tpr) / 2;
  return area;
}

// Events as half-open intervals of time.
struct Interval {
  double from = 0, to = 0;
  double length() const { return to - from; }
};
std::vector<Interval> intervals(std::span<const std::uint8_t> flags) {
  std::vector<Interval> out;
  for (const RowRange& run : runs_of_ones(flags))
    out.push_back({static_cast<double>(run.first), static_cast<double>(run.last + 1)});
  return out;
}

// The part of `whole` that is nearer to interval j of `all` than to its neighbours.
Interval zone(std::span<const Interval> all, std::size_t j, Interval whole) {
  return {j == 0 ? whole.from : (all[j - 1].to + all[j].from) / 2,
          j + 1 == all.size() ? whole.to : (all[j].to + all[j + 1].from) / 2};
}

std::vector<Interval> clipped(std::span<const Interval> all, Interval to) {
  std::vector<Interval> out;
  for (const Interval& i : all) {
    const Interval part{std::max(i.from, to.from), std::min(i.to, to.to)};
    if (part.from < part.to) out.push_back(part);
  }
  return out;
}

// Integral over d in [a, b] of max(0, room - slope * d).
double ramp(double room, double slope, double a, double b) {
  const auto left = [&](double d) { return std::pow(std::max(0.0, room - slope * d), 2) / (2 * slope); };
  return left(a) - left(b);
}

// Of the flagged time within the zone of event `j`: how much more distant a random instant of the zone would be.
double precision_of(std::span<const Interval> flagged, Interval event, Interval zone) {
  const double before = event.from - zone.from, after = zone.to - event.to;
  double sum = 0, length = 0;
  for (const Interval& f : flagged) {
    length += f.length();
    const Interval inside{std::max(f.from, event.from), std::min(f.to, event.to)};
    sum += std::max(0.0, inside.length());
    const auto outside = [&](double nearest, double furthest) {
      if (nearest < furthest)
        sum += (ramp(before, 1, nearest, furthest) + ramp(after, 1, nearest, furthest)) / zone.length();
    };
    outside(std::max(0.0, event.from - f.to), event.from - f.from);
    outside(std::max(0.0, f.from - event.to), f.to - event.to);
  }
  return sum / length;
}

// Of an event's time: how much nearer the flagged time is than a random instant of its zone.
double recall_of(std::span<const Interval> flagged, Interval event, Interval zone) {
  double sum = 0;
  for (std::size_t i = 0; i < flagged.size(); ++i) {
    const Interval f = flagged[i];
    const Interval reach = anomctl::zone(flagged, i, zone);
    const Interval mine{std::max(event.from, reach.from), std::min(event.to, reach.to)};
    if (mine.from >= mine.to) continue;
    sum += std::max(0.0, std::min(mine.to, f.to) - std::max(mine.from, f.from));
    // An instant at distance d beyond the edge of the flagged time, with that edge at distance `behind` from the end of
    // the zone behind it and `ahead` from the other: an instant is as far on the one side, or beyond 2 d on the other.
    const auto beyond = [&](double nearest, double furthest, double behind, double ahead) {
      if (nearest >= furthest) return;
      sum += (behind * (furthest - nearest) + ramp(ahead, 2, nearest, furthest)) / zone.length();
    };
    beyond(std::max(0.0, f.from - mine.to), f.from - mine.from, zone.to - f.from, f.from - zone.from);
    beyond(std::max(0.0, mine.from - f.to), mine.to - f.to, f.to - zone.from, zone.to - f.to);
  }
  return sum / event.length();
}

}  // namespace

std::optional<VolumeUnderSurface> volume_under_surface(std::span<const double> scores,
                                                       std::span<const std::uint8_t> labels, std::size_t max_buffer,
                                                       std::size_t cuts) {
  const std::vector<RowRange> events = runs_of_ones(labels);
  const auto positives =
      static_cast<double>(std::count_if(labels.begin(), labels.end(), [](auto l) { return l != 0; }));
  if (events.empty() || positives == static_cast<double>(labels.size())) return std::nullopt;
  const Ranking ranking = rank(scores, cuts);
  VolumeUnderSurface volume;
  for (std::size_t buffer = 0; buffer <= max_buffer; ++buffer) {
    const auto area = areas(scores, ranking, events, positives, static_cast<std::int64_t>(buffer));
    volume.roc += area.roc / static_cast<double>(max_buffer + 1);
    volume.pr += area.pr / static_cast<double>(max_buffer + 1);
  }
  return volume;
}

std::optional<double> Affiliation::f1() const {
  if (precision + recall == 0) return std::nullopt;
  return 2 * precision * recall / (precision + recall);
}

std::optional<Affiliation> affiliation(std::span<const std::uint8_t> flags, std::span<const std::uint8_t> labels) {
  const auto events = intervals(labels), flagged = intervals(flags);
  if (events.empty() || flagged.empty()) return std::nullopt;
  const Interval whole{0, static_cast<double>(labels.size())};
  Affiliation out;
  double with_flags = 0;
  for (std::size_t j = 0; j < events.size(); ++j) {
    const Interval near = zone(events, j, whole);
    const auto here = clipped(flagged, near);
    if (here.empty()) continue;
    ++with_flags;
    out.precision += precision_of(here, events[j], near);
    out.recall += recall_of(here, events[j], near);
  }
  out.precision = with_flags > 0 ? out.precision / with_flags : 0;
  out.recall /= static_cast<double>(events.size());
  return out;
}

}  // namespace anomctl
