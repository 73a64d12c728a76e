// gzip both ways. Thread rule: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace anomctl {

std::string gzip(std::string_view bytes, int level = 1);

enum class GunzipResult { done, damaged, too_large };
// Stops as soon as `out` would grow over `max_bytes`: a small body cannot unpack to a huge one.
GunzipResult gunzip(std::string_view bytes, std::size_t max_bytes, std::string& out);

}  // namespace anomctl
