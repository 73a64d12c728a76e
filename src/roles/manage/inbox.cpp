#include "roles/manage/inbox.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "anomctl/core/log.h"

namespace anomctl::manage {
namespace {

// Brokers deliver again what was under way when a connection broke: 20 to some hundred messages; one that was killed
// what it had not saved since.
constexpr std::size_t kRecent = 65'536;
// Of these as many are on disk still, for the next process.
constexpr std::int64_t kLookBack = 8'192;
constexpr std::size_t kChunk = 512;
constexpr std::uint64_t kLittleRoom = 8 * kMiB;  // far more than comes in before readings are held back
constexpr auto kPause = std::chrono::milliseconds(200);

std::size_t content_hash(const std::string& asset, const std::string& payload) {
  const std::size_t a = std::hash<std::string>{}(asset), b = std::hash<std::string>{}(payload);
  return b ^ (a + 0x9e3779b97f4a7c15ULL + (b << 6) + (b >> 2));
}

// received, length of the asset's name, name, payload.
std::string to_bytes(const Reading& reading) {
  std::string bytes(sizeof(Nanoseconds) + sizeof(std::uint32_t), '\0');
  const auto length = static_cast<std::uint32_t>(reading.asset.size());
  std::memcpy(bytes.data(), &reading.received, sizeof(Nanoseconds));
  std::memcpy(bytes.data() + sizeof(Nanoseconds), &length, sizeof(length));
  return bytes + reading.asset + reading.payload;
}

std::optional<Reading> from_bytes(const SpoolRecord& record) {
  const std::string_view bytes = record.bytes;
  constexpr std::size_t kHead = sizeof(Nanoseconds) + sizeof(std::uint32_t);
  std::uint32_t length = 0;
  if (bytes.size() < kHead) return std::nullopt;
  Reading reading;
  reading.number = record.number;
  std::memcpy(&reading.received, bytes.data(), sizeof(Nanoseconds));
  std::memcpy(&length, bytes.data() + sizeof(Nanoseconds), sizeof(length));
  if (length > bytes.size() - kHead) return std::nullopt;
  reading.asset = std::string(bytes.substr(kHead, length));
  reading.payload = std::string(bytes.substr(kHead + length));
  return reading;
}

}  // namespace

bool Recent::knows(const std::string& asset, const std::string& payload) const {
  return known_.contains(content_hash(asset, payload));
}

void Recent::add(const std::string& asset, const std::string& payload) {
  const std::size_t hash = content_hash(asset, payload);
  order_.push_back(hash);
  ++known_[hash];
  if (order_.size() <= kRecent) return;
  const auto oldest = known_.find(order_.front());
  order_.pop_front();
  if (--oldest->second == 0) known_.erase(oldest);
}

Inbox::Inbox(InboxSettings settings) : settings_(std::move(settings)) {
  if (settings_.folder.empty()) return;
  SpoolOptions options;
  options.path = settings_.folder / "readings.spool";
  options.durable = settings_.durable;
  options.max_bytes = settings_.max_bytes;
  options.settled = settings_.settled;
  file_ = std::make_unique<SpoolFile>(options);
  // Where the file is gone the numbers go on all the same: the saved states name them.
  file_->continue_after(settings_.settled);
  last_ = file_->last_number();
  behind_ = true;
  for (std::int64_t from = last_ - kLookBack + 1;;) {
    const std::vector<SpoolRecord> records = file_->read(from, kChunk);
    for (const SpoolRecord& record : records)
      if (const auto reading = from_bytes(record)) recent_.add(reading->asset, reading->payload);
    if (records.empty()) break;
    from = records.back().number + 1;
  }
}

bool Inbox::put(Reading reading) {
  if (recent_.knows(reading.asset, reading.payload) && settings_.stamped(reading.payload)) {
    std::lock_guard lock(mutex_);
    ++repeated_;
    return true;
  }
  std::unique_lock lock(mutex_);
  while (!closed_ && !take_in(reading)) {
    stuck_ = true;
    changed_.wait_for(lock, kPause);
  }
  stuck_ = false;
  if (closed_) return false;
  recent_.add(reading.asset, reading.payload);
  if (file_ == nullptr || (!behind_ && waiting_.size() < settings_.max_in_memory))
    waiting_.push_back(std::move(reading));
  else
    behind_ = true;
  changed_.notify_all();
  return true;
}

// On disk, where there is one. Numbered in any case.
bool Inbox::take_in(Reading& reading) {
  if (file_ == nullptr) {
    reading.number = ++last_;
    return true;
  }
  const auto number = file_->append(to_bytes(reading));
  trouble_ = number ? std::string() : file_->trouble();
  if (!number) return false;
  reading.number = last_ = *number;
  return true;
}

void Inbox::read_on() {
  const std::vector<SpoolRecord> records = file_->read(next_, kChunk);
  for (const SpoolRecord& record : records)
    if (auto reading = from_bytes(record)) waiting_.push_back(std::move(*reading));
  if (records.empty())
    behind_ = false;
  else
    next_ = records.back().number + 1;
}

std::optional<Reading> Inbox::pop_for(std::chrono::nanoseconds timeout) {
  std::unique_lock lock(mutex_);
  if (waiting_.empty() && behind_) read_on();
  if (waiting_.empty() && !closed_)
    changed_.wait_for(lock, timeout, [&] { return !waiting_.empty() || behind_ || closed_; });
  if (waiting_.empty()) return std::nullopt;
  std::optional<Reading> reading(std::move(waiting_.front()));
  waiting_.pop_front();
  next_ = std::max(next_, reading->number + 1);
  changed_.notify_all();
  return reading;
}

void Inbox::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

void Inbox::settle(std::int64_t judged, std::int64_t forget) {
  if (file_ == nullptr) return;
  file_->set_settled(judged);
  SpoolFile::Change change;
  change.erase_upto = std::min(forget, file_->last_number() - kLookBack);
  if (*change.erase_upto > 0) file_->apply(change);
}

std::size_t Inbox::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

bool Inbox::idle() const {
  std::lock_guard lock(mutex_);
  return waiting_.empty() && !behind_;
}
std::string Inbox::hold_back() {
  const std::uint64_t room = file_ ? file_->room() : 0;
  std::lock_guard lock(mutex_);
  // Once held back they come again when there is twice the room.
  const std::size_t factor = holding_.empty() ? 1 : 2;
  if (file_ != nullptr)
    holding_ = room < factor * kLittleRoom
                   ? fmt::format("{}: {} MB of room are left", settings_.folder.string(), room / 1'000'000)
                   : std::string();
  else
    holding_ = waiting_.size() >= settings_.max_in_memory / factor ? "too many readings wait in memory" : "";
  return holding_;
}
bool Inbox::stuck() const {
  std::lock_guard lock(mutex_);
  return stuck_;
}
std::string Inbox::trouble() const {
  std::lock_guard lock(mutex_);
  if (!trouble_.empty()) return trouble_;
  return file_ ? holding_ : std::string();
}
std::int64_t Inbox::repeated() const {
  std::lock_guard lock(mutex_);
  return repeated_;
}
std::int64_t Inbox::dropped() const { return file_ ? file_->dropped() : 0; }
SpoolDamage Inbox::damage() const { return file_ ? file_->damage() : SpoolDamage{}; }

}  // namespace anomctl::manage
