#include "model/torch_file/pickled_tensors.h"

#include <fmt/core.h>

#include "anomctl/core/error.h"
#include "model/number_kinds.h"

namespace anomctl::torch_file {
namespace {

using Kind = Value::Kind;

constexpr std::size_t kMostDimensions = 8, kMostTensors = 100'000, kMostModules = 10'000, kDeepestModule = 32,
                      kMostEntries = 1'000'000;

struct StorageKind {
  std::string_view name;
  const char* numbers;  // as safetensors names them
};
constexpr StorageKind kStorages[] = {{"torch FloatStorage", "F32"},
                                     {"torch DoubleStorage", "F64"},
                                     {"torch HalfStorage", "F16"},
                                     {"torch BFloat16Storage", "BF16"},
                                     {"torch LongStorage", "I64"}};

struct Layout {
  std::vector<std::int64_t> shape, stride;
  std::int64_t offset = 0, count = 1;
};

class Checkpoint {
 public:
  Checkpoint(const Pickle& pickle, const Entries& entries, std::size_t bytes, const std::string& where)
      : pickle_(pickle), entries_(entries), most_values_(bytes / 2), where_(where) {}

  TensorMap read() {
    const Value& root = pickle_.at(pickle_.root());
    if (root.kind == Kind::module) {
      read_module(root, "", 0);
    } else if (root.kind == Kind::dict) {
      read_dict(root, "", false);
    } else {
      throw bad("it holds neither a state_dict nor a module: save model.state_dict()");
    }
    if (tensors_.empty()) throw bad("it holds no tensors");
    return std::move(tensors_);
  }

 private:
  Error bad(const std::string& what) const { return input_error(fmt::format("{}: {}", where_, what)); }
  Error bad(const std::string& tensor, const std::string& what) const {
    std::string name = tensor.substr(0, 80);
    for (char& c : name)
      if (c < ' ' || c > '~') c = '?';
    return bad(fmt::format("tensor '{}': {}", name, what));
  }

  std::string key_of(const Value& dict, std::size_t i) const {
    const Value& key = pickle_.at(dict.items[i]);
    if (key.kind != Kind::text || key.text.size() > 1000) throw bad("a name of a tensor that is no short text");
    return std::string(key.text);
  }

  // Names in all that is walked through: what is named again and again is read again and again.
  void count(const Value& dict) {
    walked_ += dict.items.size() / 2;
    if (walked_ > kMostEntries) throw bad("its modules are named again and again");
  }

  // `of_module`: a parameter may be None, as the bias of a layer without one.
  void read_dict(const Value& dict, const std::string& prefix, bool of_module) {
    count(dict);
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const std::string name = prefix + key_of(dict, i);
      const Value& value = pickle_.at(dict.items[i + 1]);
      if (value.kind == Kind::none && of_module) continue;
      if (value.kind != Kind::tensor) throw bad(name, "is no tensor: save model.state_dict() alone");
      if (tensors_.size() == kMostTensors) throw bad("it has too many tensors");
      if (tensors_.contains(name)) throw bad(name, "stands twice");
      tensors_.emplace(name, read_tensor(value, name));
    }
  }

  // Parameters and buffers of a module, then those of the modules in it, as state_dict() names them.
  void read_module(const Value& module, const std::string& prefix, std::size_t depth) {
    if (depth > kDeepestModule || ++modules_ > kMostModules) throw bad("its modules are nested too deep, or in a ring");
    const Value* state = module.items.empty() ? nullptr : &pickle_.at(module.items.front());
    if (state != nullptr) count(*state);
    const auto part = [&](std::string_view name) -> const Value& {
      const Value* found = state == nullptr ? nullptr : pickle_.member(*state, name);
      if (found == nullptr || found->kind != Kind::dict) throw bad(fmt::format("a module without {}", name));
      return *found;
    };
    for (const char* list : {"_parameters", "_buffers"}) read_dict(part(list), prefix, true);
    const Value& inner = part("_modules");
    for (std::size_t i = 0; i + 1 < inner.items.size(); i += 2) {
      const Value& one = pickle_.at(inner.items[i + 1]);
      if (one.kind != Kind::module) throw bad("a module that is none");
      read_module(one, prefix + key_of(inner, i) + '.', depth + 1);
    }
  }

  Tensor read_tensor(const Value& value, const std::string& name) {
    // storage, offset, size, stride, requires_grad, hooks[, metadata]
    if (value.items.size() < 4 || pickle_.at(value.items[0]).kind != Kind::storage) throw bad(name, "has no storage");
    const Value& storage = pickle_.at(value.items[0]);
    const NumberKind& numbers = kind_of(storage, name);
    const std::string_view bytes = bytes_of(storage, numbers, name);
    const Layout layout = layout_of(value, static_cast<std::int64_t>(bytes.size() / numbers.bytes), name);
    // Tensors may share bytes, but a small file must not grow into a large allocation.
    values_ += static_cast<std::size_t>(layout.count);
    if (values_ > most_values_) throw bad(name, "the tensors are larger than the file");
    Tensor tensor{layout.shape, std::vector<float>(static_cast<std::size_t>(layout.count))};
    std::vector<std::int64_t> at(layout.shape.size(), 0);
    std::int64_t from = layout.offset;
    for (float& out : tensor.values) {
      out = numbers.read(bytes.data() + static_cast<std::size_t>(from) * numbers.bytes);
      // The next place, the last dimension first.
      for (std::size_t d = at.size(); d-- > 0;) {
        from += layout.stride[d];
        if (++at[d] < layout.shape[d]) break;
        from -= layout.stride[d] * layout.shape[d];
        at[d] = 0;
      }
    }
    return tensor;
  }

  // ("storage", type, key, device, number of values)
  const NumberKind& kind_of(const Value& storage, const std::string& name) const {
    if (storage.items.size() != 5) throw bad(name, "its storage is not described as torch.save does");
    const Value& type = pickle_.at(storage.items[1]);
    if (pickle_.at(storage.items[0]).text == "storage" && type.kind == Kind::name)
      for (const StorageKind& known : kStorages)
        if (known.name == type.text) return *find_number_kind(known.numbers);
    throw bad(name, "its storage holds no numbers that are read (float32, float64, float16, bfloat16, int64)");
  }

  std::string_view bytes_of(const Value& storage, const NumberKind& numbers, const std::string& name) const {
    const Value &key = pickle_.at(storage.items[2]), &count = pickle_.at(storage.items[4]);
    const auto found = key.kind == Kind::text ? entries_.find("data/" + std::string(key.text)) : entries_.end();
    if (found == entries_.end()) throw bad(name, "its values are not in the archive");
    const std::uint64_t size = found->second.size();
    if (count.kind != Kind::integer || count.integer < 0 || size % numbers.bytes != 0 ||
        size / numbers.bytes != static_cast<std::uint64_t>(count.integer))
      throw bad(name, fmt::format("{} values of {} do not fill {} bytes", count.integer, numbers.name, size));
    return found->second;
  }

  std::vector<std::int64_t> whole_numbers(const Value& tuple, const std::string& name) const {
    if (tuple.kind != Kind::tuple || tuple.items.size() > kMostDimensions) throw bad(name, "the shape is not sensible");
    std::vector<std::int64_t> out;
    for (const auto index : tuple.items) {
      const Value& number = pickle_.at(index);
      if (number.kind != Kind::integer || number.integer < 0) throw bad(name, "the shape is not sensible");
      out.push_back(number.integer);
    }
    return out;
  }

  // Shape and strides, checked to stay within the storage of `available` values, each value used once.
  Layout layout_of(const Value& value, std::int64_t available, const std::string& name) const {
    Layout layout;
    const Value& offset = pickle_.at(value.items[1]);
    layout.shape = whole_numbers(pickle_.at(value.items[2]), name);
    layout.stride = whole_numbers(pickle_.at(value.items[3]), name);
    if (offset.kind != Kind::integer || offset.integer < 0 || layout.shape.size() != layout.stride.size())
      throw bad(name, "the shape is not sensible");
    layout.offset = offset.integer;
    for (const std::int64_t size : layout.shape)
      if (size == 0) layout.count = 0;
    if (layout.count == 0) return layout;
    std::int64_t last = layout.offset;
    for (std::size_t d = 0; d < layout.shape.size(); ++d) {
      const std::int64_t size = layout.shape[d], stride = layout.stride[d];
      const bool too_long = layout.count > available / size || (size > 1 && stride > available / (size - 1));
      if (too_long) throw bad(name, fmt::format("the shape is larger than its storage of {} values", available));
      layout.count *= size;
      if (size > 1)
        last += stride * (size - 1);
      else
        layout.stride[d] = 0;  // never taken
    }
    if (layout.offset > available || last >= available)
      throw bad(name, fmt::format("value {} of a storage of {} is asked for", last, available));
    return layout;
  }

  const Pickle& pickle_;
  const Entries& entries_;
  const std::size_t most_values_;
  const std::string& where_;
  TensorMap tensors_;
  std::size_t values_ = 0, modules_ = 0, walked_ = 0;
};

}  // namespace

TensorMap pickled_tensors(const Pickle& pickle, const Entries& entries, std::size_t file_bytes,
                          const std::string& where) {
  return Checkpoint(pickle, entries, file_bytes, where).read();
}

}  // namespace anomctl::torch_file
