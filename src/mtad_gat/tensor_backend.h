// The backend of mtad_gat_network.h on libtorch tensors with autograd, on any device. Thread rule: one thread an
// object.
#pragma once

#include <ATen/ATen.h>

#include <exception>
#include <map>
#include <stop_token>
#include <string>
#include <utility>

#include "anomctl/model/mtad_gat_network.h"
#include "anomctl/model/tensors.h"
#include "mtad_gat/gru.h"
#include "mtad_gat/tensor_path.h"

namespace anomctl {

using Parameters = std::map<std::string, at::Tensor>;

// Leaf tensors that ask for gradients.
Parameters make_parameters(const TensorMap& weights, const at::Device& device);
TensorMap to_tensor_map(const Parameters& parameters);

// A batch of many windows takes seconds on a busy machine; who is told to stop must not wait for all of it.
struct TrainingStopped : std::exception {
  const char* what() const noexcept override { return "the training was stopped"; }
};

class TensorBackend {
 public:
  using Array = at::Tensor;
  // dropout 0 or training false: no dropout.
  // `stop` ends a pass between two of its steps, forwards and backwards, by throwing TrainingStopped.
  TensorBackend(const Parameters& parameters, double dropout, bool training, std::stop_token stop = {},
                TensorPath path = {})
      : p_(parameters), dropout_(dropout), training_(training), stop_(std::move(stop)), path_(path) {}

  Array conv1d_relu(const Array& x, const std::string& layer);
  Array attend_sensors(const Array& x, const Attention& attention) { return attend_by(x, attention, true); }
  Array attend_time(const Array& x, const Attention& attention) { return attend_by(x, attention, false); }
  Array concat(const Array& x, const Array& y, const Array& z) { return at::cat({x, y, z}, 2); }
  Array gru(const Array& x, const std::string& layer, std::int64_t n);
  Array gru_last(const Array& x, const std::string& layer, std::int64_t n);
  Array last_step(const Array& x) { return x.select(1, x.size(1) - 1); }
  Array spread_gru(const Array& x, std::int64_t steps, const std::string& layer, std::int64_t n);
  Array linear(const Array& x, const std::string& layer) {
    return watched(at::linear(x, p_.at(layer + ".weight"), p_.at(layer + ".bias")));
  }
  Array linear(const Array& x, const std::string& layer, std::int64_t n) {
    return linear(x, layer + "." + std::to_string(n));
  }
  Array relu(const Array& x) { return at::relu(x); }
  Array add_linear_part(const Array& y, const Array& x, std::int64_t rows);
  Array dropout(const Array& x) { return training_ && dropout_ > 0 ? at::dropout(x, dropout_, true) : x; }

 private:
  Array attend_by(const Array& x, const Attention& attention, bool sensors);
  Array attend(const Array& nodes, const Attention& attention);
  GruParameters gru_parameters(const std::string& layer, std::int64_t n) const;
  // What a step gave, where the stop token is looked at now and on the way back.
  Array watched(Array x) const;

  const Parameters& p_;
  double dropout_;
  bool training_;
  std::stop_token stop_;
  TensorPath path_;
};

}  // namespace anomctl
