// Readings from strangers: any bytes give readings or an error.
#include <string_view>

#include "anomctl/data/sensor_payload.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const std::vector<std::string> columns = {"flow", "power", "temp"};
  static const anomctl::SensorPayload payload(columns);
  const auto result = payload.parse({reinterpret_cast<const char*>(data), size});
  if (!result.error.empty() && !result.readings.empty()) __builtin_trap();
  for (const auto& reading : result.readings)
    if (reading.values.size() != columns.size() || reading.given.size() != columns.size()) __builtin_trap();
  return 0;
}
