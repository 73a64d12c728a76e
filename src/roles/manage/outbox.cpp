#include "roles/manage/outbox.h"

#include <charconv>

#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"

namespace anomctl::manage {
namespace {

const std::string kJudged = "judged";
const std::string kAsset = "asset ";  // and the name
constexpr int kPauseMs = 250;
constexpr std::size_t kChunk = 256;

std::string to_bytes(const std::string& topic, const std::string& payload) {
  return topic + '\n' + payload;  // a topic has no line break
}

}  // namespace

Outbox::Outbox(OutboxSettings settings) : settings_(std::move(settings)) {
  if (settings_.folder.empty()) return;
  SpoolOptions options;
  options.path = settings_.folder / "verdicts.spool";
  options.durable = settings_.durable;
  options.max_bytes = settings_.max_bytes;
  options.contiguous = false;
  file_ = std::make_unique<SpoolFile>(options);
  if (const auto text = file_->value(kJudged)) std::from_chars(text->data(), text->data() + text->size(), judged_);
}

std::vector<std::string> Outbox::assets() {
  std::vector<std::string> assets;
  if (file_ == nullptr) return assets;
  for (const std::string& name : file_->names())
    if (name.starts_with(kAsset)) assets.push_back(name.substr(kAsset.size()));
  return assets;
}

std::optional<std::string> Outbox::state(const std::string& asset) {
  return file_ ? file_->value(kAsset + asset) : std::nullopt;
}

void Outbox::send_again() {
  if (file_ == nullptr) return;
  std::size_t n = 0;
  for (std::int64_t from = 0;;) {
    const std::vector<SpoolRecord> records = file_->read(from, kChunk);
    if (records.empty()) break;
    from = records.back().number + 1;
    for (const SpoolRecord& record : records) {
      const std::size_t end = record.bytes.find('\n');
      if (end == std::string::npos) continue;
      const std::string topic = record.bytes.substr(0, end);
      {
        std::lock_guard lock(mutex_);
        waiting_[record.number] = settings_.is_notice(topic) ? Place::sink : Place::broker;
      }
      ++n;
      if (!settings_.send(topic, record.bytes.substr(end + 1), static_cast<std::uint64_t>(record.number))) return;
    }
  }
  if (n > 0) log_info("{} verdicts and alerts waited on disk and are sent now", n);
}

void Outbox::add(std::string topic, std::string payload) { added_.emplace_back(std::move(topic), std::move(payload)); }

bool Outbox::commit(std::int64_t judged, std::vector<std::pair<std::string, std::string>> states,
                    std::stop_token stop) {
  std::vector<std::int64_t> done = take_acknowledged();
  if (file_ == nullptr) {
    for (const auto& [topic, payload] : std::exchange(added_, {}))
      if (!settings_.send(topic, payload, 0)) return false;
    return true;
  }
  if (judged == judged_ && added_.empty() && states.empty() && done.empty()) return true;
  SpoolFile::Change change;
  for (const auto& [topic, payload] : added_) change.append.push_back(to_bytes(topic, payload));
  change.erase = std::move(done);
  for (auto& [asset, bytes] : states) change.values.emplace_back(kAsset + asset, std::move(bytes));
  change.values.emplace_back(kJudged, std::to_string(judged));
  std::optional<std::int64_t> first;
  std::vector<std::int64_t> gone;
  for (bool told = false; !(first = file_->apply(change, &gone)); told = true) {
    if (!told) settings_.on_trouble(file_->trouble());
    if (wait_for_stop(stop, kPauseMs)) return false;
    first = std::nullopt;
  }
  settings_.on_trouble({});
  judged_ = judged;
  {
    std::lock_guard lock(mutex_);
    std::int64_t of = *first;
    for (const auto& [topic, payload] : added_)
      waiting_[of++] = settings_.is_notice(topic) ? Place::sink : Place::broker;
  }
  made_room(gone);
  auto number = static_cast<std::uint64_t>(*first);
  for (const auto& [topic, payload] : std::exchange(added_, {}))
    if (!settings_.send(topic, payload, number++)) return true;  // it is stored: for the next start
  return true;
}

void Outbox::acknowledged(std::uint64_t number) {
  if (number == 0) return;
  std::lock_guard lock(mutex_);
  const auto found = waiting_.find(static_cast<std::int64_t>(number));
  if (found == waiting_.end()) return;
  if (found->second == Place::sink_not_on_disk)
    --at_risk_;
  else
    acknowledged_.push_back(found->first);
  waiting_.erase(found);
}

// A number that nobody waits for was acknowledged and about to be erased.
void Outbox::made_room(const std::vector<std::int64_t>& numbers) {
  std::lock_guard lock(mutex_);
  for (const std::int64_t number : numbers) {
    const auto found = waiting_.find(number);
    if (found == waiting_.end()) continue;
    if (found->second == Place::sink) {
      found->second = Place::sink_not_on_disk;
      ++at_risk_;
    } else {
      waiting_.erase(found);
      ++dropped_;
    }
  }
}

std::vector<std::int64_t> Outbox::take_acknowledged() {
  std::lock_guard lock(mutex_);
  return std::exchange(acknowledged_, {});
}

std::size_t Outbox::waiting() const {
  std::lock_guard lock(mutex_);
  return waiting_.size() - static_cast<std::size_t>(at_risk_);
}
std::int64_t Outbox::dropped() const {
  std::lock_guard lock(mutex_);
  return dropped_;
}
std::int64_t Outbox::notices_at_risk() const {
  std::lock_guard lock(mutex_);
  return at_risk_;
}
SpoolDamage Outbox::damage() const { return file_ ? file_->damage() : SpoolDamage{}; }

}  // namespace anomctl::manage
