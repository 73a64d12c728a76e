#include "mtad_gat/team.h"

#include <fmt/core.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <sstream>

#include "anomctl/core/error.h"
#include "anomctl/core/stop.h"
#include "mtad_gat/tensor_backend.h"

namespace anomctl {
namespace {

constexpr int kLookMs = 50;                           // between two looks at the store
constexpr std::chrono::milliseconds kAttempt{1'000};  // of a connection, between two looks at the stop token

std::chrono::milliseconds milliseconds_of(Duration d) { return std::chrono::milliseconds(d.ns / kMillisecond); }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::vector<std::uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

// The first setting in which two processes differ.
std::string difference(const std::string& theirs, const std::string& leaders) {
  std::istringstream a(theirs), b(leaders);
  std::string mine, his;
  while (std::getline(b, his)) {
    if (!std::getline(a, mine)) mine.clear();
    if (mine != his) return fmt::format("{} instead of {}", mine, his);
  }
  return "more settings";
}

}  // namespace

struct TorchTeam::Connections {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
  bool met = false;

  void set(const std::string& key, const std::string& text) { store->set(key, bytes_of(text)); }
  std::string get(const std::string& key) {
    const auto bytes = store->get(key);
    return {bytes.begin(), bytes.end()};
  }
  bool has(const std::string& key) { return store->check({key}); }

  void connect(const World& w, Duration timeout, const std::stop_token& stop);
  // What c10d throws where another process is gone, as our error.
  template <class Work>
  void talk(Duration timeout, Work&& work);
};

template <class Work>
void TorchTeam::Connections::talk(Duration timeout, Work&& work) {
  try {
    work();
  } catch (const Error&) {
    throw;
  } catch (const TrainingStopped&) {
    throw;
  } catch (const std::exception& e) {
    const std::string what = e.what();
    const bool late = what.find("imed out") != std::string::npos || what.find("timeout") != std::string::npos;
    throw Error(ExitCode::unreachable,
                late ? fmt::format("the other processes of this training were silent for {} (--worker-timeout)",
                                   format_duration(timeout))
                     : "another process of this training is gone: see what it said last",
                first_line(what));
  }
}

void TorchTeam::Connections::connect(const World& w, Duration timeout, const std::stop_token& stop) {
  c10d::TCPStoreOptions options;
  options.port = w.master_port;
  options.isServer = w.leads() && !w.agent_store;
  options.numWorkers = static_cast<std::size_t>(w.size);
  options.waitWorkers = false;
  options.timeout = std::min(kAttempt, milliseconds_of(timeout));
  const auto end = std::chrono::steady_clock::now() + milliseconds_of(timeout);
  while (store == nullptr) {
    try {
      const auto tcp = c10::make_intrusive<c10d::TCPStore>(w.master_address, options);
      tcp->setTimeout(milliseconds_of(timeout));
      store = c10::make_intrusive<c10d::PrefixStore>(fmt::format("anomctl/{}", w.attempt), tcp);
    } catch (const std::exception& e) {
      if (options.isServer) {
        throw Error(
            ExitCode::unreachable,
            fmt::format("cannot listen on port {} (MASTER_PORT): is another training running there?", w.master_port),
            first_line(e.what()));
      }
      if (std::chrono::steady_clock::now() >= end) {
        throw Error(ExitCode::unreachable,
                    fmt::format("cannot reach {}:{} (MASTER_ADDR, MASTER_PORT) within {}: is rank 0 running?",
                                w.master_address, w.master_port, format_duration(timeout)),
                    first_line(e.what()));
      }
      if (wait_for_stop(stop, kLookMs)) throw TrainingStopped();
    }
  }
}

TorchTeam::TorchTeam(const World& world, Duration timeout, std::stop_token stop)
    : world_(world), timeout_(timeout), stop_(std::move(stop)), to_(std::make_unique<Connections>()) {
  to_->connect(world_, timeout_, stop_);
}

TorchTeam::~TorchTeam() {
  if (to_->met) return;  // from then on a closed connection tells it
  try {
    to_->set("gone", std::to_string(world_.rank));
  } catch (const std::exception&) {  // so is rank 0: nobody to tell
  }
}

void TorchTeam::wait_for(const std::string& key, std::int64_t rank) {
  const auto end = std::chrono::steady_clock::now() + milliseconds_of(timeout_);
  while (!to_->has(key)) {
    if (to_->has("stopped")) throw TrainingStopped();
    if (to_->has("gone"))
      throw unreachable_error(
          fmt::format("rank {} ended before the training began: see what it said last", to_->get("gone")));
    if (std::chrono::steady_clock::now() >= end) {
      throw unreachable_error(fmt::format("rank {} did not come within {} (--worker-timeout): is it running?", rank,
                                          format_duration(timeout_)));
    }
    if (wait_for_stop(stop_, kLookMs)) {
      to_->set("stopped", "");
      throw TrainingStopped();
    }
  }
}

void TorchTeam::meet(const std::string& settings, const std::string& data_hash) {
  to_->talk(timeout_, [&] {
    const auto key = [](std::int64_t rank) { return fmt::format("rank/{}", rank); };
    to_->set(key(world_.rank), settings + "\ndata=" + data_hash);
    for (std::int64_t r = 0; r < world_.size; ++r) wait_for(key(r), r);
    const std::string leaders = to_->get(key(0));
    std::string found;
    for (std::int64_t r = 1; r < world_.size && found.empty(); ++r) {
      const std::string theirs = to_->get(key(r));
      if (theirs == leaders) continue;
      const std::string how = difference(theirs, leaders);
      found = how.starts_with("data=")
                  ? fmt::format("rank {} has other training rows than rank 0: give all the same data set", r)
                  : fmt::format("rank {} trains with {} of rank 0: give all the same settings", r, how);
    }
    to_->met = true;  // all know how it ends
    to_->set(fmt::format("compared/{}", world_.rank), "");
    if (world_.leads() || found.empty())  // rank 0 may hold the store: it leaves last
      for (std::int64_t r = 0; r < world_.size; ++r) wait_for(fmt::format("compared/{}", r), r);
    if (!found.empty()) throw UsageError(found);
    to_->gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(
        c10::make_intrusive<c10d::PrefixStore>("gloo", to_->store), static_cast<int>(world_.rank),
        static_cast<int>(world_.size), c10d::ProcessGroupGloo::Options::create_default(milliseconds_of(timeout_)));
  });
}

bool TorchTeam::sum(const std::vector<at::Tensor>& tensors, bool stopping) {
  const at::NoGradGuard no_gradient;
  std::vector<at::Tensor> flat;
  for (const at::Tensor& t : tensors) flat.push_back(t.flatten());
  flat.push_back(at::full({1}, stopping ? 1.0 : 0.0, tensors.front().options()));
  std::vector<at::Tensor> all = {at::cat(flat).to(at::kCPU)};
  to_->talk(timeout_, [&] { to_->gloo->allreduce(all)->wait(); });
  if (all[0][-1].item<double>() > 0) return true;
  std::int64_t at = 0;
  for (const at::Tensor& t : tensors) {
    t.copy_(all[0].narrow(0, at, t.numel()).view(t.sizes()));
    at += t.numel();
  }
  return false;
}

void TorchTeam::copy_from_leader(const std::vector<at::Tensor>& tensors) {
  const at::NoGradGuard no_gradient;
  std::vector<at::Tensor> flat;
  for (const at::Tensor& t : tensors) flat.push_back(t.flatten());
  std::vector<at::Tensor> all = {at::cat(flat).to(at::kCPU)};
  to_->talk(timeout_, [&] { to_->gloo->broadcast(all)->wait(); });
  std::int64_t at = 0;
  for (const at::Tensor& t : tensors) {
    t.copy_(all[0].narrow(0, at, t.numel()).view(t.sizes()));
    at += t.numel();
  }
}

std::string TorchTeam::text_from_leader(const std::string& text) {
  std::string got = text;
  to_->talk(timeout_, [&] {
    if (world_.leads()) {
      to_->set("leader", text);
    } else {
      wait_for("leader", 0);
      got = to_->get("leader");
    }
  });
  return got;
}

}  // namespace anomctl
