// A pickle (protocol 2, as torch.save writes it) as plain data. Nothing is called and nothing imported: of all names
// that a pickle may refer to, those of kNames are known and stand for what they are; any other is refused by name.
// Bounded in memory by kMostValues, and without recursion. Thread rule: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace anomctl::torch_file {

using Index = std::uint32_t;  // of a value in its pickle: values may be shared, and hold one another in a ring

struct Value {
  enum class Kind : std::uint8_t {
    none,
    boolean,
    integer,
    real,
    text,
    tuple,
    list,
    dict,
    name,
    storage,
    tensor,
    module
  };
  Kind kind = Kind::none;
  std::int64_t integer = 0;  // also of a boolean
  std::string_view text;     // a text; a name as "torch FloatStorage"
  // Of a tuple and a list; of a dict key, value, key, value; of a storage and a tensor what they were made of; of a
  // module its state, a dict, once it is known.
  std::vector<Index> items;
};

class Pickle {
 public:
  // `bytes` must outlive it. Throws Error(bad_input) that begins with `where`.
  Pickle(std::string_view bytes, const std::string& where);
  Index root() const { return root_; }
  const Value& at(Index index) const { return values_[index]; }
  // The value of a text key in a dict; null where it is not there.
  const Value* member(const Value& dict, std::string_view key) const;

 private:
  friend class PickleReader;
  std::vector<Value> values_;
  Index root_ = 0;
};

}  // namespace anomctl::torch_file
