// Parquet as delimited text, a batch of rows at a time. Part of libanomctl-tables.so, the only code with Arrow.
#include <arrow/api.h>
#include <arrow/io/file.h>
#include <fmt/core.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>

#include <charconv>
#include <cmath>
#include <cstring>

#include "anomctl/core/time.h"
#include "data/table/table_bytes.h"

namespace anomctl {
namespace {

constexpr std::int64_t kBatchRows = 16'384;

void add_quoted(std::string& out, const std::string& text) {
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    if (c != '\0') out += c;
  }
  out += '"';
}

template <class T>
void add_number(std::string& out, T value) {
  char text[32];
  out.append(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

// Stamps of a file without zone are wall-clock readings and get no Z.
void add_stamp(std::string& out, std::int64_t value, arrow::TimeUnit::type unit, bool utc) {
  static constexpr std::int64_t scale[] = {kSecond, kMillisecond, kMicrosecond, 1};
  const std::string text = format_stamp(value * scale[unit]);
  out.append(text, 0, utc ? text.size() : text.size() - 1);
}

void add_cell(std::string& out, const arrow::Array& array, std::int64_t row) {
  if (array.IsNull(row)) return;
  switch (array.type_id()) {
    case arrow::Type::DOUBLE: {
      const double value = static_cast<const arrow::DoubleArray&>(array).Value(row);
      if (std::isfinite(value)) add_number(out, value);
      return;
    }
    case arrow::Type::FLOAT: {
      const float value = static_cast<const arrow::FloatArray&>(array).Value(row);
      if (std::isfinite(value)) add_number(out, value);
      return;
    }
    case arrow::Type::INT64:
      return add_number(out, static_cast<const arrow::Int64Array&>(array).Value(row));
    case arrow::Type::INT32:
      return add_number(out, static_cast<const arrow::Int32Array&>(array).Value(row));
    case arrow::Type::BOOL:
      out += static_cast<const arrow::BooleanArray&>(array).Value(row) ? '1' : '0';
      return;
    case arrow::Type::TIMESTAMP: {
      const auto& type = static_cast<const arrow::TimestampType&>(*array.type());
      return add_stamp(out, static_cast<const arrow::TimestampArray&>(array).Value(row), type.unit(),
                       !type.timezone().empty());
    }
    case arrow::Type::STRING:
      return add_quoted(out, static_cast<const arrow::StringArray&>(array).GetString(row));
    case arrow::Type::LARGE_STRING:
      return add_quoted(out, static_cast<const arrow::LargeStringArray&>(array).GetString(row));
    case arrow::Type::DICTIONARY: {
      const auto& words = static_cast<const arrow::DictionaryArray&>(array);
      return add_cell(out, *words.dictionary(), words.GetValueIndex(row));
    }
    default: {
      const auto scalar = array.GetScalar(row);
      if (scalar.ok()) add_quoted(out, (*scalar)->ToString());
    }
  }
}

class ParquetText : public ByteSource {
 public:
  explicit ParquetText(const std::string& file) : name_(file) {
    auto input = arrow::io::ReadableFile::Open(file);
    check(input.status());
    parquet::arrow::FileReaderBuilder builder;
    check(builder.Open(*input));
    parquet::ArrowReaderProperties properties;
    properties.set_batch_size(kBatchRows);
    builder.properties(properties);
    check(builder.Build(&reader_));
    auto batches = reader_->GetRecordBatchReader();
    check(batches.status());
    batches_ = std::move(*batches);
    for (const auto& field : batches_->schema()->fields()) {
      if (!text_.empty()) text_ += ',';
      add_quoted(text_, field->name());
    }
    text_ += '\n';
  }

  std::size_t read(char* out, std::size_t size) override {
    if (at_ == text_.size() && !fill()) return 0;
    const std::size_t n = std::min(size, text_.size() - at_);
    std::memcpy(out, text_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  void check(const arrow::Status& status) const {
    if (!status.ok()) throw input_error(fmt::format("{}: {}", name_, status.ToString()));
  }
  bool fill() {
    text_.clear();
    at_ = 0;
    while (text_.empty()) {
      std::shared_ptr<arrow::RecordBatch> batch;
      check(batches_->ReadNext(&batch));
      if (batch == nullptr) return false;
      for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
        for (int c = 0; c < batch->num_columns(); ++c) {
          if (c > 0) text_ += ',';
          add_cell(text_, *batch->column(c), row);
        }
        text_ += '\n';
      }
    }
    return true;
  }

  std::string name_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  std::string text_;
  std::size_t at_ = 0;
};

}  // namespace
}  // namespace anomctl

extern "C" __attribute__((visibility("default"))) anomctl::ByteSource* anomctl_open_parquet(int abi, const char* file) {
  using namespace anomctl;
  if (abi != kTablesAbi) throw failed("libanomctl-tables.so belongs to another version of the program");
  try {
    return std::make_unique<ParquetText>(file).release();
  } catch (const parquet::ParquetException& e) {
    throw input_error(fmt::format("{}: {}", file, e.what()));
  }
}
