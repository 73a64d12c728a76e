// Readings from strangers: any bytes give readings or an error, and rows come out of the assembler.
#include <string_view>

#include "anomctl/data/sensor_payload.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const std::vector<std::string> columns = {"flow", "power", "temp"};
  static const anomctl::SensorPayload payload(columns);
  const auto result = payload.parse({reinterpret_cast<const char*>(data), size});
  if (!result.error.empty() && !result.readings.empty()) __builtin_trap();
  anomctl::RowAssembler assembler(columns.size());
  std::vector<anomctl::Row> rows;
  for (const auto& reading : result.readings) assembler.add(reading, 1, rows);
  assembler.finish(rows);
  for (const auto& row : rows)
    if (row.values.size() != columns.size() || anomctl::sensor_message(columns, row).empty()) __builtin_trap();
  return 0;
}
