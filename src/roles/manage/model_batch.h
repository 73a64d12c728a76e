// Rows of many assets whose windows go through the model together. Private to manage. Thread rule: one thread.
#pragma once

#include <vector>

#include "roles/manage/waiting_row.h"

namespace anomctl::manage {

class ModelBatch {
 public:
  // Requires: the model outlives this; detectors and sinks that are pushed live until the next flush.
  ModelBatch(const WindowModel& model, std::size_t windows) : model_(&model), windows_at_once_(windows) {}
  // Requires: flushed.
  void use(const WindowModel& model) { model_ = &model; }
  // The verdict comes to the sink by the next flush, in the order of the pushes.
  void push(Detector& detector, const VerdictSink& sink, const Row& row);
  void flush();

 private:
  const WindowModel* model_;
  std::size_t windows_at_once_;
  std::vector<WaitingRow> waiting_;
  std::vector<float> windows_;  // (n, w, k)
  std::size_t n_windows_ = 0;
  Expectation expectation_;
};

}  // namespace anomctl::manage
