// The network on libtorch as a WindowModel, for devices that the native engine does not know.
#include <ATen/core/grad_mode.h>
#include <fmt/core.h>

#include "anomctl/core/error.h"
#include "mtad_gat/tensor_backend.h"
#include "mtad_gat/torch_device.h"
#include "mtad_gat/torch_trainer.h"

namespace anomctl {
namespace {

constexpr std::size_t kPiece = 4096;  // windows a pass

class TorchModel : public WindowModel {
 public:
  TorchModel(const MtadGatSettings& settings, const TensorMap& weights, const std::string& device)
      : settings_(settings), device_(choose_device(device)), parameters_(make_parameters(weights, device_)) {
    shape_.window = static_cast<std::size_t>(settings.window_size);
    shape_.sensors = static_cast<std::size_t>(settings.n_features);
    for (const std::int64_t t : settings.target_dims) shape_.targets.push_back(static_cast<std::size_t>(t));
    const auto o = static_cast<std::size_t>(settings.out_dim > 0 ? settings.out_dim : settings.n_features);
    for (std::size_t i = shape_.targets.size(); i < o; ++i) shape_.targets.push_back(i);
  }
  const WindowShape& shape() const override { return shape_; }
  std::string engine() const override { return fmt::format("libtorch {}", device_name(device_)); }

  void expect(std::span<const float> windows, std::size_t n, Expectation& out) const override {
    const at::NoGradGuard no_gradient;
    const std::size_t o = shape_.targets.size();
    out.forecast = Matrix<float>(n, o);
    out.reconstruction = Matrix<float>(n, o);
    for (std::size_t from = 0; from < n; from += kPiece) {
      const std::size_t count = std::min(kPiece, n - from);
      const at::Tensor x = at::from_blob(const_cast<float*>(windows.data()) + from * shape_.window * shape_.sensors,
                                         {static_cast<std::int64_t>(count), static_cast<std::int64_t>(shape_.window),
                                          static_cast<std::int64_t>(shape_.sensors)},
                                         at::kFloat)
                               .to(device_);
      TensorBackend backend(parameters_, 0, false);
      const at::Tensor h_end = mtad_gat_encode(backend, settings_, x).h_end;
      copy(mtad_gat_forecast(backend, settings_, h_end, x), out.forecast, from, count);
      copy(mtad_gat_reconstruct(backend, settings_, h_end, true), out.reconstruction, from, count);
    }
  }

 private:
  static void copy(const at::Tensor& t, Matrix<float>& to, std::size_t from, std::size_t count) {
    const at::Tensor host = t.to(at::kCPU).contiguous();
    std::copy_n(host.const_data_ptr<float>(), count * to.cols(), to.row(from).begin());
  }

  MtadGatSettings settings_;
  at::Device device_;
  Parameters parameters_;
  WindowShape shape_;
};

}  // namespace

std::shared_ptr<const WindowModel> TorchTrainer::make_model(const MtadGatSettings& settings, const TensorMap& weights,
                                                            const std::string& device) {
  settings.validate();
  return std::make_shared<const TorchModel>(settings, weights, device);
}

}  // namespace anomctl
