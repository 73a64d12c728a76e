#include "roles/generate/disturbance.h"

#include <utility>

namespace anomctl {

Disturbance::Disturbance(const DisturbanceSettings& settings, std::uint64_t stream)
    : settings_(settings),
      quiet_(settings.drop == 0 && settings.duplicate == 0 && settings.late == 0 && settings.disorder == 0),
      random_(settings.seed * 0x9E3779B97F4A7C15ULL + stream) {}

std::vector<std::string> Disturbance::push(std::string message) {
  std::vector<std::string> out;
  if (quiet_) {
    out.push_back(std::move(message));
    return out;
  }
  for (; !late_messages_.empty() && late_messages_.front().due <= number_; late_messages_.pop_front())
    out.push_back(std::move(late_messages_.front().message));
  ++number_;
  // All chances are drawn for every message, so that one share does not change what another one hits.
  const bool drop = chance(settings_.drop), twice = chance(settings_.duplicate), late = chance(settings_.late),
             swap = chance(settings_.disorder);
  if (drop) {
    ++dropped_;
    return out;
  }
  if (late) {
    ++late_;
    late_messages_.push_back({number_ + settings_.late_rows - 1, std::move(message)});
    return out;
  }
  if (swap && swapped_.empty()) {
    ++disordered_;
    swapped_.push_back(std::move(message));
    return out;
  }
  if (twice) {
    ++duplicated_;
    out.push_back(message);
  }
  out.push_back(std::move(message));
  for (std::string& waiting : swapped_) out.push_back(std::move(waiting));
  swapped_.clear();
  return out;
}

std::vector<std::string> Disturbance::finish() {
  std::vector<std::string> out = std::exchange(swapped_, {});
  for (Waiting& waiting : late_messages_) out.push_back(std::move(waiting.message));
  late_messages_.clear();
  return out;
}

}  // namespace anomctl
