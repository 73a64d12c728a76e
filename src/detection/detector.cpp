#include "anomctl/detection/detector.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "anomctl/core/files.h"
#include "anomctl/detection/attribution.h"
#include "detection/detector_state.h"

namespace anomctl {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::string verdict_id(const std::string& asset, Nanoseconds time, const std::vector<double>& values) {
  std::string bytes = asset;
  bytes += '\n';
  bytes.append(reinterpret_cast<const char*>(&time), sizeof(time));
  for (const double v : values) {
    const double value = std::isfinite(v) ? v : kNaN;
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return sha256_hex(bytes).substr(0, 32);
}

}  // namespace

void expected_by_column(const Bundle& bundle, const RowScore& score, std::vector<double>& expected) {
  expected.clear();
  if (!score.scored || score.expected.empty()) return;
  if (score.expected.size() == bundle.columns.size()) {
    expected = score.expected;
    return;
  }
  expected.assign(bundle.columns.size(), kNaN);
  const std::vector<std::size_t> targets = bundle.targets();
  for (std::size_t i = 0; i < score.expected.size(); ++i) expected[targets[i]] = score.expected[i];
}

void Detector::State::take_oldest(const PanelParts* parts) {
  if (prepared.empty()) throw std::logic_error("judge needs a prepared row");
  spare.push_back(std::move(current));
  current = std::move(prepared.front());
  prepared.pop_front();
  ++counts.rows;
  counts.gaps += current.gap ? 1 : 0;
  counts.idle += current.idle ? 1 : 0;
  for (const std::uint8_t m : current.missing) counts.missing_cells += m;
  if (current.fresh) {
    smoothing.restart();
    if (panel) panel->restart();
    if (memory) memory->restart();
    episodes.restart(events);
  }
  counts.fault_rows += current.faults.empty() ? 0 : 1;
  faults.push(current.time, current.faults, events);
  for (std::size_t i = 0; i < targets.size(); ++i) missing[i] = current.missing[targets[i]];
  score.scored = false;
  score.raw = score.total = kNaN;
  score.members.fill(kNaN);
  score.forecast.clear();
  score.reconstruction.clear();
  score.actual.resize(targets.size());
  for (std::size_t i = 0; i < targets.size(); ++i) score.actual[i] = current.scaled[targets[i]];
  has_opinion = false;
  if (current.filled == 0) return;
  for (const SensorFault& fault : current.faults) {
    if (fault.column == SensorFault::kClock) continue;
    if (panel) panel->forget(fault.column);
    if (memory) memory->forget(fault.column);
  }
  if (panel) has_opinion = panel->push(current.held, current.missing, opinion);
  if (!memory) return;
  if (parts == nullptr) throw std::logic_error("this row needs its parts of the panel");
  has_opinion = memory->push(*parts, current.missing, opinion);
}

Verdict Detector::State::conclude(bool has_contributions) {
  Verdict verdict;
  verdict.id = verdict_id(options.asset, current.time, current.raw);
  verdict.time = current.time;
  verdict.score = kNaN;
  verdict.threshold = limit.value_or(kNaN);
  verdict.model = bundle->name;
  if (has_contributions) score.raw = total_score(bundle->score, score.per_sensor);
  if (has_panel() ? !has_opinion : !std::isfinite(score.raw)) {
    verdict.state = current.idle              ? anomctl::State::idle
                    : !current.faults.empty() ? anomctl::State::sensor_fault
                    : current.all_missing     ? anomctl::State::no_data
                                              : anomctl::State::warmup;
    if (!current.fresh) verdict.episode = episodes.current_id();
  } else if (has_panel()) {
    conclude_with_panel(verdict);
  } else {
    smoothing.push(score.raw, score.per_sensor);
    score.scored = true;
    score.total = verdict.score = score.members.back() = smoothing.total();
    ++counts.scored;
    verdict.causes =
        strongest_causes({smoothing.contribution(), score.expected, current.values, targets}, bundle->columns);
    apply_limit(verdict);
  }
  verdict.reason = reason(verdict);
  if (verdict.state != anomctl::State::no_data)
    faults.heard(current.time, events);
  else if (options.faults.enabled && current.longest_hold > options.max_hold_rows)
    faults.silence(current.time, current.time, verdict.reason, events);
  return verdict;
}

void Detector::State::conclude_with_panel(Verdict& verdict) {
  double fused = opinion.score;
  std::copy(opinion.surprise.begin(), opinion.surprise.end(), score.members.begin());
  if (bundle->panel_voices()->voice > 0) score.members[kPanelMembers] = opinion.network_surprise;
  if (std::isfinite(score.raw)) {
    smoothing.push(score.raw, score.per_sensor);
    score.members.back() = smoothing.total();
    const double voice = bundle->network_voice;
    fused = (1 - voice) * fused + voice * bundle->network_tail.surprise(smoothing.total());
  }
  score.scored = true;
  score.raw = score.total = verdict.score = fused;
  score.per_sensor.resize(all_sensors.size());
  for (std::size_t i = 0; i < all_sensors.size(); ++i) score.per_sensor[i] = fused * opinion.share[i];
  score.expected = opinion.expected;
  ++counts.scored;
  verdict.causes = strongest_causes({score.per_sensor, score.expected, current.values, all_sensors}, bundle->columns);
  apply_limit(verdict);
}

void Detector::State::apply_limit(Verdict& verdict) {
  verdict.state = anomctl::State::normal;
  if (limit) {
    verdict.is_anomaly = verdict.score >= *limit;
    counts.anomalous += verdict.is_anomaly ? 1 : 0;
    verdict.state = episodes.push({verdict.time, verdict.score, *limit, &verdict.causes}, events);
    verdict.episode = episodes.current_id();
  }
  if (verdict.state == anomctl::State::normal &&
      (!current.faults.empty() || current.longest_hold > options.max_hold_rows))
    verdict.state = anomctl::State::sensor_fault;
}

std::string Detector::State::reason(const Verdict& verdict) const {
  switch (verdict.state) {
    case anomctl::State::warmup:
      return fmt::format("warming up: {} of {} rows", current.filled,
                         has_panel() ? bundle->panel_voices()->warm_up + 1
                                     : static_cast<std::size_t>(bundle->settings.window_size) + 1);
    case anomctl::State::idle:
      return fmt::format("idle: not judged unless {}", options.active_when.value_or(bundle->active_when));
    case anomctl::State::no_data:
      return fmt::format("no sensor has given a value for {} rows", current.longest_hold);
    case anomctl::State::sensor_fault:
      if (!current.faults.empty()) return faults.describe(current.faults.front());
      return fmt::format("{} has given no value for {} rows", bundle->columns[current.held_sensor].name,
                         current.longest_hold);
    case anomctl::State::closed:
      return "the episode is over";
    default:
      break;
  }
  const std::string causes = describe_causes(verdict.causes);
  if (!limit || verdict.is_anomaly) return causes.empty() ? "no sensor stands out" : causes;
  return "within the limit";
}

Detector::Detector(std::shared_ptr<const Bundle> bundle, std::shared_ptr<const WindowModel> model,
                   DetectorOptions options)
    : state_(std::make_unique<State>(std::move(bundle), std::move(model), std::move(options))) {}
Detector::~Detector() = default;
Detector::Detector(Detector&&) noexcept = default;
Detector& Detector::operator=(Detector&&) noexcept = default;

Verdict Detector::push(const Row& row) {
  State& s = *state_;
  const auto window = prepare(row);
  if (!window) return judge({}, {});
  s.model->expect(*window, 1, s.expectation);
  return judge(s.expectation.forecast.row(0), s.expectation.reconstruction.row(0));
}

std::optional<std::span<const float>> Detector::prepare(const Row& row) {
  State& s = *state_;
  if (row.values.size() != s.bundle->columns.size()) {
    throw std::logic_error(
        fmt::format("a row of {} values for {} columns", row.values.size(), s.bundle->columns.size()));
  }
  if (s.spare.empty()) s.spare.emplace_back();
  s.prepared.push_back(std::move(s.spare.back()));
  s.spare.pop_back();
  const auto window = s.intake.push(row, s.prepared.back());
  if (s.bundle->runs_network()) return window;
  s.prepared.back().has_window = false;
  return std::nullopt;
}

Verdict Detector::judge(std::span<const float> forecast, std::span<const float> reconstruction) {
  State& s = *state_;
  s.take_oldest(nullptr);
  if (!s.current.has_window) return s.conclude(false);
  if (forecast.size() != s.targets.size() || reconstruction.size() != s.targets.size()) {
    throw std::logic_error(fmt::format("model outputs of {} and {} sensors, {} are predicted", forecast.size(),
                                       reconstruction.size(), s.targets.size()));
  }
  const bool complete = s.complete();
  if (complete) {
    RowScore& score = s.score;
    score.forecast = s.forecast;
    score.reconstruction.assign(reconstruction.begin(), reconstruction.end());
    score.per_sensor.resize(s.targets.size());
    contributions(s.bundle->score, score.forecast, score.reconstruction, score.actual, s.missing, score.per_sensor);
    score.expected =
        expected_values(s.bundle->score.gamma, score.forecast, score.reconstruction, s.bundle->scaler, s.targets);
  }
  s.forecast.assign(forecast.begin(), forecast.end());
  return s.conclude(complete);
}

std::optional<Detector::Elsewhere> Detector::window_elsewhere() {
  State& s = *state_;
  const std::size_t wanted = window() + 1;
  if (s.prepared.empty() || s.prepared.back().filled == 0) return std::nullopt;
  const std::vector<std::uint8_t>& missing = s.prepared.back().missing;
  const std::span<const double> rows = s.intake.last_rows();
  const std::size_t k = s.bundle->columns.size();
  if (rows.size() == wanted * k) return Elsewhere{rows, missing};
  if (!s.memory) return std::nullopt;
  s.padded.clear();
  for (std::size_t n = rows.size() / k; n < wanted; ++n)
    s.padded.insert(s.padded.end(), rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(k));
  s.padded.insert(s.padded.end(), rows.begin(), rows.end());
  return Elsewhere{s.padded, missing};
}

Verdict Detector::judge_elsewhere(const Opinion& opinion) {
  State& s = *state_;
  s.take_oldest(opinion.parts);
  const bool wanted = !s.memory || s.bundle->network_voice > 0;
  const bool usable = wanted && s.complete() && opinion.contribution.size() == s.targets.size() &&
                      opinion.expected.size() == s.targets.size();
  if (usable) {
    s.score.per_sensor.assign(opinion.contribution.begin(), opinion.contribution.end());
    s.score.expected.assign(opinion.expected.begin(), opinion.expected.end());
    for (std::size_t i = 0; i < s.targets.size(); ++i) {
      if (s.missing[i] != 0) s.score.per_sensor[i] = kNaN;
    }
  }
  return s.conclude(usable);
}

Verdict Detector::silence(Nanoseconds last, Nanoseconds time) {
  State& s = *state_;
  if (!s.prepared.empty()) throw std::logic_error("silence needs every prepared row judged");
  Verdict verdict;
  verdict.id = verdict_id(s.options.asset + "\nsilence", time, {});
  verdict.time = time;
  verdict.score = kNaN;
  verdict.threshold = s.limit.value_or(kNaN);
  verdict.state = anomctl::State::no_data;
  verdict.model = s.bundle->name;
  verdict.reason = fmt::format("no reading for {} since {}", format_duration({time - last}), format_stamp(last));
  s.faults.silence(last, time, verdict.reason, s.events);
  return verdict;
}

void Detector::acknowledge() { state_->episodes.acknowledge(); }

const RowScore& Detector::last_score() const { return state_->score; }
std::span<const double> Detector::last_values() const { return state_->current.raw; }
std::vector<Episode> Detector::take_episodes() { return std::exchange(state_->events, {}); }
const DetectorCounts& Detector::counts() const { return state_->counts; }
const DetectorOptions& Detector::options() const { return state_->options; }
bool Detector::has_prepared() const { return !state_->prepared.empty(); }
std::optional<double> Detector::threshold() const { return state_->limit; }
std::size_t Detector::window() const { return static_cast<std::size_t>(state_->bundle->settings.window_size); }
void Detector::restart() { state_->intake.restart(); }

}  // namespace anomctl
