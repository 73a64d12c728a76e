#include "registry/run_meta.h"

#include <array>
#include <cctype>
#include <random>

#include "anomctl/core/error.h"
#include "anomctl/core/text.h"

namespace anomctl {
namespace {

std::string unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != text.back() || (text.front() != '\'' && text.front() != '"'))
    return std::string(text);
  const char quote = text.front();
  text = text.substr(1, text.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quote == '\'' && text[i] == '\'' && i + 1 < text.size() && text[i + 1] == '\'') {
      ++i;
    } else if (quote == '"' && text[i] == '\\' && i + 1 < text.size()) {
      ++i;
      if (text[i] == 'n' || text[i] == 't') {
        out += text[i] == 'n' ? '\n' : '\t';
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

constexpr std::array kStatus = {"", "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"};

constexpr std::array kAdjectives = {"amber",  "brisk",  "calm",   "clear",   "copper", "deft",    "early", "even",
                                    "fair",   "firm",   "fleet",  "gentle",  "golden", "hardy",   "keen",  "level",
                                    "lively", "mellow", "nimble", "patient", "plain",  "prudent", "quick", "quiet",
                                    "ready",  "silver", "smooth", "sober",   "steady", "sturdy",  "swift", "true"};
constexpr std::array kNouns = {"anvil",    "bearing",  "boiler", "bolt",    "burner", "cam",     "chain", "crane",
                               "derrick",  "dynamo",   "fan",    "flange",  "forge",  "furnace", "gauge", "gear",
                               "governor", "impeller", "kiln",   "lathe",   "lever",  "loom",    "mill",  "piston",
                               "pulley",   "pump",     "rotor",  "spindle", "spring", "turbine", "valve", "winch"};

}  // namespace

std::map<std::string, std::string> parse_flat_yaml(std::string_view text) {
  std::map<std::string, std::string> raw;
  std::string* last = nullptr;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (trim(line).empty() || trim(line).front() == '#') continue;
    if (line.front() == ' ') {  // the rest of a folded scalar
      if (last) *last += " " + std::string(trim(line));
      continue;
    }
    const auto colon = line.find(':');
    if (line.front() == '-' || colon == std::string_view::npos) {
      last = nullptr;
      continue;
    }
    last = &raw[std::string(trim(line.substr(0, colon)))];
    *last = trim(line.substr(colon + 1));
  }
  for (auto& [key, value] : raw) value = value == "null" ? "" : unquoted(value);
  return raw;
}

std::string yaml_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) throw failed("a name may not hold control characters");
    out += c;
    if (c == '\'') out += c;
  }
  return out + "'";
}

std::string file_uri(const fs::path& absolute) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out = "file://";
  for (const char c : absolute.string()) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || std::string_view("/-_.~").find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

fs::path path_of_uri(std::string_view uri) {
  const auto scheme = uri.find("://");
  if (scheme == std::string_view::npos) return fs::path(uri);
  if (uri.substr(0, scheme) != "file") return {};
  uri.remove_prefix(scheme + 3);
  if (uri.starts_with("localhost/")) uri.remove_prefix(9);
  if (!uri.starts_with('/')) return {};
  std::string out;
  const auto digit = [](char c) {
    return std::isdigit(static_cast<unsigned char>(c)) ? c - '0'
                                                       : std::tolower(static_cast<unsigned char>(c)) - 'a' + 10;
  };
  for (std::size_t i = 0; i < uri.size(); ++i) {
    if (uri[i] == '%' && i + 2 < uri.size() && std::isxdigit(static_cast<unsigned char>(uri[i + 1])) &&
        std::isxdigit(static_cast<unsigned char>(uri[i + 2]))) {
      out += static_cast<char>(digit(uri[i + 1]) * 16 + digit(uri[i + 2]));
      i += 2;
    } else {
      out += uri[i];
    }
  }
  return fs::path(out);
}

fs::path tracking_folder(const std::string& uri) {
  auto path = path_of_uri(uri);
  if (path.empty())
    throw UsageError("cannot track runs at '" + uri + "': give a folder, file:///folder, or http(s)://host:port");
  return path;
}

std::string status_name(std::string_view code) {
  if (code.size() == 1 && code[0] >= '1' && code[0] <= '5') return kStatus[static_cast<std::size_t>(code[0] - '0')];
  return std::string(code);  // older stores hold the word
}

int status_code(std::string_view name) {
  for (std::size_t i = 1; i < kStatus.size(); ++i)
    if (name == kStatus[i]) return static_cast<int>(i);
  throw failed("'" + std::string(name) + "' is not a state of a run; known are RUNNING, FINISHED, FAILED, KILLED");
}

std::string random_run_name() {
  std::random_device random;
  return std::string(kAdjectives[random() % kAdjectives.size()]) + "-" + kNouns[random() % kNouns.size()] + "-" +
         std::to_string(100 + random() % 900);
}

}  // namespace anomctl
