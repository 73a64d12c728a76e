#include "anomctl/model/native_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <mutex>
#include <thread>
#include <vector>

#include "model/native/native_backend.h"

namespace anomctl {
namespace {

constexpr std::size_t kChunk = 8;  // windows that one thread takes at a time, at most: what the kernels' tiles hold

class NativeModel : public WindowModel {
 public:
  NativeModel(const MtadGatSettings& settings, const TensorMap& weights, const NativeModelOptions& options)
      : kernels_(options.kernels != nullptr ? *options.kernels : kernels()),
        weights_(pack_weights(settings, weights, kernels_)),
        threads_(static_cast<std::size_t>(std::max(1, options.threads))) {
    shape_.window = static_cast<std::size_t>(settings.window_size);
    shape_.sensors = static_cast<std::size_t>(settings.n_features);
    for (const std::int64_t t : settings.target_dims) shape_.targets.push_back(static_cast<std::size_t>(t));
    const auto o = static_cast<std::size_t>(settings.out_dim > 0 ? settings.out_dim : settings.n_features);
    for (std::size_t i = shape_.targets.size(); i < o; ++i) shape_.targets.push_back(i);
  }

  const WindowShape& shape() const override { return shape_; }
  std::string engine() const override { return fmt::format("native {}", kernels_.name); }

  void expect(std::span<const float> windows, std::size_t n, Expectation& out) const override {
    const std::size_t size = shape_.window * shape_.sensors;
    in_chunks(n, out, [&](NativeBackend& be, std::size_t from, std::size_t count) {
      be.reset();
      const auto x = be.input(windows.data() + from * size, count);
      const auto h_end = mtad_gat_encode(be, weights_.settings, x).h_end;
      copy(mtad_gat_forecast(be, weights_.settings, h_end, x), out.forecast, from);
      copy(mtad_gat_reconstruct(be, weights_.settings, h_end, true), out.reconstruction, from);
    });
  }

  // Both passes of a chunk are encoded together; only the first are forecast from, only the second reconstructed.
  void expect_judged(std::span<const float> windows, std::size_t n, Expectation& out) const override {
    const std::size_t k = shape_.sensors, size = shape_.window * k;
    in_chunks(n, out, [&](NativeBackend& be, std::size_t from, std::size_t count) {
      be.reset();
      float* passes = be.memory(2 * count * size);
      for (std::size_t i = 0; i < count; ++i) {
        const float* first = windows.data() + (from + i) * (size + k);
        std::copy_n(first, size, passes + i * size);
        std::copy_n(first + k, size, passes + (count + i) * size);
      }
      const auto h_end = mtad_gat_encode(be, weights_.settings, be.input(passes, 2 * count)).h_end;
      auto half = h_end;
      half.batch = count;
      copy(mtad_gat_forecast(be, weights_.settings, half, be.input(passes, count)), out.forecast, from);
      half.data = h_end.row(count, 0);
      copy(mtad_gat_reconstruct(be, weights_.settings, half, true), out.reconstruction, from);
    });
  }

 private:
  // work(backend, from, count) for each chunk, on as many threads as pay. Chunks are of nearly equal size.
  template <class Work>
  void in_chunks(std::size_t n, Expectation& out, const Work& work_on) const {
    const std::size_t o = shape_.targets.size();
    for (Matrix<float>* m : {&out.forecast, &out.reconstruction}) {
      if (m->cols() != o) *m = Matrix<float>(n, o);
      m->resize_rows(n);
    }
    const std::size_t chunks = (n + kChunk - 1) / kChunk;
    const std::size_t workers = std::min(threads_, chunks);
    const auto work = [&](std::size_t first, std::size_t last) {
      std::unique_ptr<NativeBackend> backend = borrow();
      for (std::size_t c = first; c < last; ++c) {
        const std::size_t from = n * c / chunks;
        work_on(*backend, from, n * (c + 1) / chunks - from);
      }
      give_back(std::move(backend));
    };
    if (workers <= 1) {
      work(0, chunks);
      return;
    }
    std::vector<std::jthread> running;
    for (std::size_t i = 1; i < workers; ++i)
      running.emplace_back(work, chunks * i / workers, chunks * (i + 1) / workers);
    work(0, chunks / workers);
  }

  static void copy(const NativeBackend::Array& rows, Matrix<float>& to, std::size_t from) {
    for (std::size_t b = 0; b < rows.batch; ++b) std::copy_n(rows.row(b, 0), to.cols(), to.row(from + b).begin());
  }

  // Scratch is kept for the next call, so that nothing is allocated once all is warm.
  std::unique_ptr<NativeBackend> borrow() const {
    const std::lock_guard lock(mutex_);
    if (spare_.empty()) return std::make_unique<NativeBackend>(weights_, kernels_);
    auto backend = std::move(spare_.back());
    spare_.pop_back();
    return backend;
  }
  void give_back(std::unique_ptr<NativeBackend> backend) const {
    const std::lock_guard lock(mutex_);
    spare_.push_back(std::move(backend));
  }

  const Kernels& kernels_;
  PackedWeights weights_;
  std::size_t threads_;
  WindowShape shape_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<NativeBackend>> spare_;
};

std::vector<float> unpadded(const NativeBackend::Array& a) {
  std::vector<float> out;
  for (std::size_t b = 0; b < a.batch; ++b) {
    for (std::size_t t = 0; t < a.steps; ++t) out.insert(out.end(), a.row(b, t), a.row(b, t) + a.width);
  }
  return out;
}

}  // namespace

std::shared_ptr<const WindowModel> make_native_model(const MtadGatSettings& settings, const TensorMap& weights,
                                                     const NativeModelOptions& options) {
  check_weights(settings, weights);
  return std::make_shared<const NativeModel>(settings, weights, options);
}

NativeTrace trace_native_model(const MtadGatSettings& settings, const TensorMap& weights,
                               std::span<const float> windows, std::size_t batch, const NativeModelOptions& options) {
  check_weights(settings, weights);
  const Kernels& chosen = options.kernels != nullptr ? *options.kernels : kernels();
  const PackedWeights packed = pack_weights(settings, weights, chosen);
  NativeBackend be(packed, chosen);
  const auto x = be.input(windows.data(), batch);
  const auto encoded = mtad_gat_encode(be, settings, x);
  NativeTrace trace;
  trace.conv = unpadded(encoded.conv);
  trace.h_feat = unpadded(encoded.h_feat);
  trace.h_temp = unpadded(encoded.h_temp);
  trace.h_end = unpadded(encoded.h_end);
  trace.forecast = unpadded(mtad_gat_forecast(be, settings, encoded.h_end, x));
  trace.reconstruction = unpadded(mtad_gat_reconstruct(be, settings, encoded.h_end, false));
  return trace;
}

}  // namespace anomctl
