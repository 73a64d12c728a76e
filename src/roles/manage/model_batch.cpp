#include "roles/manage/model_batch.h"

namespace anomctl::manage {

void ModelBatch::push(Detector& detector, const VerdictSink& sink, const Row& row) {
  const auto window = detector.prepare(row);
  waiting_.push_back({&detector, &sink, window.has_value()});
  if (window) {
    windows_.insert(windows_.end(), window->begin(), window->end());
    ++n_windows_;
  }
  if (batch_is_full(waiting_.size(), n_windows_, windows_at_once_)) flush();
}

void ModelBatch::flush() {
  if (n_windows_ > 0) model_->expect(windows_, n_windows_, expectation_);
  std::size_t at = 0;
  for (const WaitingRow& row : waiting_) {
    const Verdict verdict =
        row.has_window ? row.detector->judge(expectation_.forecast.row(at), expectation_.reconstruction.row(at))
                       : row.detector->judge({}, {});
    at += row.has_window;
    (*row.sink)(verdict);
  }
  waiting_.clear();
  windows_.clear();
  n_windows_ = 0;
}

}  // namespace anomctl::manage
