#include "commands/evaluate/plain_words.h"

#include <fmt/core.h>

#include <cmath>

namespace anomctl {
namespace {

const Json* number(const Json& figures, const char* name) {
  const auto* value = figures.find(name);
  return value && value->is_number() ? value : nullptr;
}

std::string counted(std::int64_t n, const std::string& one, const std::string& many) {
  return n == 0 ? "no " + many : n == 1 ? "1 " + one : fmt::format("{} {}", n, many);
}

std::string percent(double share) {
  const double value = 100 * share;
  return value > 0 && value < 1 ? fmt::format("{:.2g} %", value) : fmt::format("{:.0f} %", value);
}

std::string false_alarms(const Json& figures) {
  const auto count = figures.int_or("false_episodes", 0);
  const double days = figures.number_or("normal_days", 0);
  std::string text = counted(count, "false episode", "false episodes") + " in " + spoken_duration(days * 86'400) +
                     " of normal operation";
  if (count == 0) return text;
  const double daily = figures.number_or("false_episodes_per_day", 0);
  text += fmt::format(", {:.{}f} a day", daily, daily < 10 ? 1 : 0);
  if (days < 1) text += "; the stretch is short, so the rate is a rough one";
  return text;
}

std::string row_by_row(const Json& figures) {
  const double f1 = figures.number_or("f1", 0), everything = figures.number_or("everything_anomalous_f1", 0);
  std::string text = fmt::format(
      "Row by row: F1 {:.3f} (precision {:.3f}: of the flagged rows {} were anomalous; recall {:.3f}: of the anomalous "
      "rows {} were flagged). Calling every row anomalous would give F1 {:.3f} here.",
      f1, figures.number_or("precision", 0), percent(figures.number_or("precision", 0)), figures.number_or("recall", 0),
      percent(figures.number_or("recall", 0)), everything);
  if (f1 <= everything) text += " So by this figure the limit is no better than that.";
  return text;
}

std::string ranking(const Json& figures) {
  const double share = figures.number_or("anomalous_share", 0);
  std::string text = fmt::format("Without any limit: PR-AUC {:.3f}, where a score drawn by chance gets {:.3f}",
                                 figures.number_or("pr_auc", 0), share);
  if (const auto* roc = number(figures, "roc_auc"))
    text += fmt::format("; an anomalous row scores above a normal one {} of the time (ROC-AUC {:.3f})",
                        percent(roc->as_double()), roc->as_double());
  return text + ".";
}

}  // namespace

std::string spoken_duration(double seconds) {
  if (seconds < 120) return fmt::format("{:.{}f} s", seconds, seconds < 10 && seconds != std::floor(seconds) ? 1 : 0);
  if (seconds < 7200) return fmt::format("{:.0f} minutes", seconds / 60);
  if (seconds < 2 * 86'400) return fmt::format("{:.1f} hours", seconds / 3600);
  return fmt::format("{:.1f} days", seconds / 86'400);
}

PlainWords in_plain_words(const Json& figures, bool period_known) {
  PlainWords words;
  const auto events = figures.int_or("events", 0), found = figures.int_or("events_found", 0);
  const auto wrong = figures.int_or("false_episodes", 0);
  if (events == 0) {
    words.headline = counted(figures.int_or("episodes", 0), "episode", "episodes") +
                     " found; without labelled events nobody can say how many are right";
    words.sentences.push_back(
        fmt::format("{} of the scored rows are over the limit.", percent(figures.number_or("flagged_share", 0))));
    return words;
  }
  words.headline = fmt::format("Found {} of {}, with {}", found, counted(events, "labelled event", "labelled events"),
                               counted(wrong, "false episode", "false episodes"));
  if (const auto* delay = number(figures, "delay_seconds_median"))
    words.sentences.push_back(
        fmt::format("Of the events that were found, half were flagged within {} of their start ({:.0f} rows).",
                    spoken_duration(delay->as_double()), figures.number_or("delay_rows_median", 0)));
  auto alarms = false_alarms(figures);
  alarms[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(alarms[0])));
  words.sentences.push_back(alarms + ".");
  if (!period_known)
    words.sentences.push_back(
        "The data set does not say how often its rows were taken: times and rates assume a row a second "
        "(sampling_period_s in its meta.json).");
  if (number(figures, "f1")) words.sentences.push_back(row_by_row(figures));
  if (number(figures, "pr_auc")) words.sentences.push_back(ranking(figures));
  if (const auto* oracle = number(figures, "best_f1_oracle"))
    words.sentences.push_back(fmt::format(
        "A limit chosen with these labels in hand would reach F1 {:.3f} at {:.4g}; that is an oracle, not a result.",
        oracle->as_double(), figures.number_or("best_f1_oracle_threshold", 0)));
  if (events < 5)
    words.sentences.push_back(
        fmt::format("With {} the figures say little about other days.", counted(events, "event", "events")));
  if (const auto* adjusted = number(figures, "pa_f1"))
    words.sentences.push_back(fmt::format(
        "Point-adjusted F1 {:.3f}: a whole event counts as flagged once one of its rows is. Random scores reach high "
        "values by it; use it only to compare with figures published that way.",
        adjusted->as_double()));
  return words;
}

}  // namespace anomctl
