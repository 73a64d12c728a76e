// Tensors of the V2 Open Inference Protocol. Numbers are kept as doubles, rounded to what their datatype can hold, so a
// tensor means the same whether it came as JSON or as bytes. Thread rule: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace anomctl::v2 {

enum class DataType { boolean, uint8, uint16, uint32, uint64, int8, int16, int32, int64, fp16, fp32, fp64, bytes };

std::optional<DataType> parse_data_type(std::string_view name);  // "FP32"
std::string_view name_of(DataType type);
// Bytes an element in the binary tensor extension; 0 for BYTES, whose elements carry their length.
std::size_t element_size(DataType type);
inline constexpr std::string_view kDataTypeNames =
    "'BOOL', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64', 'FP16', 'FP32', 'FP64' or "
    "'BYTES'";

// `value` as the datatype holds it; nothing where it cannot (a fraction or a number out of range in an integer type).
// NaN stays NaN.
std::optional<double> as_held_by(DataType type, double value);
// Little-endian elements of a fixed size. Requires: bytes.size() is a multiple of element_size(type), which is not 0.
std::vector<double> decode_numbers(DataType type, std::string_view bytes);
void append_number(DataType type, double value, std::string& bytes);
// Elements of BYTES: each a little-endian uint32 length and its bytes; nothing where they do not fit exactly.
std::optional<std::vector<std::string>> decode_texts(std::string_view bytes);
// Product of the shape; nothing for a negative entry or a product over `limit`.
std::optional<std::uint64_t> element_count(const std::vector<std::int64_t>& shape, std::uint64_t limit);

}  // namespace anomctl::v2
