// Rows of many assets whose windows go to a server together. A server that does not answer is asked again with growing
// pauses; after several failures in a row it is left alone for a while and then asked only whether it is ready. Rows
// wait meanwhile, none is lost. Private to manage. Thread rule: one thread.
#pragma once

#include <functional>
#include <stop_token>
#include <vector>

#include "anomctl/io/net/backoff.h"
#include "anomctl/io/net/circuit_breaker.h"
#include "anomctl/io/openinference/client.h"
#include "roles/manage/model_batch.h"

namespace anomctl::manage {

struct RemoteParts {
  // (n, w + 1, k) -> scores. Throws Error.
  std::function<v2::RemoteScores(std::span<const double> windows, std::size_t n)> judge;
  std::function<bool()> ready;
  // Waits; true when stopped.
  std::function<bool(Duration)> wait;
  const Clock* clock = &system_clock();
};

class RemoteBatch {
 public:
  RemoteBatch(RemoteParts parts, std::vector<std::size_t> targets, std::size_t windows);
  // As of ModelBatch. Throws Error when stopped while the server is away.
  void push(Detector& detector, const VerdictSink& sink, const Row& row);
  void flush();

 private:
  struct Waiting {
    Detector* detector;
    const VerdictSink* sink;
    bool has_window;
  };
  v2::RemoteScores ask();
  bool try_once(v2::RemoteScores& scores);

  RemoteParts parts_;
  std::vector<std::size_t> targets_;
  std::size_t windows_at_once_;
  Backoff backoff_;
  CircuitBreaker breaker_;
  std::string why_;  // the server's last failure
  std::vector<Waiting> waiting_;
  std::vector<double> windows_;  // (n, w + 1, k)
  std::size_t n_windows_ = 0;
};

}  // namespace anomctl::manage
