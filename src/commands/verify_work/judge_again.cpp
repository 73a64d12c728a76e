#include "commands/verify_work/judge_again.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "anomctl/core/error.h"
#include "anomctl/model/instruction_set.h"
#include "anomctl/roles/manage.h"

namespace anomctl::verify_work {
namespace {

constexpr std::size_t kWindowsAtOnce = 64;
constexpr std::int64_t kMostMissing = 1'000'000'000'000;

std::string text_of(double value) { return std::isnan(value) ? "none" : fmt::format("{}", value); }

}  // namespace

std::int64_t Outcome::not_judged_rows() const {
  std::int64_t n = 0;
  for (const auto& [why, of_it] : not_judged) n += of_it;
  return n;
}

JudgeAgain::JudgeAgain(std::shared_ptr<const Bundle> bundle, const WindowModel& model, Nanoseconds from,
                       Outcome& outcome)
    : bundle_(std::move(bundle)),
      model_(model),
      from_(from),
      outcome_(outcome),
      here_(instruction_set()),
      why_not_("the store holds no state of the detector before them") {}

void JudgeAgain::push(StoredRow row) {
  if (row.time >= from_) ++outcome_.rows;
  row.place = std::max<std::int64_t>(0, row.place);  // altered ones may be any number
  const bool follows = row.place - place_ == 1 && same_layout(row);
  if (row.time >= from_ && place_ > 0 && row.place > place_ && row.place - place_ > 1)
    outcome_.missing = std::min(kMostMissing, outcome_.missing + std::min(kMostMissing, row.place - place_ - 1));
  if (!row.before.empty()) {
    begin(row, follows);
  } else if (detector_ && !follows) {
    close();
    why_not_ = "rows before them are missing in the store";
  }
  place_ = row.place;
  if (!detector_) return cannot(row, why_not_);
  if (row.values.empty()) {  // a verdict of silence
    judge_->flush();
    compare(row, detector_->silence(last_, row.time));
    detector_->take_episodes();
    return;
  }
  if (row.values.size() != bundle_->columns.size()) {
    note(row, "values", fmt::format("{} of them", row.values.size()),
         fmt::format("{} columns", bundle_->columns.size()));
    ++outcome_.altered_values;
    close();
    why_not_ = "a row before them has lost its values";
    return;
  }
  last_ = row.time;
  const Row next{row.time, row.values};
  waiting_.push_back(std::move(row));
  judge_->push(next);
}

bool JudgeAgain::same_layout(const StoredRow& row) const {
  return layout_ && (row.layout == layout_ || *row.layout == *layout_);
}

// Whether the row's detector can be made here; else says why not.
bool JudgeAgain::open(const StoredRow& row) {
  if (detector_ && same_layout(row)) return true;
  const StoredLayout& layout = *row.layout;
  close();
  layout_ = row.layout;
  if (layout.options.empty()) {
    why_not_ = "a server judged them";
    return false;
  }
  if (layout.bundle_hash != bundle_->hash) {
    why_not_ = fmt::format("another bundle judged them: {}, sha256 {}", layout.model, layout.bundle_hash);
    return false;
  }
  const bool same_sensors =
      std::equal(layout.columns.begin(), layout.columns.end(), bundle_->columns.begin(), bundle_->columns.end(),
                 [](const StoredColumn& a, const Column& b) { return a.name == b.name && a.unit == b.unit; });
  if (!same_sensors) {
    note(row, "sensors", "other names or units", "those of the bundle");
    if (row.time >= from_) ++outcome_.damaged_states;
    why_not_ = "the store names other sensors than the bundle that judged them";
    return false;
  }
  auto bundle = std::make_shared<Bundle>(*bundle_);
  bundle->name = layout.model;  // a registered model is judged by under its version's name
  DetectorOptions options = detector_options_from_json(Json::parse(layout.options, "the store, options"));
  options.asset = row.asset;
  detector_ = std::make_unique<Detector>(std::move(bundle), nullptr, std::move(options));
  judge_ = std::make_unique<BatchJudge>(*detector_, model_, kWindowsAtOnce,
                                        [this](std::size_t, const Verdict& verdict, const RowScore&) {
                                          const StoredRow judged = std::move(waiting_.front());
                                          waiting_.pop_front();
                                          compare(judged, verdict);
                                          detector_->take_episodes();
                                        });
  exact_ = layout.instruction_set == here_;
  return true;
}

void JudgeAgain::begin(const StoredRow& row, bool follows) {
  if (judge_) judge_->flush();
  const std::string led_to = detector_ && follows && exact_ ? detector_->snapshot() : std::string();
  if (!open(row)) return;
  try {
    const StateBefore before = read_state_before(row.before);
    detector_->restore(before.snapshot);
    // An altered row before it is told by itself.
    if (!led_to.empty() && led_to != before.snapshot && !altered_) {
      note(row, "before", "a state of the detector", "another by the rows before it");
      if (row.time >= from_) ++outcome_.damaged_states;
    }
    last_ = before.last;
    altered_ = unsure_ = false;
  } catch (const Error& error) {
    note(row, "before", error.what(), "a state of the detector");
    ++outcome_.damaged_states;
    close();
    why_not_ = "the state of the detector before them is damaged";
  }
}

void JudgeAgain::close() {
  if (judge_) judge_->flush();
  judge_.reset();
  detector_.reset();
  waiting_.clear();
}

void JudgeAgain::cannot(const StoredRow& row, const std::string& why) {
  if (row.time >= from_) ++outcome_.not_judged[why];
}

void JudgeAgain::note(const StoredRow& row, const char* what, std::string stored, std::string again) {
  if (row.time < from_ || outcome_.differences.size() >= kMostDifferences) return;
  outcome_.differences.push_back({row.asset, row.time, row.id, what, std::move(stored), std::move(again), altered_});
}

bool JudgeAgain::same(double stored, double again) {
  if (std::bit_cast<std::uint64_t>(stored) == std::bit_cast<std::uint64_t>(again)) return true;
  if (std::isnan(stored) && std::isnan(again)) return true;
  bitwise_ = false;
  return !exact_ && std::abs(stored - again) <= kAcrossInstructionSets * std::max(1.0, std::abs(again));
}

bool JudgeAgain::same_expected(const StoredRow& row) {
  expected_.clear();
  if (!row.values.empty()) expected_by_column(*bundle_, detector_->last_score(), expected_);
  if (expected_.size() != row.expected.size()) return false;
  bool all = true;
  for (std::size_t i = 0; i < expected_.size(); ++i)
    all &= same(row.expected[i], static_cast<double>(static_cast<float>(expected_[i])));
  return all;
}

void JudgeAgain::compare(const StoredRow& row, const Verdict& verdict) {
  if (verdict.id != row.id) {  // the id is made of asset, time and values
    note(row, "values", row.id, verdict.id);
    altered_ = true;
    if (row.time >= from_) ++outcome_.judged, ++outcome_.altered_values;
    return;
  }
  bitwise_ = true;
  const char* what = nullptr;
  std::string stored, again;
  const auto differs = [&](const char* field, std::string was, std::string is) {
    if (what != nullptr) return;
    what = field;
    stored = std::move(was);
    again = std::move(is);
  };
  if (!same(row.score, verdict.score)) differs("score", text_of(row.score), text_of(verdict.score));
  // The limit is no result: it has to be the same everywhere.
  if (std::bit_cast<std::uint64_t>(row.threshold) != std::bit_cast<std::uint64_t>(verdict.threshold) &&
      !(std::isnan(row.threshold) && std::isnan(verdict.threshold)))
    differs("threshold", text_of(row.threshold), text_of(verdict.threshold));
  const bool near_limit = !exact_ && std::abs(verdict.score - verdict.threshold) <=
                                         kAcrossInstructionSets * std::max(1.0, std::abs(verdict.threshold));
  unsure_ |= near_limit;  // an episode may have opened there and not here, and what follows belongs to it
  if (!unsure_) {
    const bool muted = row.state == "muted";
    if (row.is_anomaly != verdict.is_anomaly)
      differs("is_anomaly", fmt::format("{}", row.is_anomaly), fmt::format("{}", verdict.is_anomaly));
    if (row.episode != verdict.episode) differs("episode", row.episode, verdict.episode);
    if (!muted && row.state != to_string(verdict.state)) differs("state", row.state, to_string(verdict.state));
    // Reasons carry figures with few digits, which another instruction set may round the other way.
    const std::string reason = !muted && verdict.state == State::normal ? std::string() : verdict.reason;
    if (exact_ && (muted ? !row.reason.ends_with(": " + reason) : row.reason != reason))
      differs("reason", row.reason, reason);
  }
  if (!same_expected(row)) differs("expected", "", "");
  if (what != nullptr) note(row, what, std::move(stored), std::move(again));
  if (row.time < from_) return;
  ++outcome_.judged;
  outcome_.at_limit += near_limit;
  if (what != nullptr)
    ++outcome_.differ;
  else
    ++(bitwise_ ? outcome_.equal : outcome_.within);
}

}  // namespace anomctl::verify_work
