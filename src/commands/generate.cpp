#include "commands/generate.h"

#include <fmt/format.h>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/data/data_set.h"
#include "commands/row_input.h"

namespace anomctl {

GenerateCounts generate(const GenerateOptions& options, Progress& progress, std::stop_token stop) {
  validate(options.role);
  if (!options.input.empty() && !options.dataset.empty()) throw UsageError("dataset and input exclude each other");
  if (options.input == "-" && options.role.loop)
    throw UsageError("standard input cannot be read again: leave out loop");
  const RowInput rows = options.input.empty()
                            ? rows_of_data_set(find_data_set(options.datasets_dir, options.dataset), options.split)
                            : rows_of_table(options.input, options.columns, stop);
  GenerateParts parts;
  parts.open = rows.open;
  parts.has_times = rows.has_times;
  parts.period_s = rows.period_s;
  parts.on_row = [&](std::int64_t row, const Row&) {
    if (row % 64 == 0) progress.update(row);
  };
  progress.begin("sending", options.role.rows > 0 ? options.role.rows : 0, "rows");
  const GenerateCounts counts = run_generate(options.role, parts, stop);
  progress.end();
  return counts;
}

namespace {

int run(const GenerateOptions& options, Context& context) {
  const GenerateCounts counts = generate(options, context.progress(), context.stop().token());
  context.result["rows"] = counts.rows;
  context.result["published"] = counts.published;
  context.result["acknowledged"] = counts.acknowledged;
  context.result["refused"] = counts.refused;
  context.result["seconds"] = counts.seconds;
  context.text(fmt::format("{} rows sent in {:.1f} s: {} messages, {} acknowledged", counts.rows, counts.seconds,
                           counts.published, counts.acknowledged));
  if (counts.refused > 0)
    throw failed(fmt::format("the broker refused {} of {} readings: may this user write to {}/sensor/{}?",
                             counts.refused, counts.published, options.role.topic.topic_org,
                             options.role.topic.topic_sensor));
  if (context.stop().received() == 0 && !counts.complete)
    throw unreachable_error(fmt::format("the broker did not acknowledge {} of {} readings",
                                        counts.published - counts.acknowledged, counts.published));
  return context.stop().exit_code(0);
}

}  // namespace

CommandSpec generate_command() {
  return make_command<GenerateOptions>(
      "generate", "Live", "Send the rows of a data set or a table to an MQTT broker",
      {"anomctl generate --dataset cats --rate 10",
       "anomctl generate --input readings.csv --mqtt-url mqtts://broker:8883 --mqtt-user sensor --mqtt-pass-file word",
       "anomctl generate --dataset cats --speed 60 --loop --assets 100"},
      run);
}

}  // namespace anomctl
