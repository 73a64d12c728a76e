// Stamps as tables and exports write them, in a zone, fast for many in order. Thread rule: one thread a reader.
#pragma once

#include <optional>
#include <string_view>

#include "anomctl/core/time.h"

namespace anomctl {

class StampReader {
 public:
  explicit StampReader(const TimeZone& zone = {}) : zone_(zone), plain_(zone.name() == "UTC") {}
  // ISO 8601, also with slashes in the date, or a number: epoch seconds, milliseconds, microseconds or nanoseconds.
  // Nothing for other text. `previous` as in parse_stamp.
  std::optional<ParsedStamp> read(std::string_view cell, std::optional<Nanoseconds> previous);

 private:
  ParsedStamp from_local(Nanoseconds local, std::optional<Nanoseconds> previous);

  TimeZone zone_;
  bool plain_ = true;
  // The last quarter of an hour of local time whose offset from UTC is the same throughout.
  Nanoseconds block_ = 0, offset_ = 0;
  bool block_known_ = false;
};

}  // namespace anomctl
