// A record as bytes that tell by themselves what they are: magic, checksum, number, length, payload. So a record can be
// found again in a file whose structure is gone. Private to spool. Thread rule: free functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace anomctl::spool {

enum class FrameKind : std::uint8_t { record, value };

// The payload of a value is NAME, a zero byte, its bytes; its number is 0.
std::string make_frame(FrameKind kind, std::int64_t number, std::string_view payload);

struct Frame {
  FrameKind kind = FrameKind::record;
  std::int64_t number = 0;
  std::string_view payload;
};
// Nothing when the bytes are not exactly one whole frame.
std::optional<Frame> read_frame(std::string_view bytes);

// All frames that can be found in bytes of any kind.
struct Found {
  std::map<std::int64_t, std::string> records;
  std::map<std::string, std::string> values;  // of several the one found last
  std::set<std::int64_t> broken;              // numbers of records with a wrong checksum, as far as they can be read
};
void find_frames(std::string_view bytes, Found& found);

}  // namespace anomctl::spool
