#include "anomctl/model/tensors.h"

#include <fmt/core.h>

#include <bit>
#include <cstring>
#include <limits>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "model/number_kinds.h"

namespace anomctl {
namespace {

constexpr std::uint64_t kMostHeaderBytes = 100'000'000;  // the format's own bound
constexpr std::size_t kMostDimensions = 8;

Error bad(const std::string& where, const std::string& what) { return input_error(fmt::format("{}: {}", where, what)); }

// Shape and byte range of one entry, checked against the data's length before anything is allocated.
Tensor read_tensor(const Json& entry, std::string_view data, const std::string& where) {
  const std::string& kind_name = entry.at("dtype").as_string();
  const NumberKind* kind = find_number_kind(kind_name);
  if (kind == nullptr) throw bad(where, fmt::format("type {} is not read", kind_name));
  Tensor tensor;
  std::uint64_t count = 1;
  for (const Json& dimension : entry.at("shape").as_array()) {
    const std::int64_t size = dimension.as_int();
    if (size < 0 || tensor.shape.size() == kMostDimensions) throw bad(where, "the shape is not sensible");
    if (size > 0 && count > data.size() / static_cast<std::uint64_t>(size))
      throw bad(where, "the shape is larger than the file");
    count *= static_cast<std::uint64_t>(size);
    tensor.shape.push_back(size);
  }
  const auto& offsets = entry.at("data_offsets").as_array();
  if (offsets.size() != 2) throw bad(where, "data_offsets needs two numbers");
  const std::int64_t begin = offsets[0].as_int(), end = offsets[1].as_int();
  if (begin < 0 || end < begin || static_cast<std::uint64_t>(end) > data.size() ||
      static_cast<std::uint64_t>(end - begin) != count * kind->bytes) {
    throw bad(where, fmt::format("bytes {} to {} do not hold {} values of {} in {} bytes of data", begin, end, count,
                                 kind_name, data.size()));
  }
  tensor.values.resize(count);
  const char* from = data.data() + begin;
  for (std::uint64_t i = 0; i < count; ++i) tensor.values[i] = kind->read(from + i * kind->bytes);
  return tensor;
}

}  // namespace

std::int64_t Tensor::size() const {
  std::int64_t n = 1;
  for (const std::int64_t s : shape) n *= s;
  return n;
}

TensorMap parse_safetensors(std::string_view bytes, const std::string& where) {
  static_assert(std::endian::native == std::endian::little);
  if (bytes.size() < 8) throw bad(where, "too short for a safetensors file");
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), sizeof(header_size));
  if (header_size > kMostHeaderBytes || header_size > bytes.size() - 8) {
    throw bad(where, fmt::format("a header of {} bytes does not fit a safetensors file of {} bytes", header_size,
                                 bytes.size()));
  }
  const Json header = Json::parse(bytes.substr(8, header_size), where, {.max_bytes = kMostHeaderBytes, .max_depth = 8});
  if (!header.is_object()) throw bad(where, "the header is no JSON object");
  const std::string_view data = bytes.substr(8 + header_size);
  TensorMap tensors;
  std::uint64_t total = 0;
  for (const auto& [name, entry] : header.as_object()) {
    if (name == "__metadata__") continue;
    const std::string place = fmt::format("{}: tensor '{}'", where, name);
    Tensor tensor;
    try {
      tensor = read_tensor(entry, data, place);
    } catch (const Error& e) {
      const std::string what = e.what();
      throw what.starts_with(place) ? e : bad(place, what);
    }
    // Entries may not share bytes: a small file must not grow into a large allocation.
    total += tensor.values.size();
    if (total > data.size() / 2) throw bad(place, "the tensors are larger than the file");
    if (!tensors.emplace(name, std::move(tensor)).second) throw bad(place, "stands twice");
  }
  return tensors;
}

TensorMap load_safetensors(const fs::path& path, std::uint64_t max_bytes) {
  return parse_safetensors(read_file(path, max_bytes), path.string());
}

std::string to_safetensors(const TensorMap& tensors, const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) {
    Json& m = header["__metadata__"];
    for (const auto& [key, value] : metadata) m[key] = value;
  }
  std::int64_t offset = 0;
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    const auto bytes = static_cast<std::int64_t>(tensor.values.size() * sizeof(float));
    Json& entry = header[name];
    entry["dtype"] = "F32";
    entry["shape"] = Json(tensor.shape);
    entry["data_offsets"] = Json(Json::Array{offset, offset + bytes});
    data.append(reinterpret_cast<const char*>(tensor.values.data()), static_cast<std::size_t>(bytes));
    offset += bytes;
  }
  std::string head = header.dump();
  head.append((8 - head.size() % 8) % 8, ' ');
  const auto size = static_cast<std::uint64_t>(head.size());
  std::string out(reinterpret_cast<const char*>(&size), 8);
  return out + head + data;
}

}  // namespace anomctl
