#include "roles/manage/recording.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "roles/manage/asset_name.h"

namespace anomctl::manage {
namespace {

constexpr std::string_view kHex = "hex:";
constexpr std::size_t kLongestLine = 64 * kMiB;

bool plain(std::string_view payload) {
  return !payload.starts_with(kHex) &&
         std::none_of(payload.begin(), payload.end(), [](unsigned char c) { return c < 0x20 && c != '\t'; });
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    unsigned value = 0;
    const char* end = text.data() + i + 2;
    if (std::from_chars(text.data() + i, end, value, 16).ptr != end) return std::nullopt;
    bytes += static_cast<char>(value);
  }
  return bytes;
}

// "1764028800.123456789"
std::optional<Nanoseconds> arrival(std::string_view text) {
  const std::size_t point = text.find('.');
  std::int64_t whole = 0, part = 0;
  const std::string_view first = text.substr(0, point);
  if (first.empty() || first.size() > 10 ||
      std::from_chars(first.data(), first.data() + first.size(), whole).ptr != first.data() + first.size())
    return std::nullopt;
  if (point != std::string_view::npos) {
    std::string digits(text.substr(point + 1));
    if (digits.empty() || digits.size() > 9) return std::nullopt;
    digits.resize(9, '0');
    if (std::from_chars(digits.data(), digits.data() + 9, part).ptr != digits.data() + 9 || part < 0)
      return std::nullopt;
  }
  return whole * kSecond + part;
}

}  // namespace

Recorder::Recorder(const fs::path& path, std::string topic_front)
    : path_(path), topic_front_(std::move(topic_front)), out_(path, std::ios::app | std::ios::binary) {
  if (!out_) throw failed(fmt::format("{}: cannot be written", path.string()));
}

void Recorder::write(const Reading& reading) {
  out_ << fmt::format("{}.{:09}\t{}{}\t", reading.received / kSecond, reading.received % kSecond, topic_front_,
                      reading.asset);
  if (plain(reading.payload)) {
    out_ << reading.payload;
  } else {
    out_ << kHex;
    for (const char c : reading.payload) out_ << fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  out_ << '\n';
  out_.flush();
  if (out_ || std::exchange(told_, true)) return;
  log_warning("{}: cannot be written any more, the recording has a hole", path_.string());
  out_.clear();
}

Recording::Recording(const fs::path& path) : path_(path), in_(path, std::ios::binary) {
  if (!in_) throw input_error(fmt::format("{}: cannot be read", path.string()));
}

// The next line, as far as kLongestLine. False at the end.
bool Recording::read_line() {
  text_.clear();
  std::streambuf& in = *in_.rdbuf();
  constexpr auto end = std::char_traits<char>::eof();
  int c = in.sbumpc();
  const bool any = c != end;
  for (; c != end && c != '\n' && text_.size() <= kLongestLine; c = in.sbumpc()) text_ += static_cast<char>(c);
  return any;
}

std::optional<Reading> Recording::next() {
  if (!read_line()) return std::nullopt;
  ++line_;
  const auto complain = [&](const char* what) {
    return input_error(
        fmt::format("{}, line {}: {} (expected: seconds, tab, topic, tab, payload)", path_.string(), line_, what));
  };
  if (text_.size() > kLongestLine) throw complain("longer than 64 MiB");
  const std::string_view view = text_;
  const std::size_t first = view.find('\t');
  const std::size_t second = first == std::string_view::npos ? first : view.find('\t', first + 1);
  if (second == std::string_view::npos) throw complain("no two tabs");
  const auto received = arrival(view.substr(0, first));
  if (!received) throw complain("no time of arrival");
  Reading reading;
  reading.number = line_;
  reading.received = *received;
  const std::string_view topic = view.substr(first + 1, second - first - 1);
  reading.asset = std::string(topic.substr(topic.rfind('/') + 1));
  if (!is_asset_name(reading.asset)) throw complain("a topic whose end names no asset");
  std::string_view payload = view.substr(second + 1);
  if (payload.starts_with(kHex)) {
    auto bytes = from_hex(payload.substr(kHex.size()));
    if (!bytes) throw complain("bytes that are not hexadecimal");
    reading.payload = std::move(*bytes);
  } else {
    reading.payload = std::string(payload);
  }
  return reading;
}

}  // namespace anomctl::manage
