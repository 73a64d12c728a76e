// What a V2 inference request's JSON says, gathered event by event from the parser (infer_request.cpp). Thread rule:
// one thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "anomctl/io/openinference/infer_request.h"

namespace anomctl::v2 {

// One entry of `inputs` as it came, before it is checked.
struct RawInput {
  InferInput tensor;
  bool has_name = false, has_shape = false, has_datatype = false, has_data = false;
  bool has_null = false, has_text = false, ragged = false;
  std::string datatype_text;
  std::optional<std::uint64_t> binary_bytes;
  std::vector<std::size_t> nesting;  // sizes of nested `data`, outermost first
  std::size_t leaf_depth = 0;        // at which its first element stood, all others must too
  std::size_t begin = 0, end = 0;    // of the object in the JSON text
};

inline constexpr std::size_t kMostFaults = 16;  // that are kept and told

// A value of the wrong kind: where, and what was wanted.
struct TypeFault {
  std::string location, type, message;
};

class InferEvents {
 public:
  explicit InferEvents(const InferLimits& limits) : limits_(limits) {}

  // Position in the text, set by the reader before each event of an object.
  std::size_t position = 0;

  bool null();
  bool boolean(bool value);
  bool whole(std::int64_t value);
  bool number(double value);
  bool text(std::string_view value);
  bool key(std::string_view name);
  bool start_object();
  bool end_object();
  bool start_array();
  bool end_array();

  InferRequest request;
  std::vector<RawInput> inputs;
  std::vector<TypeFault> faults;
  bool is_object = false, has_inputs = false;
  std::string stopped;  // why an event returned false

 private:
  enum class In {
    root,
    parameters,
    inputs,
    input,
    input_parameters,
    shape,
    data,
    outputs,
    output,
    output_parameters,
    ignored
  };
  enum class Key {
    other,
    id,
    parameters,
    inputs,
    outputs,
    name,
    shape,
    datatype,
    data,
    content_type,
    binary_data,
    binary_data_size,
    binary_data_output
  };

  In top() const { return stack_.back(); }
  bool push(In in);
  bool element();  // room for one more element of data
  void close_nesting(std::size_t size);
  void wrong_kind(std::string_view type, std::string_view message);
  std::string input_location(std::string_view field) const;
  void scalar_elsewhere(bool is_text);
  void wrong_kind_at_root(bool wrong);
  std::string shape_location() const;
  void note_fault(TypeFault fault);

  const InferLimits limits_;
  std::vector<In> stack_;
  std::vector<std::size_t> sizes_;  // items so far of each open array of data
  Key key_ = Key::other;
};

}  // namespace anomctl::v2
