#include "anomctl/model/world.h"

#include <fmt/core.h>

#include "anomctl/core/error.h"
#include "anomctl/core/fields.h"

namespace anomctl {
namespace {

using Lookup = std::function<std::optional<std::string>(const std::string&)>;

std::optional<std::string> text(const Lookup& environment, const std::string& name) {
  auto value = environment(name);
  if (value && value->empty()) value.reset();
  return value;
}

std::optional<std::int64_t> number(const Lookup& environment, const std::string& name, std::int64_t least,
                                   std::int64_t most) {
  const auto value = text(environment, name);
  if (!value) return std::nullopt;
  std::int64_t n = 0;
  try {
    parse_value(*value, n);
  } catch (const UsageError&) {
    n = least - 1;
  }
  if (n < least || n > most) {
    throw UsageError(fmt::format("{}='{}' in the environment is no whole number from {} to {}: torchrun sets it", name,
                                 *value, least, most));
  }
  return n;
}

}  // namespace

std::string World::name() const { return fmt::format("rank {} of {}", rank, size); }

World world_from(const Lookup& environment) {
  constexpr std::int64_t kMost = 1'000'000;
  World w;
  const auto size = number(environment, "WORLD_SIZE", 1, kMost);
  w.size = size.value_or(1);
  const auto rank = number(environment, "RANK", 0, size ? w.size - 1 : kMost);
  if (rank && !size)
    throw UsageError("RANK is set, but not WORLD_SIZE: start with torchrun --no-python anomctl train ..., or unset it");
  w.attempt = number(environment, "TORCHELASTIC_RESTART_COUNT", 0, kMost).value_or(0);
  if (w.size == 1) return w;
  if (!rank) {
    throw UsageError(fmt::format(
        "WORLD_SIZE={} is set, but not RANK: start with torchrun --no-python anomctl train ..., or unset it", w.size));
  }
  w.rank = *rank;
  w.local_size = number(environment, "LOCAL_WORLD_SIZE", 1, w.size).value_or(w.size);
  w.local_rank = number(environment, "LOCAL_RANK", 0, w.local_size - 1).value_or(w.rank % w.local_size);
  const auto address = text(environment, "MASTER_ADDR");
  const auto port = number(environment, "MASTER_PORT", 1, 65535);
  if (!address || !port) {
    throw UsageError(fmt::format("WORLD_SIZE={} is set, but not {}, where the processes meet: torchrun sets both",
                                 w.size, address ? "MASTER_PORT" : "MASTER_ADDR"));
  }
  w.master_address = *address;
  w.master_port = static_cast<std::uint16_t>(*port);
  w.agent_store = text(environment, "TORCHELASTIC_USE_AGENT_STORE") == "True";
  return w;
}

std::string device_for(const World& world, const std::string& device, std::int64_t gpus) {
  if (world.size == 1) return device;
  if (device == "auto") return gpus >= world.local_size ? fmt::format("cuda:{}", world.local_rank) : "cpu";
  if (device == "cuda") return fmt::format("cuda:{}", world.local_rank);
  if (device.starts_with("cuda:") && world.local_size > 1) {
    throw UsageError(
        fmt::format("--device {}: {} processes of this machine would share one GPU; --device cuda gives each its own",
                    device, world.local_size));
  }
  return device;
}

}  // namespace anomctl
