#include "roles/manage/row_judge.h"

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"

namespace anomctl::manage {

namespace {
constexpr int kPauseMs = 1000;
}

void RemoteJudge::push(const Row& row) {
  detector_.prepare(row);
  const auto rows = detector_.last_rows();
  has_window_.push_back(rows.has_value());
  if (rows) {
    windows_.insert(windows_.end(), rows->begin(), rows->end());
    ++n_windows_;
  }
  if (n_windows_ >= batch_ || has_window_.size() >= 16 * batch_) flush();
}

v2::RemoteScores RemoteJudge::ask() {
  for (bool told = false;; told = true) {
    try {
      return server_.judge(windows_, n_windows_, windows_.size() / n_windows_ / sensors_, sensors_);
    } catch (const Error& error) {
      if (stop_.stop_requested()) throw;
      if (!told) log_warning("{}; trying again", error.what());
    }
    wait_for_stop(stop_, kPauseMs);
  }
}

void RemoteJudge::flush() {
  if (has_window_.empty()) return;
  v2::RemoteScores scores;
  if (n_windows_ > 0) scores = ask();
  std::vector<double> contribution(targets_.size()), expected(targets_.size());
  std::size_t at = 0;
  for (const bool has_window : has_window_) {
    if (!has_window) {
      sink_(detector_.judge_contributions({}, {}));
      continue;
    }
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      contribution[i] = scores.contribution.row(at)[targets_[i]];
      expected[i] = scores.expected.row(at)[targets_[i]];
    }
    ++at;
    sink_(detector_.judge_contributions(contribution, expected));
  }
  windows_.clear();
  has_window_.clear();
  n_windows_ = 0;
}

}  // namespace anomctl::manage
