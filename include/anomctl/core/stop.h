// SIGINT and SIGTERM as a std::stop_token. The first signal asks for a clean end, a second one of the same kind ends at
// once. Thread rule: install once in main; the token may be used from any thread.
#pragma once

#include <stop_token>

namespace anomctl {

class StopSignal {
 public:
  // Blocks the two signals in this and all later threads and starts a thread that waits for them.
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  std::stop_token token() const;
  void request_stop();   // as if by program; received() stays 0
  int received() const;  // 0, SIGINT or SIGTERM
  // 130 after SIGINT, 143 after SIGTERM, else `otherwise`.
  int exit_code(int otherwise) const;

 private:
  struct State;
  State* state_;
};

// Waits until `stop` is requested or the time has passed; true when stopped.
bool wait_for_stop(std::stop_token stop, long long milliseconds);

}  // namespace anomctl
