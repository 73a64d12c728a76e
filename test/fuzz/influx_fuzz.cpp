// InfluxDB exports: any bytes are columns of finite values in order of time, or an Error.
#include <cmath>
#include <string>

#include "anomctl/data/influx.h"

using namespace anomctl;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size > 1 << 16) return 0;
  ReadReport report;
  InfluxSettings settings;
  settings.bad_cells = BadCells::missing;
  try {
    const InfluxSource source =
        open_influx(bytes_of({reinterpret_cast<const char*>(data), size}), "fuzz", settings, report);
    Row row;
    Nanoseconds last = 0;
    bool any = false;
    while (source.rows->next(row)) {
      if (row.values.size() != source.rows->columns().size() || (any && row.time <= last)) __builtin_trap();
      bool value = false;
      for (const double v : row.values) value = value || std::isfinite(v);
      if (!value) __builtin_trap();
      last = row.time;
      any = true;
    }
    report.sentences(source.rows->columns());
  } catch (const Error&) {
  }
  return 0;
}
