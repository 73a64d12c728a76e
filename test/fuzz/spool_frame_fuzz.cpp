// Damaged files of a spool: whatever the bytes are, what is found is whole.
#include "io/spool/frame.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anomctl::spool;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Found found;
  find_frames(bytes, found);
  for (const auto& [number, payload] : found.records) {
    const std::string frame = make_frame(FrameKind::record, number, payload);
    if (!read_frame(frame) || bytes.find(frame) == std::string_view::npos) std::abort();
  }
  return 0;
}
