#include "data/stamps.h"

#include <cmath>
#include <string>

#include "anomctl/data/csv.h"

namespace anomctl {
namespace {

constexpr Nanoseconds kBlock = 15 * kMinute;  // zones change at whole quarters of an hour

constexpr Nanoseconds kLongestAgo = 9'200'000'000'000'000'000;

bool has_zone(std::string_view stamp) {
  if (stamp.empty()) return false;
  if (stamp.back() == 'Z' || stamp.back() == 'z') return true;
  return stamp.size() > 10 && stamp.find_first_of("+-", 10) != std::string_view::npos;
}

Nanoseconds floor_to(Nanoseconds value, Nanoseconds step) {
  const Nanoseconds rest = value % step;
  return value - (rest < 0 ? rest + step : rest);
}

}  // namespace

ParsedStamp StampReader::from_local(Nanoseconds local, std::optional<Nanoseconds> previous) {
  const Nanoseconds block = floor_to(local, kBlock);
  if (block_known_ && block == block_) return {local - offset_, TimeZone::Instants::Kind::unique};
  const auto start = zone_.to_utc(block), end = zone_.to_utc(block + kBlock - 1);
  using Kind = TimeZone::Instants::Kind;
  if (start.kind == Kind::unique && end.kind == Kind::unique && end.first - start.first == kBlock - 1) {
    block_ = block;
    offset_ = block - start.first;
    block_known_ = true;
    return {local - offset_, Kind::unique};
  }
  const auto instants = zone_.to_utc(local);
  return {previous && instants.first <= *previous ? instants.second : instants.first, instants.kind};
}

std::optional<ParsedStamp> StampReader::read(std::string_view cell, std::optional<Nanoseconds> previous) {
  cell = trim(cell);
  auto stamp = parse_stamp(cell);
  if (!stamp && cell.size() >= 10 && cell[4] == '/' && cell[7] == '/') {
    std::string dashed(cell);
    dashed[4] = dashed[7] = '-';
    stamp = parse_stamp(dashed);
  }
  if (!stamp) {
    const auto number = parse_number(cell);
    if (!number || !std::isfinite(*number)) return std::nullopt;
    const Nanoseconds time = epoch_from_number(*number);
    if (time <= -kLongestAgo || time >= kLongestAgo) return std::nullopt;
    return ParsedStamp{time, TimeZone::Instants::Kind::unique};
  }
  if (plain_ || has_zone(cell)) return stamp;
  return from_local(stamp->time, previous);
}

}  // namespace anomctl
