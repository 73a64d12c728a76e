// What can be the name of an asset: text, for it goes into JSON, topics and line protocol. Brokers of MQTT see to it
// that topics are; keys of Kafka and recordings may be any bytes. Private to manage. Thread rule: pure functions.
#pragma once

#include <string_view>

namespace anomctl::manage {

// UTF-8 (RFC 3629) without control characters, not empty, at most kLongestName bytes.
inline constexpr std::size_t kLongestName = 256;
bool is_asset_name(std::string_view name);

}  // namespace anomctl::manage
