#include "roles/manage/notices.h"

#include <algorithm>
#include <utility>

#include "anomctl/core/log.h"

namespace anomctl::manage {
namespace {

constexpr Duration kLongestEnd = seconds(5);
const std::string kNotice = "$notice/";  // and the sink; no topic of an organisation begins with $

}  // namespace

Notices::Notices(const ManageSettings& settings, const HttpClientSettings& http, Notifier::Done on_done)
    : alerts_(settings.topic.topic_org + "/alert/"),
      on_done_(std::move(on_done)),
      notifier_(settings.notify, http, on_done_) {}

void Notices::make(const std::string& topic, const std::string& payload,
                   const std::function<void(std::string topic, std::string payload)>& add) const {
  if (!topic.starts_with(alerts_)) return;
  for (const std::string& sink : notifier_.sinks()) add(kNotice + sink, payload);
}

bool Notices::is_notice(const std::string& topic) { return topic.starts_with(kNotice); }

void Notices::deliver(const std::string& topic, const std::string& payload, std::uint64_t number) {
  if (notifier_.tell(topic.substr(kNotice.size()), payload, number)) return;
  if (homeless_++ == 0) log_warning("alerts waited for a webhook or command that is no longer given: they are dropped");
  if (number != 0 && on_done_) on_done_(number);
}

void Notices::finish(Duration timeout, bool kept) {
  notifier_.finish(kept ? Duration{std::min(timeout.ns, kLongestEnd.ns)} : timeout);
}

void Notices::count(ManageCounts& counts) const {
  const NotifyCounts known = notifier_.counts();
  counts.notified = known.delivered;
  counts.not_notified = known.dropped + homeless_;
}

}  // namespace anomctl::manage
