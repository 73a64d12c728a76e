#include "io/openinference/infer_events.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

namespace anomctl::v2 {

namespace {
constexpr std::size_t kMostDimensions = 16;
}  // namespace

bool InferEvents::push(In in) {
  if (stack_.size() >= limits_.max_depth) {
    stopped = "the JSON is nested deeper than " + std::to_string(limits_.max_depth);
    return false;
  }
  stack_.push_back(in);
  return true;
}

bool InferEvents::key(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, Key>, 12> kKeys{
      {{"id", Key::id},
       {"parameters", Key::parameters},
       {"inputs", Key::inputs},
       {"outputs", Key::outputs},
       {"name", Key::name},
       {"shape", Key::shape},
       {"datatype", Key::datatype},
       {"data", Key::data},
       {"content_type", Key::content_type},
       {"binary_data", Key::binary_data},
       {"binary_data_size", Key::binary_data_size},
       {"binary_data_output", Key::binary_data_output}}};
  key_ = Key::other;
  for (const auto& [text, value] : kKeys)
    if (text == name) key_ = value;
  return true;
}

bool InferEvents::start_object() {
  if (stack_.empty()) {
    is_object = true;
    return push(In::root);
  }
  switch (top()) {
    case In::root:
      wrong_kind_at_root(key_ != Key::parameters);
      return push(key_ == Key::parameters ? In::parameters : In::ignored);
    case In::inputs:
      if (inputs.size() >= limits_.max_tensors) {
        stopped = "more than " + std::to_string(limits_.max_tensors) + " inputs";
        return false;
      }
      inputs.emplace_back();
      inputs.back().begin = position;
      return push(In::input);
    case In::input:
      if (key_ == Key::parameters) return push(In::input_parameters);
      wrong_kind("", "");
      return push(In::ignored);
    case In::outputs:
      if (request.outputs.size() >= limits_.max_tensors) {
        stopped = "more than " + std::to_string(limits_.max_tensors) + " outputs";
        return false;
      }
      request.outputs.emplace_back();
      return push(In::output);
    case In::output:
      return push(key_ == Key::parameters ? In::output_parameters : In::ignored);
    case In::data:
      stopped = "data holds an object";
      return false;
    default:
      return push(In::ignored);
  }
}

bool InferEvents::end_object() {
  if (top() == In::input) inputs.back().end = position;
  stack_.pop_back();
  key_ = Key::other;
  return true;
}

bool InferEvents::start_array() {
  if (stack_.empty()) return push(In::ignored);
  switch (top()) {
    case In::root:
      if (key_ == Key::inputs) {
        has_inputs = true;
        inputs.clear();
        return push(In::inputs);
      }
      if (key_ == Key::outputs) {
        request.outputs.clear();
        return push(In::outputs);
      }
      wrong_kind_at_root(true);
      return push(In::ignored);
    case In::shape:
      note_fault({shape_location(), "int_type", "Input should be a valid integer"});
      return push(In::ignored);
    case In::input: {
      RawInput& input = inputs.back();
      if (key_ == Key::shape) {
        input.has_shape = true;
        input.tensor.shape.clear();
        return push(In::shape);
      }
      if (key_ == Key::data) {
        input.has_data = true;
        input.tensor.numbers.clear();
        input.tensor.texts.clear();
        input.nesting.clear();
        input.leaf_depth = 0;
        input.ragged = input.has_null = input.has_text = false;
        // A hint only: the numbers that come decide.
        if (const auto count = element_count(input.tensor.shape, limits_.max_elements); count && *count <= 1U << 20)
          input.tensor.numbers.reserve(*count);
        sizes_.assign(1, 0);
        return push(In::data);
      }
      wrong_kind("", "");
      return push(In::ignored);
    }
    case In::data:
      ++sizes_.back();
      sizes_.push_back(0);
      return push(In::data);
    default:
      return push(In::ignored);
  }
}

bool InferEvents::end_array() {
  if (top() == In::data) close_nesting(sizes_.back());
  stack_.pop_back();
  key_ = Key::other;
  return true;
}

// All arrays of one depth must have one size.
void InferEvents::close_nesting(std::size_t size) {
  RawInput& input = inputs.back();
  const std::size_t depth = sizes_.size();
  if (input.nesting.size() < depth) input.nesting.resize(depth, std::numeric_limits<std::size_t>::max());
  std::size_t& known = input.nesting[depth - 1];
  if (known == std::numeric_limits<std::size_t>::max())
    known = size;
  else if (known != size)
    input.ragged = true;
  sizes_.pop_back();
}

bool InferEvents::element() {
  ++sizes_.back();
  RawInput& input = inputs.back();
  if (input.leaf_depth == 0) input.leaf_depth = sizes_.size();
  if (input.leaf_depth != sizes_.size()) input.ragged = true;
  const InferInput& tensor = input.tensor;
  if (tensor.numbers.size() + tensor.texts.size() <= limits_.max_elements) return true;
  stopped = "a tensor holds more than " + std::to_string(limits_.max_elements) + " elements";
  return false;
}

bool InferEvents::null() {
  if (!stack_.empty() && top() == In::data) {
    inputs.back().has_null = true;
    inputs.back().tensor.numbers.push_back(std::numeric_limits<double>::quiet_NaN());
    return element();
  }
  // An optional field that is null is a field left out; inputs is none.
  if (!stack_.empty() && top() == In::root && key_ == Key::inputs) wrong_kind_at_root(true);
  return true;
}

bool InferEvents::boolean(bool value) {
  if (!stack_.empty()) {
    if (top() == In::data) {
      inputs.back().tensor.numbers.push_back(value ? 1 : 0);
      return element();
    }
    if (top() == In::parameters && key_ == Key::binary_data_output) request.binary_output = value;
    if (top() == In::output_parameters && key_ == Key::binary_data) request.outputs.back().binary = value;
  }
  scalar_elsewhere(false);
  return true;
}

bool InferEvents::whole(std::int64_t value) {
  if (!stack_.empty()) {
    if (top() == In::data) return number(static_cast<double>(value));
    if (top() == In::shape) {
      inputs.back().tensor.shape.push_back(value);
      if (inputs.back().tensor.shape.size() <= kMostDimensions) return true;
      stopped = "a shape has more than " + std::to_string(kMostDimensions) + " dimensions";
      return false;
    }
    if (top() == In::input_parameters && key_ == Key::binary_data_size && value >= 0) {
      inputs.back().binary_bytes = static_cast<std::uint64_t>(value);
      return true;
    }
  }
  scalar_elsewhere(false);
  return true;
}

bool InferEvents::number(double value) {
  if (!stack_.empty() && top() == In::data) {
    inputs.back().tensor.numbers.push_back(value);
    return element();
  }
  if (!stack_.empty() && top() == In::shape) {
    // A float that is whole is taken, as Python's servers take it.
    if (std::trunc(value) == value && std::abs(value) < 1e15) return whole(static_cast<std::int64_t>(value));
    note_fault({shape_location(), "int_from_float", "Input should be a valid integer"});
    return true;
  }
  scalar_elsewhere(false);
  return true;
}

bool InferEvents::text(std::string_view value) {
  if (stack_.empty()) return true;
  switch (top()) {
    case In::root:
      if (key_ == Key::id) request.id = value;
      break;
    case In::parameters:
      if (key_ == Key::content_type) request.content_type = value;
      break;
    case In::input:
      if (key_ == Key::name) {
        inputs.back().tensor.name = value;
        inputs.back().has_name = true;
      } else if (key_ == Key::datatype) {
        inputs.back().datatype_text = value;
        inputs.back().has_datatype = true;
      }
      break;
    case In::input_parameters:
      if (key_ == Key::content_type) inputs.back().tensor.content_type = value;
      break;
    case In::output:
      if (key_ == Key::name) request.outputs.back().name = value;
      break;
    case In::shape: {
      std::int64_t size = 0;
      const auto result = std::from_chars(value.data(), value.data() + value.size(), size);
      if (result.ec == std::errc() && result.ptr == value.data() + value.size()) return whole(size);
      note_fault({shape_location(), "int_parsing", "Input should be a valid integer"});
      return true;
    }
    case In::data:
      inputs.back().has_text = true;
      inputs.back().tensor.texts.emplace_back(value);
      return element();
    default:
      break;
  }
  scalar_elsewhere(true);
  return true;
}

void InferEvents::note_fault(TypeFault fault) {
  if (faults.size() < kMostFaults) faults.push_back(std::move(fault));
}

std::string InferEvents::input_location(std::string_view field) const {
  return "[\"body\",\"inputs\"," + std::to_string(inputs.size() - 1) + ",\"" + std::string(field) + "\"]";
}

// A field of an input that holds an object or array where a text belongs, or the other way round.
void InferEvents::wrong_kind(std::string_view type, std::string_view message) {
  RawInput& input = inputs.back();
  auto fault = [&](std::string_view field, std::string_view fallback_type, std::string_view fallback) {
    note_fault({input_location(field), std::string(type.empty() ? fallback_type : type),
                std::string(message.empty() ? fallback : message)});
  };
  if (key_ == Key::name) {
    input.has_name = true;
    fault("name", "string_type", "Input should be a valid string");
  } else if (key_ == Key::datatype) {
    input.has_datatype = true;
    fault("datatype", "string_type", "Input should be a valid string");
  } else if (key_ == Key::shape) {
    input.has_shape = true;
    fault("shape", "list_type", "Input should be a valid list");
  } else if (key_ == Key::data) {
    input.has_data = true;
    fault("data", "list_type", "Input should be a valid list");
  }
}

std::string InferEvents::shape_location() const {
  return "[\"body\",\"inputs\"," + std::to_string(inputs.size() - 1) + ",\"shape\"," +
         std::to_string(inputs.back().tensor.shape.size()) + "]";
}

// A field of the request that holds something else than it should.
void InferEvents::wrong_kind_at_root(bool wrong) {
  if (!wrong) return;
  if (key_ == Key::inputs) {
    has_inputs = true;
    note_fault({R"(["body","inputs"])", "list_type", "Input should be a valid list"});
  } else if (key_ == Key::outputs) {
    note_fault({R"(["body","outputs"])", "list_type", "Input should be a valid list"});
  } else if (key_ == Key::id) {
    note_fault({R"(["body","id"])", "string_type", "Input should be a valid string"});
  } else if (key_ == Key::parameters) {
    note_fault({R"(["body","parameters"])", "model_attributes_type",
                "Input should be a valid dictionary or object to extract fields from"});
  }
}

// A scalar that stands where no scalar was read above.
void InferEvents::scalar_elsewhere(bool is_text) {
  if (stack_.empty()) return;
  if (top() == In::root) {
    wrong_kind_at_root(key_ != Key::id || !is_text);
  } else if (top() == In::outputs) {
    note_fault({R"(["body","outputs"])", "model_attributes_type",
                "Input should be a valid dictionary or object to extract fields from"});
  } else if (top() == In::inputs) {
    note_fault({R"(["body","inputs"])", "model_attributes_type",
                "Input should be a valid dictionary or object to extract fields from"});
  } else if (top() == In::input) {
    const bool text_field = key_ == Key::name || key_ == Key::datatype;
    if (text_field != is_text || key_ == Key::shape || key_ == Key::data) wrong_kind("", "");
  }
}

}  // namespace anomctl::v2
