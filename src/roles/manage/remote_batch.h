// Rows of many assets whose windows go to a server together. A server that does not answer is asked again with growing
// pauses; after several failures in a row it is left alone for a while and then asked only whether it is ready. Rows
// wait meanwhile, none is lost. Private to manage. Thread rule: one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "anomctl/detection/replay.h"

#include "anomctl/io/net/backoff.h"
#include "anomctl/io/net/circuit_breaker.h"
#include "anomctl/io/openinference/client.h"
#include "roles/manage/waiting_row.h"

namespace anomctl::manage {

struct RemoteParts {
  // Throws Error.
  std::function<v2::RemoteScores(const Windows& windows)> judge;
  std::function<bool()> ready;
  // Waits; true when stopped.
  std::function<bool(Duration)> wait;
  const Clock* clock = &system_clock();
};

class RemoteBatch {
 public:
  // `bundle` as the server describes it.
  RemoteBatch(RemoteParts parts, std::shared_ptr<const Bundle> bundle, std::size_t windows);
  // As of ModelBatch. Throws Error when stopped while the server is away.
  void push(Detector& detector, const VerdictSink& sink, const Row& row);
  void flush();

 private:
  v2::RemoteScores ask();
  bool try_once(v2::RemoteScores& scores);
  Verdict judge(const WaitingRow& row, const v2::RemoteScores& scores, std::size_t at);

  RemoteParts parts_;
  std::shared_ptr<const Bundle> bundle_;
  std::vector<std::size_t> targets_;
  std::size_t windows_at_once_;
  Backoff backoff_;
  CircuitBreaker breaker_;
  std::string why_;  // the server's last failure
  std::vector<WaitingRow> waiting_;
  std::vector<double> windows_;        // (n, w + 1, k)
  std::vector<std::uint8_t> missing_;  // (n, k)
  std::size_t n_windows_ = 0;
  PanelParts panel_;  // of the row at hand
};

}  // namespace anomctl::manage
