// Weights in the layout that the kernels want: transposed and padded. Made once at load. Thread rule: constant once
// made.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "anomctl/kernels/kernels.h"
#include "anomctl/model/mtad_gat_settings.h"
#include "anomctl/model/tensors.h"

namespace anomctl {

struct PackedLinear {
  std::size_t in = 0, out = 0, ld = 0;  // ld = padded(out)
  std::vector<float> weights, bias;     // (in, ld), ld
};

// n nodes of m values: p_i = P v_i + shift, q_j = Q v_j, d wide; GAT is the case d = 1.
struct PackedAttention {
  std::size_t n = 0, m = 0, d = 0;
  PackedLinear left;         // m -> d, with the shift
  std::vector<float> right;  // (d, m)
  std::vector<float> a;      // d
  std::vector<float> bias;   // (n, padded(n)), or empty
};

struct PackedGru {
  std::size_t in = 0, units = 0, ld = 0;   // ld = padded(units); gates r | z | n, each ld wide
  std::vector<float> input, input_bias;    // (in, 3 ld), 3 ld
  std::vector<float> hidden, hidden_bias;  // (units, 3 ld), 3 ld
};

// The input projection of a GRU whose input row t, unit j is h[(t * in + j) div w]: for each row the units of h that
// occur and the summed weights of each (performance: three vectors a row instead of a matrix).
struct SpreadInput {
  struct Part {
    std::size_t unit = 0;  // of h
    std::size_t at = 0;    // offset into sums
  };
  std::vector<std::vector<Part>> rows;  // w
  std::vector<float> sums;              // each 3 ld
};

struct PackedWeights {
  MtadGatSettings settings;
  PackedLinear conv;  // kernel * k -> k
  PackedAttention sensors, time;
  std::map<std::string, PackedLinear> linear;
  std::map<std::string, PackedGru> gru;  // "<layer>.<n>"
  SpreadInput spread;                    // of the reconstruction's first layer
};

// Requires weights that check_weights has passed.
PackedWeights pack_weights(const MtadGatSettings& settings, const TensorMap& weights);

}  // namespace anomctl
