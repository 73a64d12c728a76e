#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "anomctl/core/error.h"
#include "anomctl/data/table.h"

namespace anomctl {
namespace {

// Digits compare as numbers: 2.csv before 10.csv.
bool natural_less(const std::string& a, const std::string& b) {
  std::size_t i = 0, j = 0;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  while (i < a.size() && j < b.size()) {
    if (digit(a[i]) && digit(b[j])) {
      const std::size_t from_a = std::min(a.find_first_not_of('0', i), a.size());
      const std::size_t from_b = std::min(b.find_first_not_of('0', j), b.size());
      std::size_t end_a = from_a, end_b = from_b;
      while (end_a < a.size() && digit(a[end_a])) ++end_a;
      while (end_b < b.size() && digit(b[end_b])) ++end_b;
      if (end_a - from_a != end_b - from_b) return end_a - from_a < end_b - from_b;
      const int order = a.compare(from_a, end_a - from_a, b, from_b, end_b - from_b);
      if (order != 0) return order < 0;
      i = end_a;
      j = end_b;
    } else {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i;
      ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

}  // namespace

std::vector<fs::path> expand_files(const std::vector<fs::path>& paths, const std::vector<std::string>& endings) {
  std::vector<fs::path> files;
  for (const fs::path& path : paths) {
    if (!fs::exists(path)) throw input_error(fmt::format("there is no {}", path.string()));
    if (!fs::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    std::vector<fs::path> inside;
    for (const auto& entry : fs::directory_iterator(path)) {
      std::string ending = entry.path().extension().string();
      std::transform(ending.begin(), ending.end(), ending.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      if (entry.is_regular_file() && std::find(endings.begin(), endings.end(), ending) != endings.end()) {
        inside.push_back(entry.path());
      }
    }
    if (inside.empty())
      throw input_error(fmt::format("the folder {} holds no table ({})", path.string(), fmt::join(endings, ", ")));
    std::sort(inside.begin(), inside.end(), [](const fs::path& a, const fs::path& b) {
      return natural_less(a.filename().string(), b.filename().string());
    });
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

}  // namespace anomctl
