#include "model/torch_file/pickle.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "anomctl/core/error.h"

namespace anomctl::torch_file {
namespace {

constexpr std::size_t kMostBytes = 16U << 20, kMostValues = 500'000, kDeepest = 1000, kMostArguments = 8;

constexpr std::string_view kOrderedDict = "collections OrderedDict";
constexpr std::string_view kRebuildTensor = "torch._utils _rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils _rebuild_parameter";

constexpr std::string_view kModule = "module";

constexpr std::array<std::string_view, 10> kNames = {
    kOrderedDict,         kRebuildTensor,        kRebuildParameter,   "__builtin__ set",       "builtins set",
    "torch FloatStorage", "torch DoubleStorage", "torch HalfStorage", "torch BFloat16Storage", "torch LongStorage"};
// Classes of a whole module. They say only that an object has parameters and further modules.
constexpr std::array<std::string_view, 9> kTorchModules = {"torch.nn.modules.padding ConstantPad1d",
                                                           "torch.nn.modules.conv Conv1d",
                                                           "torch.nn.modules.activation ReLU",
                                                           "torch.nn.modules.activation LeakyReLU",
                                                           "torch.nn.modules.activation Sigmoid",
                                                           "torch.nn.modules.linear Linear",
                                                           "torch.nn.modules.rnn GRU",
                                                           "torch.nn.modules.container ModuleList",
                                                           "torch.nn.modules.dropout Dropout"};
// The original's own classes, whatever file of its user's they stand in.
constexpr std::array<std::string_view, 8> kOriginalModules = {
    "ConvLayer",  "FeatureAttentionLayer", "TemporalAttentionLayer", "GRULayer",
    "RNNDecoder", "ReconstructionModel",   "Forecasting_Model",      "MTAD_GAT"};
constexpr std::array<std::string_view, 4> kOriginalFiles = {"architecture", "mtad_gat", "modules", "__main__"};

template <std::size_t N>
bool holds(const std::array<std::string_view, N>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

// The name as it stands in the lists; empty for one that does not.
std::string_view known(std::string_view module, std::string_view name) {
  const auto same = [&](std::string_view listed) {
    return listed.size() == module.size() + 1 + name.size() && listed.starts_with(module) &&
           listed[module.size()] == ' ' && listed.ends_with(name);
  };
  for (const std::string_view listed : kNames)
    if (same(listed)) return listed;
  for (const std::string_view listed : kTorchModules)
    if (same(listed)) return kModule;
  return holds(kOriginalFiles, module) && holds(kOriginalModules, name) ? kModule : std::string_view();
}

// For a message.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, 80));
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  return out;
}

}  // namespace

class PickleReader {
 public:
  PickleReader(Pickle& pickle, std::string_view bytes, const std::string& where)
      : pickle_(pickle), bytes_(bytes), where_(where) {}

  Index read() {
    if (bytes_.size() > kMostBytes) throw bad(fmt::format("{} bytes are too many", bytes_.size()));
    while (true) {
      const char code = take<char>();
      if (code == '.') break;
      if (!constant(code) && !collection(code) && !memory(code)) step(code);
    }
    if (stack_.size() != 1 || !marks_.empty()) throw bad("it does not end in one value");
    return stack_.front();
  }

 private:
  using Kind = Value::Kind;
  Error bad(const std::string& what) const {
    return input_error(fmt::format("{}: the pickle, byte {}: {}", where_, at_, what));
  }

  template <class T>
  T take() {
    if (bytes_.size() - at_ < sizeof(T)) throw bad("it is cut off");
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  std::string_view take_text(std::size_t size) {
    if (bytes_.size() - at_ < size) throw bad("it is cut off");
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  std::string_view take_line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) throw bad("it is cut off");
    const std::string_view line = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return line;
  }

  void push(Value value) {
    if (pickle_.values_.size() == kMostValues) throw bad("it has too many values");
    pickle_.values_.push_back(std::move(value));
    stack_.push_back(static_cast<Index>(pickle_.values_.size() - 1));
  }
  void push(Kind kind, std::vector<Index> items = {}) { push({kind, 0, {}, std::move(items)}); }
  void push_integer(std::int64_t value) { push({Kind::integer, value, {}, {}}); }
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Index pop() {
    if (stack_.size() <= floor()) throw bad("a value is missing");
    const Index top = stack_.back();
    stack_.pop_back();
    return top;
  }
  Value& top() {
    if (stack_.size() <= floor()) throw bad("a value is missing");
    return pickle_.values_[stack_.back()];
  }
  std::vector<Index> pop_to_mark() {
    if (marks_.empty()) throw bad("a mark is missing");
    const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    marks_.pop_back();
    std::vector<Index> items(from, stack_.end());
    stack_.erase(from, stack_.end());
    return items;
  }
  std::vector<Index> pop_some(std::size_t n) {
    std::vector<Index> items(n);
    for (std::size_t i = n; i-- > 0;) items[i] = pop();
    return items;
  }
  Value pop_value(Kind kind, const char* what) {
    const Index index = pop();
    const Value& value = pickle_.values_[index];
    if (value.kind != kind || value.items.size() > kMostArguments) throw bad(fmt::format("{} is expected", what));
    return value;
  }

  bool constant(char code) {
    switch (code) {
      case 'N':
        push(Kind::none);
        return true;
      case '\x88':
        push({Kind::boolean, 1, {}, {}});
        return true;
      case '\x89':
        push({Kind::boolean, 0, {}, {}});
        return true;
      case 'J':
        push_integer(take<std::int32_t>());
        return true;
      case 'K':
        push_integer(take<std::uint8_t>());
        return true;
      case 'M':
        push_integer(take<std::uint16_t>());
        return true;
      case '\x8a':
        push_integer(long_integer());
        return true;
      case 'G':
        take<std::uint64_t>(), push(Kind::real);
        return true;  // alpha, dropout: the settings tell them
      case 'X':
        push({Kind::text, 0, take_text(take<std::uint32_t>()), {}});
        return true;
      default:
        return false;
    }
  }
  std::int64_t long_integer() {
    const std::size_t size = take<std::uint8_t>();
    if (size > 8) throw bad("a whole number of more than 8 bytes");
    const std::string_view digits = take_text(size);
    std::uint64_t value = !digits.empty() && static_cast<signed char>(digits.back()) < 0 ? ~std::uint64_t{0} : 0;
    for (std::size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(digits[i]);
    return static_cast<std::int64_t>(value);
  }

  bool collection(char code) {
    switch (code) {
      case ')':
        push(Kind::tuple);
        return true;
      case ']':
        push(Kind::list);
        return true;
      case '}':
        push(Kind::dict);
        return true;
      case '\x85':
        push(Kind::tuple, pop_some(1));
        return true;
      case '\x86':
        push(Kind::tuple, pop_some(2));
        return true;
      case '\x87':
        push(Kind::tuple, pop_some(3));
        return true;
      case '(':
        mark();
        return true;
      case 't':
        push(Kind::tuple, pop_to_mark());
        return true;
      case 'a':
        add(Kind::list, pop_some(1));
        return true;
      case 'e':
        add(Kind::list, pop_to_mark());
        return true;
      case 's':
        add(Kind::dict, pop_some(2));
        return true;
      case 'u':
        add(Kind::dict, pop_to_mark());
        return true;
      default:
        return false;
    }
  }
  void mark() {
    if (marks_.size() == kDeepest) throw bad("it is nested too deep");
    marks_.push_back(stack_.size());
  }
  void add(Kind kind, const std::vector<Index>& items) {
    if (top().kind != kind || (kind == Kind::dict && items.size() % 2 != 0)) throw bad("items for what takes none");
    top().items.insert(top().items.end(), items.begin(), items.end());
  }

  bool memory(char code) {
    switch (code) {
      case 'q':
        store(take<std::uint8_t>());
        return true;
      case 'r':
        store(take<std::uint32_t>());
        return true;
      case 'h':
        recall(take<std::uint8_t>());
        return true;
      case 'j':
        recall(take<std::uint32_t>());
        return true;
      default:
        return false;
    }
  }
  void store(std::uint32_t key) {
    top();  // there is one
    if (memo_.size() == kMostValues) throw bad("it stores too many values");
    memo_[key] = stack_.back();
  }
  void recall(std::uint32_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) throw bad("a value that was never stored is asked for");
    stack_.push_back(found->second);  // bounded by the pickle's bytes
  }

  void step(char code) {
    switch (code) {
      case '\x80':
        if (const auto protocol = take<std::uint8_t>(); protocol != 2)
          throw bad(fmt::format("protocol {} is not read, torch.save writes 2", protocol));
        return;
      case 'c':
        return name();
      case 'R':
        return reduce();
      case '\x81':
        return new_object();
      case 'b':
        return build();
      case 'Q': {
        const Value id = pop_value(Kind::tuple, "a storage");
        return push(Kind::storage, id.items);
      }
      default:
        throw bad(fmt::format("operation 0x{:02x} is not among those that a checkpoint of tensors needs",
                              static_cast<unsigned char>(code)));
    }
  }

  void name() {
    const std::string_view module = take_line(), type = take_line();
    const std::string_view listed = known(module, type);
    if (listed.empty())
      throw bad(fmt::format("it asks for '{}.{}', which no checkpoint of tensors needs: refused, nothing was run",
                            printable(module), printable(type)));
    push({Kind::name, 0, listed, {}});
  }

  void reduce() {
    const Value arguments = pop_value(Kind::tuple, "a tuple of arguments");
    const Value callable = pop_value(Kind::name, "a name");
    if (callable.text == kOrderedDict && arguments.items.empty()) return push(Kind::dict);
    if (callable.text == kRebuildTensor) return push(Kind::tensor, arguments.items);
    if (callable.text == kRebuildParameter && !arguments.items.empty()) {
      if (pickle_.values_[arguments.items.front()].kind != Kind::tensor) throw bad("a parameter that is no tensor");
      return stack_.push_back(arguments.items.front());
    }
    if (callable.text.ends_with(" set")) return push(Kind::list);  // names of buffers that are not kept
    throw bad(fmt::format("'{}' is called with what it does not take", callable.text));
  }

  void new_object() {
    const Value arguments = pop_value(Kind::tuple, "a tuple of arguments");
    const Value type = pop_value(Kind::name, "a name");
    if (type.text != kModule || !arguments.items.empty())
      throw bad(fmt::format("an object of '{}' cannot be made", type.text));
    push(Kind::module);
  }

  // The state of a module. A state_dict's own attribute, _metadata, holds no tensors.
  void build() {
    const Index state = pop();
    if (pickle_.values_[state].kind != Kind::dict) throw bad("a state that is no dict");
    if (top().kind == Kind::dict) return;
    if (top().kind != Kind::module) throw bad("a state for what has none");
    top().items = {state};
  }

  Pickle& pickle_;
  std::string_view bytes_;
  const std::string& where_;
  std::size_t at_ = 0;
  std::vector<Index> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, Index> memo_;
};

Pickle::Pickle(std::string_view bytes, const std::string& where) { root_ = PickleReader(*this, bytes, where).read(); }

const Value* Pickle::member(const Value& dict, std::string_view key) const {
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const Value& name = values_[dict.items[i]];
    if (name.kind == Value::Kind::text && name.text == key) return &values_[dict.items[i + 1]];
  }
  return nullptr;
}

}  // namespace anomctl::torch_file
