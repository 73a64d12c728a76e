#include "roles/manage/influx_sink.h"

#include <algorithm>

namespace anomctl::manage {
namespace {

// A message as it is published, without what is not a field.
Json fields_of(const Json& message, std::initializer_list<std::string_view> others) {
  Json fields = Json::object();
  for (const auto& [name, value] : message.as_object())
    if (std::find(others.begin(), others.end(), name) == others.end()) fields[name] = value;
  return fields;
}

}  // namespace

InfluxSink::InfluxSink(const ManageSettings& settings, const HttpClientSettings& http)
    : org_(settings.topic.topic_org) {
  if (!settings.influx.influx_url.empty()) writer_ = std::make_unique<LineWriter>(settings.influx, http);
}

ManageParts InfluxSink::watched(const ManageParts& parts) {
  if (!writer_) return parts;
  ManageParts watched = parts;
  watched.on_judged = [this, next = parts.on_judged](const JudgedRow& row) {
    write(row);
    if (next) next(row);
  };
  watched.on_episode = [this, next = parts.on_episode](const Episode& episode) {
    writer_->put(influx_line("alert", {{"org", org_}, {"sensor", episode.asset}, {"model", episode.model}},
                             fields_of(to_json(episode), {"asset", "model"}),
                             episode.closed ? episode.end : episode.start));
    if (next) next(episode);
  };
  return watched;
}

void InfluxSink::write(const JudgedRow& row) {
  Json reading = Json::object();
  for (std::size_t c = 0; c < row.values.size(); ++c) reading[row.bundle.columns[c].name] = row.values[c];
  writer_->put(influx_line("reading", {{"org", org_}, {"sensor", row.asset}}, reading, row.verdict.time));
  writer_->put(influx_line("verdict", {{"org", org_}, {"sensor", row.asset}, {"model", row.verdict.model}},
                           fields_of(to_json(row.verdict), {"time", "model"}), row.verdict.time));
}

void InfluxSink::finish(Duration timeout, ManageCounts& done) {
  if (!writer_) return;
  writer_->finish(timeout);
  done.influx_written = writer_->counts().written;
  done.influx_dropped = writer_->counts().dropped;
}

}  // namespace anomctl::manage
