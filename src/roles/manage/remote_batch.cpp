#include "roles/manage/remote_batch.h"

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"

namespace anomctl::manage {
namespace {

constexpr Duration kFirstPause = milliseconds(200), kLongestPause = seconds(10), kLeftAlone = seconds(10);
constexpr int kFailures = 5;

}  // namespace

RemoteBatch::RemoteBatch(RemoteParts parts, std::vector<std::size_t> targets, std::size_t windows)
    : parts_(std::move(parts)),
      targets_(std::move(targets)),
      windows_at_once_(windows),
      backoff_(kFirstPause, kLongestPause),
      breaker_(kFailures, kLeftAlone) {}

void RemoteBatch::push(Detector& detector, const VerdictSink& sink, const Row& row) {
  detector.prepare(row);
  const auto rows = detector.last_rows();
  waiting_.push_back({&detector, &sink, rows.has_value()});
  if (rows) {
    windows_.insert(windows_.end(), rows->begin(), rows->end());
    ++n_windows_;
  }
  if (n_windows_ >= windows_at_once_ || waiting_.size() >= 16 * windows_at_once_) flush();
}

bool RemoteBatch::try_once(v2::RemoteScores& scores) {
  const bool careful = breaker_.state(parts_.clock->steady()) == CircuitBreaker::State::half_open;
  if (careful && !parts_.ready()) {
    why_ = "it is not ready";
    return false;
  }
  try {
    scores = parts_.judge(windows_, n_windows_);
    return true;
  } catch (const Error& error) {
    why_ = error.what();
    return false;
  }
}

v2::RemoteScores RemoteBatch::ask() {
  v2::RemoteScores scores;
  for (bool told = false;; told = true) {
    const Nanoseconds now = parts_.clock->steady();
    if (breaker_.state(now) != CircuitBreaker::State::open) {
      if (try_once(scores)) {
        if (told) log_info("the server answers again");
        breaker_.succeeded();
        backoff_.reset();
        return scores;
      }
      if (breaker_.failed(parts_.clock->steady()))
        log_warning("the server failed {} times in a row ({}): it is left alone for {} at a time", kFailures, why_,
                    format_duration(kLeftAlone));
      else if (!told)
        log_warning("{}; trying again", why_);
    }
    const bool open = breaker_.state(parts_.clock->steady()) == CircuitBreaker::State::open;
    const Duration pause = open ? Duration{breaker_.until() - parts_.clock->steady()} : backoff_.next();
    if (parts_.wait(pause)) throw unreachable_error("stopped while the server was away: " + why_);
  }
}

void RemoteBatch::flush() {
  if (waiting_.empty()) return;
  v2::RemoteScores scores;
  if (n_windows_ > 0) scores = ask();
  std::vector<double> contribution(targets_.size()), expected(targets_.size());
  std::size_t at = 0;
  for (const Waiting& row : waiting_) {
    if (!row.has_window) {
      (*row.sink)(row.detector->judge_contributions({}, {}));
      continue;
    }
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      contribution[i] = scores.contribution.row(at)[targets_[i]];
      expected[i] = scores.expected.row(at)[targets_[i]];
    }
    ++at;
    (*row.sink)(row.detector->judge_contributions(contribution, expected));
  }
  waiting_.clear();
  windows_.clear();
  n_windows_ = 0;
}

}  // namespace anomctl::manage
