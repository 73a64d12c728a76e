#include "mtad_gat/training_errors.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

#include "anomctl/core/error.h"

namespace anomctl {

std::string suspect_column(const TrainingInput& input) {
  const Matrix<float>& rows = *input.rows;
  std::size_t worst = 0;
  float widest = -1;
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    for (std::size_t c = 0; c < rows.cols(); ++c) {
      const float size = std::isfinite(rows(r, c)) ? std::fabs(rows(r, c)) : std::numeric_limits<float>::infinity();
      if (size > widest) widest = size, worst = c;
    }
  }
  return fmt::format("column '{}', whose scaled values reach {:g}",
                     worst < input.columns.size() ? input.columns[worst] : std::to_string(worst), widest);
}

void translate(const std::exception& e, const TrainerOptions& options) {
  const std::string what = e.what();
  const auto says = [&](const char* words) { return what.find(words) != std::string::npos; };
  if (says("out of memory") || says("can't allocate memory") || dynamic_cast<const std::bad_alloc*>(&e) != nullptr) {
    throw Error(ExitCode::failed,
                fmt::format("out of memory with {} windows a step: try --batch-size {}{}", options.batch_size,
                            std::max<std::int64_t>(1, options.batch_size / 4),
                            says("CUDA") && options.attention_memory > 64
                                ? fmt::format(", or --attention-memory {}", options.attention_memory / 4)
                                : ""),
                what);
  }
  if (says("driver version is insufficient") || says("driver on your system is too old"))
    throw Error(ExitCode::failed, "the NVIDIA driver is too old for this libtorch: update it, or use --device cpu",
                what);
  if (says("no kernel image is available"))
    throw Error(ExitCode::failed, "this libtorch has no code for this GPU: install one that has, or use --device cpu",
                what);
  throw Error(ExitCode::failed, fmt::format("libtorch failed: {}", what.substr(0, what.find('\n'))), what);
}

}  // namespace anomctl
