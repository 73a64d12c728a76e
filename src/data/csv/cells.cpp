#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "anomctl/data/csv.h"

namespace anomctl {
namespace {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return (x >= 'A' && x <= 'Z' ? static_cast<char>(x + 32) : x) == y; });
}

}  // namespace

std::optional<double> parse_number(std::string_view cell) {
  cell = trim(cell);
  if (cell.size() > 1 && cell.front() == '+' && cell[1] != '-') cell.remove_prefix(1);
  double value = 0;
  const auto [end, status] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (status != std::errc() || end != cell.data() + cell.size()) return std::nullopt;
  return value;
}

bool is_missing_cell(std::string_view cell) {
  cell = trim(cell);
  if (cell.empty()) return true;
  static constexpr std::array<std::string_view, 6> words = {"nan", "na", "n/a", "null", "none", "-"};
  return std::any_of(words.begin(), words.end(), [&](std::string_view w) { return equal_ignoring_case(cell, w); });
}

std::string shown(std::string_view cell) {
  std::string text(cell.substr(0, 40));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  }
  return fmt::format("'{}{}'", text, cell.size() > 40 ? "..." : "");
}

char guess_delimiter(const fs::path& path) {
  static constexpr std::string_view candidates = ",;\t|";
  char best = ',';
  std::size_t best_cells = 1;
  for (const char candidate : candidates) {
    CsvReader reader(path, {.delimiter = candidate});
    std::vector<std::string_view> cells;
    std::size_t width = 0, lines = 0;
    bool same = true;
    while (same && lines < 20 && reader.next(cells)) {
      if (cells.empty() || cells[0].starts_with('#')) continue;
      if (lines++ == 0) width = cells.size();
      same = cells.size() == width;
    }
    if (same && width > best_cells) {
      best = candidate;
      best_cells = width;
    }
  }
  return best;
}

}  // namespace anomctl
