#include "commands/heartbeat.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "anomctl/core/log.h"

namespace anomctl {
namespace {

constexpr std::chrono::seconds kEvery{2};
constexpr Nanoseconds kStill = 30 * kSecond;
constexpr std::uint64_t kLargestFile = 64 * 1024;

std::string in_one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return text;
}

}  // namespace

Heartbeat::Heartbeat(const HeartbeatSettings& settings, const Clock& clock)
    : file_(settings.alive_file), clock_(clock) {
  if (file_.empty()) return;
  if (is_device(file_))
    throw UsageError(fmt::format("alive-file: {} is no regular file, which is needed", file_.string()));
  write(text());
  writer_ = std::jthread([this](const std::stop_token& stop) { write_on(stop); });
}

Heartbeat::~Heartbeat() {
  if (file_.empty()) return;
  writer_.request_stop();
  writer_.join();
  std::error_code gone;
  fs::remove(file_, gone);
}

void Heartbeat::say(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (why == why_) return;
  why_ = why;
  news_ = true;
  changed_.notify_one();
}

void Heartbeat::attach(ManageParts& parts) {
  parts.on_ready = [this, then = std::move(parts.on_ready)](const std::string& client_id) {
    say("");
    if (then) then(client_id);
  };
  parts.on_health = [this, then = std::move(parts.on_health)](const ManageHealth& health) {
    say(health.connected ? health.trouble : "the broker is away");
    {
      const std::lock_guard lock(mutex_);
      worked_ = clock_.steady();
    }
    if (then) then(health);
  };
}

void Heartbeat::attach(GenerateParts& parts) {
  parts.on_broker = [this, then = std::move(parts.on_broker)](const std::string& why) {
    say(why.empty() ? "" : "the broker is away: " + why);
    if (then) then(why);
  };
}

std::string Heartbeat::text() const {
  std::string why = why_;
  const Nanoseconds still = worked_ == 0 ? 0 : clock_.steady() - worked_;
  if (why.empty() && still > kStill)
    why = fmt::format("nothing was judged for {} s (does the server answer?)", still / kSecond);
  Json json = Json::object();
  json["time"] = format_stamp(clock_.now() / kMillisecond * kMillisecond);
  json["ready"] = why.empty();
  if (!why.empty()) json["reason"] = why;
  return json.dump() + "\n";
}

void Heartbeat::write(const std::string& text) {
  try {
    write_file_atomic(file_, text);
    told_ = false;
  } catch (const Error& error) {  // the role works on; whoever reads the file sees that it grows old, or is not there
    if (!std::exchange(told_, true)) log_warning("alive-file: {}", error.what());
  }
}

void Heartbeat::write_on(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::string next;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, stop, kEvery, [this] { return news_; });
      news_ = false;
      next = text();
    }
    write(next);
  }
}

std::string why_not_well(const fs::path& file, Duration max_age, bool only_alive) {
  std::error_code absent;
  const fs::file_status status = fs::status(file, absent);
  if (!fs::exists(status))
    throw unreachable_error(fmt::format("{} is not there: no role runs with it as --alive-file", file.string()));
  const auto broken = [&](const char* what) {
    return input_error(
        fmt::format("{}: {}; a role that has it as --alive-file writes it every two seconds", file.string(), what));
  };
  if (!fs::is_regular_file(status)) throw broken("it is no regular file");  // a pipe would be waited for
  const Json said = Json::parse(read_file(file, kLargestFile), file.string());
  const Json *stamp = said.find("time"), *ready = said.find("ready"), *reason = said.find("reason");
  const auto time = stamp != nullptr && stamp->is_string() ? parse_stamp(stamp->as_string()) : std::nullopt;
  if (!time) throw broken("'time' is no stamp");
  if (ready == nullptr || !ready->is_bool()) throw broken("'ready' is neither true nor false");
  if (reason != nullptr && !reason->is_string()) throw broken("'reason' is no text");
  const Duration age{system_clock().now() - time->time};
  // Also one from the time to come: a clock that was set back leaves it there until the next is written.
  if (age > max_age || age < Duration{-max_age.ns})
    return fmt::format("it last said so at {}", format_stamp(time->time));
  if (only_alive || ready->as_bool()) return "";
  return reason == nullptr ? "it does not say why" : in_one_line(reason->as_string());
}

}  // namespace anomctl
