#include "anomctl/io/net/gzip.h"

#include <zlib.h>

#include <algorithm>

#include "anomctl/core/error.h"

namespace anomctl {

namespace {
constexpr int kGzipWindow = 15 + 16;  // zlib's way to say "gzip header"

Bytef* bytes_of(std::string_view text) {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(text.data()));  // zlib reads only
}
}  // namespace

std::string gzip(std::string_view bytes, int level) {
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw failed("gzip: out of memory");
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = bytes_of(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

GunzipResult gunzip(std::string_view bytes, std::size_t max_bytes, std::string& out) {
  out.clear();
  z_stream stream{};
  if (inflateInit2(&stream, kGzipWindow) != Z_OK) throw failed("gunzip: out of memory");
  stream.next_in = bytes_of(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  int state = Z_OK;
  while (state == Z_OK) {
    const std::size_t used = out.size();
    if (used > max_bytes) break;
    const std::size_t step = std::min(std::max<std::size_t>(16 * 1024, used), max_bytes + 1 - used);
    out.resize(used + std::max<std::size_t>(step, 1));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + used);
    stream.avail_out = static_cast<uInt>(out.size() - used);
    state = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (state == Z_OK && stream.avail_in == 0 && stream.avail_out != 0) state = Z_BUF_ERROR;  // ends too early
    // A file may have several members (RFC 1952, 2.2); anything else behind the first is damage.
    if (state == Z_STREAM_END && stream.avail_in > 0) state = inflateReset(&stream);
  }
  inflateEnd(&stream);
  if (out.size() > max_bytes) return GunzipResult::too_large;
  return state == Z_STREAM_END ? GunzipResult::done : GunzipResult::damaged;
}

}  // namespace anomctl
