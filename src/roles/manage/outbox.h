// Verdicts and alerts between the thread that judges and the broker. With a folder they are on disk, together with how
// far judging has come and the states of the assets, before they are sent, and stay there until the broker has
// acknowledged them. Private to manage. Thread rule: `acknowledged` may be called from any thread, the rest from one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "anomctl/io/spool/spool_file.h"

namespace anomctl::manage {

struct OutboxSettings {
  fs::path folder;  // empty: nothing is kept
  bool durable = false;
  std::uint64_t max_bytes = 0;
  // Hands a message on to the broker; `number` comes back by `acknowledged`. False: stopped.
  std::function<bool(const std::string& topic, const std::string& payload, std::uint64_t number)> send;
  std::function<bool(const std::string& topic)> is_notice;  // of a webhook or command, not of the broker
  std::function<void(const std::string& why)> on_trouble;   // it cannot be stored; "": it can again
};

class Outbox {
 public:
  explicit Outbox(OutboxSettings settings);

  // How far an earlier process had come: all that readings up to this number brought about is stored.
  std::int64_t judged() const { return judged_; }
  std::vector<std::string> assets();
  std::optional<std::string> state(const std::string& asset);

  // Sends what an earlier process left.
  void send_again();
  void add(std::string topic, std::string payload);
  std::size_t added() const { return added_.size(); }
  // Stores what was added and how far judging has come, then sends it. Waits while it cannot be stored. False: stopped,
  // and nothing of it is stored or sent.
  bool commit(std::int64_t judged, std::vector<std::pair<std::string, std::string>> states, std::stop_token stop);
  void acknowledged(std::uint64_t number);

  std::size_t waiting() const;  // stored and not acknowledged
  // What made room on the disk before it was acknowledged: it may still be delivered, but not after an end.
  std::int64_t dropped() const;          // verdicts and alerts, for the broker
  std::int64_t notices_at_risk() const;  // alerts, for webhooks and commands: those that are still not acknowledged
  SpoolDamage damage() const;
  bool keeps() const { return file_ != nullptr; }

 private:
  enum class Place : std::uint8_t { broker, sink, sink_not_on_disk };
  std::vector<std::int64_t> take_acknowledged();
  void made_room(const std::vector<std::int64_t>& numbers);

  OutboxSettings settings_;
  std::unique_ptr<SpoolFile> file_;
  std::int64_t judged_ = 0;
  std::vector<std::pair<std::string, std::string>> added_;  // topic, payload
  mutable std::mutex mutex_;
  std::vector<std::int64_t> acknowledged_;
  std::map<std::int64_t, Place> waiting_;  // sent and not acknowledged
  std::int64_t dropped_ = 0, at_risk_ = 0;
};

}  // namespace anomctl::manage
