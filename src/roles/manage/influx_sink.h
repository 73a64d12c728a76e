// Readings, verdicts and alerts for InfluxDB, by the names and tags that compose/telegraf.conf gives them. Private to
// manage. Thread rule: one thread.
#pragma once

#include <memory>

#include "anomctl/io/influx/line_writer.h"
#include "anomctl/roles/manage.h"

namespace anomctl::manage {

class InfluxSink {
 public:
  // Without a URL nothing is written.
  InfluxSink(const ManageSettings& settings, const HttpClientSettings& http);
  // The caller's parts, with what is to be written taken on its way.
  ManageParts watched(const ManageParts& parts);
  // Writes what waits, at most so long.
  void finish(Duration timeout, ManageCounts& done);

 private:
  void write(const JudgedRow& row);
  const std::string org_;
  std::unique_ptr<LineWriter> writer_;
};

}  // namespace anomctl::manage
