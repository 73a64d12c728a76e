// Graph attention (GATv2) of training by the kernels of kernels/, for tensors on the CPU in float32: from a layer's
// input to its sigmoid, with gradients. One tensor of pairs, (b, n, n), is kept for the way back: the softmax before
// dropout. A window's outputs and gradients depend neither on its batch nor on the number of threads (what is dropped
// depends on its place); the sums over windows have one order.
#pragma once

#include <ATen/ATen.h>

namespace anomctl {

struct AttentionInput {
  at::Tensor x;             // (b, w, k)
  bool sensors = false;     // nodes are the columns of a window, not its rows: n = k nodes of m = w values
  at::Tensor weight, bias;  // of lin: (d, 2 m), (d)
  at::Tensor a, pairs;      // (d); (n, n) or undefined
  double alpha = 0.2;
  double dropout = 0;  // drawn from torch's generator
};

// sigmoid(dropout(softmax(e)) nodes), e_ij = pairs_ij + a leaky(lin [node_i, node_j]): (b, w, k)
at::Tensor attend_by_kernels(const AttentionInput& input);

}  // namespace anomctl
