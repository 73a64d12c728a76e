// Who judges the rows of one asset: the model at hand, or a server. Private to manage. Thread rule: one thread an
// object.
#pragma once

#include "roles/manage/model_batch.h"
#include "roles/manage/remote_batch.h"

namespace anomctl::manage {

class RowJudge {
 public:
  virtual ~RowJudge() = default;
  // The verdict comes to the sink by the next flush.
  virtual void push(const Row& row) = 0;
  virtual void flush() = 0;  // also those of other assets
};

template <class Batch>
class BatchedJudge : public RowJudge {
 public:
  BatchedJudge(Detector& detector, Batch& batch, VerdictSink sink)
      : detector_(detector), batch_(batch), sink_(std::move(sink)) {}
  void push(const Row& row) override { batch_.push(detector_, sink_, row); }
  void flush() override { batch_.flush(); }

 private:
  Detector& detector_;
  Batch& batch_;
  VerdictSink sink_;
};

}  // namespace anomctl::manage
