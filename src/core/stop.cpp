#include "anomctl/core/stop.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace anomctl {
namespace {
// Ends the waiting thread when no signal came.
constexpr int kWakeSignal = SIGUSR2;
}  // namespace

struct StopSignal::State {
  std::stop_source source;
  std::atomic<int> received{0};
  std::atomic<bool> ending{false};
  sigset_t signals{};
  std::thread waiter;
};

StopSignal::StopSignal() : state_(new State) {
  sigemptyset(&state_->signals);
  for (const int s : {SIGINT, SIGTERM, kWakeSignal}) sigaddset(&state_->signals, s);
  pthread_sigmask(SIG_BLOCK, &state_->signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  state_->waiter = std::thread([state = state_] {
    for (;;) {
      int signal_number = 0;
      if (sigwait(&state->signals, &signal_number) != 0) continue;
      if (state->ending) return;
      if (signal_number == kWakeSignal) continue;
      if (state->received != 0) std::_Exit(128 + signal_number);
      state->received = signal_number;
      state->source.request_stop();
    }
  });
}

StopSignal::~StopSignal() {
  state_->ending = true;
  pthread_kill(state_->waiter.native_handle(), kWakeSignal);
  state_->waiter.join();
  delete state_;
}

std::stop_token StopSignal::token() const { return state_->source.get_token(); }
void StopSignal::request_stop() { state_->source.request_stop(); }
int StopSignal::received() const { return state_->received; }
int StopSignal::exit_code(int otherwise) const { return received() == 0 ? otherwise : 128 + received(); }

bool wait_for_stop(std::stop_token stop, long long milliseconds) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  condition.wait_for(lock, stop, std::chrono::milliseconds(milliseconds), [&] { return stop.stop_requested(); });
  return stop.stop_requested();
}

}  // namespace anomctl
