// A row whose verdict waits for a batch, and how large a batch gets. Private to manage. Thread rule: values.
#pragma once

#include <functional>
#include <vector>

#include "anomctl/detection/detector.h"

namespace anomctl::manage {

using VerdictSink = std::function<void(const Verdict&)>;

// Detector and sink live until the next flush.
struct WaitingRow {
  Detector* detector;
  const VerdictSink* sink;
  bool has_window;
};

// Rows without a window cost little, but their verdicts should not wait for long either.
inline bool batch_is_full(std::size_t rows, std::size_t windows, std::size_t windows_at_once) {
  return windows >= windows_at_once || rows >= 16 * windows_at_once;
}

}  // namespace anomctl::manage
