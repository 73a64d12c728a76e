// Settings declared once. A struct of options has
//     static void fields(auto& self, auto&& field) {
//       field("window_size", self.window_size, "rows a window", Between{2, 10'000});
//     }
// and `describe(options)` turns that list into `Field`s bound to the object: flags, environment, TOML, the files in
// configs/, docs and run tracking all read them. Struct defaults are the defaults. Thread rule: values bound to the
// described object.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "anomctl/core/time.h"

namespace anomctl {

// Constraints and marks that may follow the help text of a field.
struct Between {
  double lo, hi;
};
struct AtLeast {
  double lo;
};
struct OneOf {
  std::vector<std::string> choices;
};
struct Secret {};      // never printed or logged; NAME_file gives a file that holds it
struct Required {};    // must be given by flag, environment or file
struct Positional {};  // may also be given without the flag's name
struct Hidden {};      // works, but is left out of --help
struct Whole {};       // a list whose items may hold commas: one item a flag, not split
struct Alias {         // another name of the same setting (the original's spelling)
  std::string name;
};

struct Field {
  std::string name;  // snake_case; the flag is --snake-case, the environment ANOMCTL_SNAKE_CASE
  std::string help;
  std::string type;          // "number", "text", "path", "duration", "true|false", "list of text"
  std::string default_text;  // as TOML would write it: 100, "text", true, ["a", "b"]; empty: no value
  std::vector<std::string> choices;
  std::vector<std::string> aliases;
  std::optional<double> lo, hi;
  bool secret = false, required = false, positional = false, hidden = false;
  bool is_bool = false, is_list = false, is_text = false, is_whole = false;
  // Replaces the value by what the texts say (several only for lists). Throws UsageError without naming the source.
  std::function<void(const std::vector<std::string>&)> set;
  std::function<std::string()> get;  // the present value as text, for run tracking (a secret gives "***")
};

// Text <-> value. `parse_value` throws UsageError("expected a whole number, got 'x'").
void parse_value(std::string_view text, bool& value);
void parse_value(std::string_view text, int& value);
void parse_value(std::string_view text, std::int64_t& value);
void parse_value(std::string_view text, std::uint64_t& value);
void parse_value(std::string_view text, double& value);
void parse_value(std::string_view text, std::string& value);
void parse_value(std::string_view text, std::filesystem::path& value);
void parse_value(std::string_view text, Duration& value);
std::string format_value(bool value);
std::string format_value(int value);
std::string format_value(std::int64_t value);
std::string format_value(std::uint64_t value);
std::string format_value(double value);
std::string format_value(const std::string& value);
std::string format_value(const std::filesystem::path& value);
std::string format_value(Duration value);
template <class T>
void parse_value(std::string_view text, std::optional<T>& value) {
  if (text.empty()) {
    value.reset();
    return;
  }
  T inner{};
  parse_value(text, inner);
  value = std::move(inner);
}
template <class T>
std::string format_value(const std::optional<T>& value) {
  return value ? format_value(*value) : std::string();
}

namespace detail {
template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};
template <class T>
struct bare {
  using type = T;
};
template <class T>
struct bare<std::optional<T>> {
  using type = T;
};
template <class T>
struct bare<std::vector<T>> {
  using type = T;
};
std::string toml_text(const std::string& text, bool quoted);
void check_limits(const Field& field, const std::string& text);
// "a,b" -> a, b: lists may be given as several values or comma-separated.
std::vector<std::string> split_list(const std::vector<std::string>& texts);

template <class T>
std::string type_name() {
  using B = typename bare<T>::type;
  std::string name = "text";
  if constexpr (std::same_as<B, bool>)
    name = "true|false";
  else if constexpr (std::integral<B>)
    name = "whole number";
  else if constexpr (std::floating_point<B>)
    name = "number";
  else if constexpr (std::same_as<B, std::filesystem::path>)
    name = "path";
  else if constexpr (std::same_as<B, Duration>)
    name = "duration";
  return is_vector<T>::value ? "list of " + name : name;
}

inline void apply_mark(Field& f, const Between& c) { f.lo = c.lo, f.hi = c.hi; }
inline void apply_mark(Field& f, const AtLeast& c) { f.lo = c.lo; }
inline void apply_mark(Field& f, const OneOf& c) { f.choices = c.choices; }
inline void apply_mark(Field& f, Secret) { f.secret = true; }
inline void apply_mark(Field& f, Required) { f.required = true; }
inline void apply_mark(Field& f, Positional) { f.positional = true; }
inline void apply_mark(Field& f, Hidden) { f.hidden = true; }
inline void apply_mark(Field& f, Whole) { f.is_whole = true; }
inline void apply_mark(Field& f, const Alias& a) { f.aliases.push_back(a.name); }
}  // namespace detail

// The fields of `object`, bound to it: it must outlive them.
template <class T>
std::vector<Field> describe(T& object) {
  std::vector<Field> out;
  T::fields(object, [&out]<class V, class... Marks>(std::string_view name, V& value, std::string_view help,
                                                    const Marks&... marks) {
    Field f;
    f.name = name;
    f.help = help;
    f.type = detail::type_name<V>();
    f.is_list = detail::is_vector<V>::value;
    f.is_bool = std::same_as<typename detail::bare<V>::type, bool>;
    using B = typename detail::bare<V>::type;
    f.is_text = std::same_as<B, std::string> || std::same_as<B, std::filesystem::path> || std::same_as<B, Duration>;
    (detail::apply_mark(f, marks), ...);
    if constexpr (detail::is_vector<V>::value) {
      std::string items;
      for (const auto& item : value) {
        items += items.empty() ? "" : ", ";
        items += detail::toml_text(format_value(item), f.is_text);
      }
      f.default_text = "[" + items + "]";
      f.get = [&value, secret = f.secret] {
        if (secret) return std::string("***");
        std::string text;
        for (const auto& item : value) text += (text.empty() ? "" : ",") + format_value(item);
        return text;
      };
    } else {
      const std::string text = format_value(value);
      f.default_text = text.empty() && !f.is_text ? "" : detail::toml_text(text, f.is_text);
      f.get = [&value, secret = f.secret] { return secret ? std::string("***") : format_value(value); };
    }
    const Field limits = f;
    f.set = [&value, limits](const std::vector<std::string>& texts) {
      if constexpr (detail::is_vector<V>::value) {
        value.clear();
        for (const auto& text : limits.is_whole ? texts : detail::split_list(texts)) {
          detail::check_limits(limits, text);
          typename V::value_type item{};
          parse_value(text, item);
          value.push_back(std::move(item));
        }
      } else {
        detail::check_limits(limits, texts.back());
        parse_value(texts.back(), value);
      }
    };
    out.push_back(std::move(f));
  });
  return out;
}

}  // namespace anomctl
