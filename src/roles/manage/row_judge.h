// Who judges the rows of one asset: the model at hand, or a server. Private to manage. Thread rule: one thread an
// object.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include "anomctl/detection/detector.h"
#include "anomctl/io/openinference/client.h"
#include "roles/manage/model_batch.h"

namespace anomctl::manage {

class RowJudge {
 public:
  virtual ~RowJudge() = default;
  // The verdict comes to the sink by the next flush.
  virtual void push(const Row& row) = 0;
  virtual void flush() = 0;
};

class LocalJudge : public RowJudge {
 public:
  LocalJudge(Detector& detector, ModelBatch& batch, VerdictSink sink)
      : detector_(detector), batch_(batch), sink_(std::move(sink)) {}
  void push(const Row& row) override { batch_.push(detector_, sink_, row); }
  void flush() override { batch_.flush(); }  // also those of other assets

 private:
  Detector& detector_;
  ModelBatch& batch_;
  VerdictSink sink_;
};

// Asks until the server answers or `stop` comes: rows wait meanwhile, none is lost.
class RemoteJudge : public RowJudge {
 public:
  RemoteJudge(Detector& detector, v2::Client& server, std::vector<std::size_t> targets, std::size_t sensors,
              std::size_t batch, VerdictSink sink, std::stop_token stop)
      : detector_(detector),
        server_(server),
        targets_(std::move(targets)),
        sensors_(sensors),
        batch_(batch),
        sink_(std::move(sink)),
        stop_(std::move(stop)) {}
  void push(const Row& row) override;
  void flush() override;

 private:
  v2::RemoteScores ask();

  Detector& detector_;
  v2::Client& server_;
  std::vector<std::size_t> targets_;
  std::size_t sensors_, batch_;
  VerdictSink sink_;
  std::stop_token stop_;
  std::vector<double> windows_;  // (n, w + 1, k)
  std::vector<bool> has_window_;
  std::size_t n_windows_ = 0;
};

}  // namespace anomctl::manage
