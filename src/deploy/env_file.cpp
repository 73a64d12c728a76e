#include "anomctl/deploy/env_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <sstream>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

constexpr std::string_view kSpaces = " \t";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpaces);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-';
  });
}

struct Value {
  std::string text, trouble;
};

// What stands behind the '='. Throws `refused` with what is wrong with the line as a whole.
template <class Refused>
Value value_of(std::string_view text, const Refused& refused) {
  Value value;
  if (text.starts_with('"') || text.starts_with('\'')) {
    const std::size_t end = text.find(text.front(), 1);
    if (end == text.npos) throw refused("its quotes do not end in the line");
    value.text = text.substr(1, end - 1);
    if (value.text.ends_with('\\')) throw refused("a backslash before a quote");
    if (value.text.find('\\') != value.text.npos) value.trouble = "a backslash within quotes";
    const std::string_view rest = trimmed(text.substr(end + 1));
    if (!rest.empty() && rest.front() != '#') throw refused("something follows its quotes");
    if (text.front() == '\'') return value;
  } else {
    if (text.starts_with('#')) value.trouble = "a value that begins with '#' needs quotes";
    value.text = trimmed(text.substr(0, text.find(" #")));
  }
  if (value.text.find('$') != value.text.npos) value.trouble = "'$': Compose would fill in a variable";
  return value;
}

}  // namespace

EnvFile::EnvFile(std::string_view text, std::string where) : where_(std::move(where)) {
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    Line& one = lines_.emplace_back(Line{line, {}, {}, {}});
    std::string_view rest = trimmed(line);
    if (rest.empty() || rest.front() == '#') continue;
    const auto refused = [&](const char* what) {
      return input_error(fmt::format("{}, line {}: {}; write NAME=value", where_, lines_.size(), what));
    };
    constexpr std::string_view kExport = "export";
    if (rest.starts_with(kExport) && rest.size() > kExport.size() && kSpaces.find(rest[kExport.size()]) != rest.npos)
      rest = trimmed(rest.substr(kExport.size()));
    const std::size_t sign = rest.find_first_of("=:");
    one.name = trimmed(rest.substr(0, sign));
    if (!is_name(one.name)) throw refused("that is no name");
    if (sign == rest.npos) {
      one.trouble = "it has no value: Compose would take it from the environment";
      continue;
    }
    Value value = value_of(trimmed(rest.substr(sign + 1)), refused);
    one.value = std::move(value.text);
    one.trouble = std::move(value.trouble);
    if (std::any_of(one.value.begin(), one.value.end(), is_control)) one.trouble = "a control character";
  }
}

const EnvFile::Line* EnvFile::last(std::string_view name) const {
  const auto found = std::find_if(lines_.rbegin(), lines_.rend(), [&](const Line& line) { return line.name == name; });
  return found == lines_.rend() ? nullptr : &*found;
}

std::string EnvFile::value(std::string_view name) const {
  const Line* line = last(name);
  if (line == nullptr) return {};
  if (!line->trouble.empty())
    throw input_error(
        fmt::format("{}: {}: {}; write {}=value with the value itself", where_, name, line->trouble, name));
  return line->value;
}

bool EnvFile::names(std::string_view name) const { return last(name) != nullptr; }

void EnvFile::set(const std::string& name, const std::string& value) {
  const Line line{name + "=" + value, name, value, {}};
  const auto is_it = [&](const Line& one) { return one.name == name; };
  const auto first = std::find_if(lines_.begin(), lines_.end(), is_it);
  if (first == lines_.end()) {
    lines_.push_back(line);
    return;
  }
  *first = line;
  lines_.erase(std::remove_if(first + 1, lines_.end(), is_it), lines_.end());
}

std::string EnvFile::text() const {
  std::string out;
  for (const Line& line : lines_) out += line.text + "\n";
  return out;
}

bool env_takes(std::string_view value) {
  return trimmed(value) == value && value.find_first_of("\"'\\$#") == value.npos &&
         std::none_of(value.begin(), value.end(), is_control);
}

}  // namespace anomctl
