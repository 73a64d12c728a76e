// Detector::snapshot and restore: a line that names the version, what it belongs to, the numbers, and a checksum over
// all of it.
#include <string>

#include "anomctl/core/error.h"
#include "anomctl/core/files.h"
#include "anomctl/core/state_bytes.h"
#include "anomctl/detection/detector.h"
#include "detection/detector_state.h"

namespace anomctl {
namespace {

constexpr std::string_view kMagic = "anomctl detector 3\n";
constexpr std::size_t kChecksum = 16;  // hex characters

void write_tracker(StateWriter& out, const EpisodeTracker::Numbers& numbers) {
  out.number(static_cast<std::uint8_t>(numbers.open));
  out.number(static_cast<std::uint8_t>(numbers.acknowledged));
  out.number(numbers.over);
  out.number(numbers.under);
  write_episode(out, numbers.episode);
}

EpisodeTracker::Numbers read_tracker(StateReader& in) {
  EpisodeTracker::Numbers numbers;
  numbers.open = in.flag();
  numbers.acknowledged = in.flag();
  numbers.over = in.number<std::int64_t>();
  numbers.under = in.number<std::int64_t>();
  numbers.episode = read_episode(in);
  return numbers;
}

}  // namespace

std::string belongs_to(const Bundle& bundle, const std::string& asset) {
  std::string text = asset + "\n" + bundle.kind;
  for (const Column& column : bundle.columns) text += "\n" + column.name;
  text += bundle.scaler.to_json().dump() + bundle.settings.to_json().dump() + bundle.score.to_json().dump();
  if (bundle.panel != nullptr) text += bundle.panel->to_json().dump();
  if (bundle.voices != nullptr) text += "elsewhere" + bundle.voices->to_json().dump();
  return sha256_hex(text).substr(0, kChecksum);
}

void write_episode(StateWriter& out, const Episode& e) {
  for (const std::int64_t n : {e.start, e.end, e.peak_time, e.rows}) out.number(n);
  out.number(e.peak);
  out.number(e.threshold);
  for (const std::string* text : {&e.id, &e.kind, &e.fault, &e.asset, &e.reason, &e.model}) out.text(*text);
  out.number(static_cast<std::uint8_t>(e.causes.size()));
  for (const Cause& cause : e.causes) {
    out.text(cause.sensor);
    out.text(cause.unit);
    for (const double v : {cause.share, cause.expected, cause.actual}) out.number(v);
  }
}

Episode read_episode(StateReader& in) {
  Episode e;
  for (std::int64_t* n : {&e.start, &e.end, &e.peak_time, &e.rows}) *n = in.number<std::int64_t>();
  e.peak = in.number<double>();
  e.threshold = in.number<double>();
  for (std::string* text : {&e.id, &e.kind, &e.fault, &e.asset, &e.reason, &e.model}) *text = in.text();
  e.causes.resize(in.number<std::uint8_t>());
  for (Cause& cause : e.causes) {
    cause.sensor = in.text();
    cause.unit = in.text();
    for (double* v : {&cause.share, &cause.expected, &cause.actual}) *v = in.number<double>();
  }
  return e;
}

std::string Detector::snapshot() const {
  const State& s = *state_;
  StateWriter out;
  out.text(belongs_to(*s.bundle, s.options.asset));
  s.intake.write(out);
  out.list(s.forecast);
  const Smoothing::Numbers smoothing = s.smoothing.numbers();
  out.number(smoothing.total);
  out.number(smoothing.weight);
  out.list(smoothing.contribution);
  out.list(s.panel_state());
  write_tracker(out, s.episodes.numbers());
  s.faults.write(out);
  const DetectorCounts& c = s.counts;
  for (const std::int64_t n : {c.rows, c.scored, c.anomalous, c.idle, c.gaps, c.missing_cells, c.fault_rows})
    out.number(n);
  std::string bytes(kMagic);
  bytes += out.bytes();
  return bytes + sha256_hex(bytes).substr(0, kChecksum);
}

void Detector::restore(const std::string& snapshot) {
  auto fresh = std::make_unique<State>(state_->bundle, state_->model, state_->options);
  State& s = *fresh;
  std::string_view bytes = snapshot;
  try {
    if (!bytes.starts_with(kMagic)) throw input_error("this is no snapshot of a detector, or of another version");
    if (bytes.size() < kMagic.size() + kChecksum ||
        sha256_hex(bytes.substr(0, bytes.size() - kChecksum)).substr(0, kChecksum) !=
            bytes.substr(bytes.size() - kChecksum)) {
      throw input_error("the snapshot is damaged");
    }
    bytes.remove_prefix(kMagic.size());
    bytes.remove_suffix(kChecksum);
    StateReader in(bytes);
    if (in.text() != belongs_to(*s.bundle, s.options.asset))
      throw input_error("the snapshot is of another bundle or asset");
    s.intake.read(in);
    s.forecast = in.list<float>(s.targets.size());
    Smoothing::Numbers smoothing;
    smoothing.total = in.number<double>();
    smoothing.weight = in.number<double>();
    smoothing.contribution = in.list<double>(s.targets.size());
    s.smoothing.restore(smoothing);
    const std::vector<double> panel = in.list<double>(s.panel_state().size());
    if (s.panel) s.panel->restore(panel);
    if (s.memory) s.memory->restore(panel);
    s.episodes.restore(read_tracker(in));
    s.faults.read(in);
    DetectorCounts& c = s.counts;
    for (std::int64_t* n : {&c.rows, &c.scored, &c.anomalous, &c.idle, &c.gaps, &c.missing_cells, &c.fault_rows})
      *n = in.number<std::int64_t>();
    if (!in.empty()) throw input_error("the snapshot holds more than it should");
  } catch (const Error&) {
    state_ = std::make_unique<State>(state_->bundle, state_->model, state_->options);
    throw;
  }
  state_ = std::move(fresh);
}

}  // namespace anomctl
