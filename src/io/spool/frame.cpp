#include "io/spool/frame.h"

#include <zlib.h>

#include <bit>
#include <cstring>

namespace anomctl::spool {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kRecordMagic = "\xa5SpR", kValueMagic = "\xa5SpV";
constexpr std::size_t kMagic = 4, kHead = kMagic + 4 + 8 + 4;  // magic, checksum, number, length

std::uint32_t checksum(std::string_view bytes) {
  return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

template <class T>
T number_at(std::string_view bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

// What the head at the front of `bytes` says; false: no frame begins here.
struct Head {
  Frame frame;
  std::size_t size = 0;
  bool whole = false;
};
bool read_head(std::string_view bytes, Head& head) {
  if (bytes.size() < kHead) return false;
  const std::string_view magic = bytes.substr(0, kMagic);
  if (magic != kRecordMagic && magic != kValueMagic) return false;
  head.frame.kind = magic == kRecordMagic ? FrameKind::record : FrameKind::value;
  head.frame.number = number_at<std::int64_t>(bytes, kMagic + 4);
  head.size = kHead + number_at<std::uint32_t>(bytes, kMagic + 12);
  head.whole = head.size <= bytes.size();
  if (!head.whole) return true;
  head.frame.payload = bytes.substr(kHead, head.size - kHead);
  // Kind, number, length and payload.
  std::string covered(magic);
  covered += bytes.substr(kMagic + 4, head.size - kMagic - 4);
  head.whole = checksum(covered) == number_at<std::uint32_t>(bytes, kMagic);
  return true;
}

}  // namespace

std::string make_frame(FrameKind kind, std::int64_t number, std::string_view payload) {
  std::string bytes(kind == FrameKind::record ? kRecordMagic : kValueMagic);
  const auto length = static_cast<std::uint32_t>(payload.size());
  bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
  bytes.append(reinterpret_cast<const char*>(&length), sizeof(length));
  bytes += payload;
  const std::uint32_t sum = checksum(bytes);
  bytes.insert(kMagic, reinterpret_cast<const char*>(&sum), sizeof(sum));
  return bytes;
}

std::optional<Frame> read_frame(std::string_view bytes) {
  Head head;
  if (!read_head(bytes, head) || !head.whole || head.size != bytes.size()) return std::nullopt;
  return head.frame;
}

void find_frames(std::string_view bytes, Found& found) {
  for (std::size_t at = bytes.find('\xa5'); at != std::string_view::npos; at = bytes.find('\xa5', at)) {
    Head head;
    if (!read_head(bytes.substr(at), head)) {
      ++at;
      continue;
    }
    const Frame& frame = head.frame;
    if (!head.whole) {
      if (frame.kind == FrameKind::record && frame.number > 0) found.broken.insert(frame.number);
      ++at;
      continue;
    }
    if (frame.kind == FrameKind::record) {
      found.records[frame.number] = std::string(frame.payload);
    } else if (const std::size_t end = frame.payload.find('\0'); end != std::string_view::npos) {
      found.values[std::string(frame.payload.substr(0, end))] = std::string(frame.payload.substr(end + 1));
    }
    at += head.size;
  }
}

}  // namespace anomctl::spool
