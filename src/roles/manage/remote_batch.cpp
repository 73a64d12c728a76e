#include "roles/manage/remote_batch.h"

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"

namespace anomctl::manage {
namespace {

constexpr Duration kFirstPause = milliseconds(200), kLongestPause = seconds(10), kLeftAlone = seconds(10);
constexpr int kFailures = 5;

}  // namespace

RemoteBatch::RemoteBatch(RemoteParts parts, std::shared_ptr<const Bundle> bundle, std::size_t windows)
    : parts_(std::move(parts)),
      bundle_(std::move(bundle)),
      targets_(bundle_->targets()),
      windows_at_once_(windows),
      backoff_(kFirstPause, kLongestPause),
      breaker_(kFailures, kLeftAlone) {}

void RemoteBatch::push(Detector& detector, const VerdictSink& sink, const Row& row) {
  detector.prepare(row);
  const auto window = detector.window_elsewhere();
  waiting_.push_back({&detector, &sink, window.has_value()});
  if (window) {
    windows_.insert(windows_.end(), window->rows.begin(), window->rows.end());
    missing_.insert(missing_.end(), window->missing.begin(), window->missing.end());
    ++n_windows_;
  }
  if (batch_is_full(waiting_.size(), n_windows_, windows_at_once_)) flush();
}

bool RemoteBatch::try_once(v2::RemoteScores& scores) {
  const bool careful = breaker_.state(parts_.clock->steady()) == CircuitBreaker::State::half_open;
  if (careful && !parts_.ready()) {
    why_ = "it is not ready";
    return false;
  }
  try {
    scores = parts_.judge({n_windows_, windows_, missing_});
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

// `at`: its window among those of the batch.
Verdict RemoteBatch::judge(const WaitingRow& row, const v2::RemoteScores& scores, std::size_t at) {
  if (!row.has_window) return row.detector->judge_elsewhere({});
  const std::size_t k = bundle_->columns.size();
  const auto member = [&](MemberPart part) {
    return scores.members.row(at).subspan(static_cast<std::size_t>(part) * k, k);
  };
  const auto copy = [](std::vector<double>& to, std::span<const double> from) { to.assign(from.begin(), from.end()); };
  const bool with_panel = bundle_->voices != nullptr;
  if (with_panel) {
    copy(panel_.z, member(MemberPart::z));
    copy(panel_.relation, member(MemberPart::relation));
    copy(panel_.var, member(MemberPart::var));
    copy(panel_.network, member(MemberPart::network));
    copy(panel_.expected, scores.expected.row(at));
  }
  const auto parts = with_panel ? member(MemberPart::contribution) : scores.contribution.row(at);
  std::vector<double> contribution, expected;
  for (const std::size_t target : targets_) {
    contribution.push_back(parts[target]);
    expected.push_back(scores.expected(at, target));
  }
  return row.detector->judge_elsewhere({contribution, expected, with_panel ? &panel_ : nullptr});
}

void RemoteBatch::flush() {
  if (waiting_.empty()) return;
  v2::RemoteScores scores;
  if (n_windows_ > 0) scores = ask();
  std::size_t at = 0;
  for (const WaitingRow& row : waiting_) {
    const Verdict verdict = judge(row, scores, at);
    at += row.has_window;
    (*row.sink)(verdict);
  }
  waiting_.clear();
  windows_.clear();
  missing_.clear();
  n_windows_ = 0;
}

}  // namespace anomctl::manage
