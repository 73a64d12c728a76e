// Weights in the layout that the kernels want: transposed and padded. Made once at load. Thread rule: constant once
// made.
#pragma once

#include <map>
#include <new>
#include <string>
#include <vector>

#include "anomctl/kernels/kernels.h"
#include "anomctl/model/mtad_gat_settings.h"
#include "anomctl/model/tensors.h"

namespace anomctl {

// Starts with a line of the cache, so that as few vectors as can be lie across two.
inline constexpr std::size_t kLineFloats = 16;
template <class T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t alignment{kLineFloats * sizeof(float)};
  LineAllocator() = default;
  template <class Other>
  LineAllocator(const LineAllocator<Other>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), alignment)); }
  void deallocate(T* memory, std::size_t) { ::operator delete(memory, alignment); }
  bool operator==(const LineAllocator&) const = default;
};
using AlignedFloats = std::vector<float, LineAllocator<float>>;

struct PackedLinear {
  std::size_t in = 0, out = 0, ld = 0;  // ld = padded(out)
  AlignedFloats weights, bias;          // (in, ld), ld
};

// n nodes of m values. Channels are those of kernels.h: multiplied by (1 - alpha) a_c, the d_max with a_c >= 0 first.
// GAT is the case of one channel.
struct PackedAttention {
  std::size_t n = 0, m = 0, d = 0, d_max = 0;
  AlignedFloats query;  // (d, m)
  PackedLinear key;     // m -> d + 1, with the shift of both
  AlignedFloats bias;   // (n keys, padded(n) queries), or empty
};

// Gates r | z | n, each ld = padded(units) wide.
struct PackedGru {
  std::size_t in = 0, units = 0, ld = 0;
  AlignedFloats input, input_bias;    // (in, 3 ld), 3 ld: with the recurrence's biases of r and z
  AlignedFloats hidden, hidden_bias;  // as gru_step reads them, ld
};

// The input projection of a GRU whose input row t, unit j is h[(t * in + j) div w]: for each row the few units of h that
// occur, neighbours, and the summed weights of each.
struct SpreadInput {
  struct Row {
    std::size_t unit = 0, units = 0;  // of h
    std::size_t at = 0;               // the first one's sums
  };
  std::vector<Row> rows;  // w
  AlignedFloats sums;     // each 3 ld
};

struct PackedWeights {
  MtadGatSettings settings;
  PackedLinear conv;  // kernel * k -> k
  PackedAttention sensors, time;
  std::map<std::string, std::vector<PackedLinear>, std::less<>> linear;  // by name and number
  std::map<std::string, std::vector<PackedGru>, std::less<>> gru;
  SpreadInput spread;            // of the reconstruction's first layer
  PackedLinear linear_part;      // linear_rows * k -> o
  std::vector<float> low, high;  // k, of its inputs
};

// Requires weights that check_weights has passed.
PackedWeights pack_weights(const MtadGatSettings& settings, const TensorMap& weights, const Kernels& kernels);

}  // namespace anomctl
