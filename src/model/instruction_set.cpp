#include "anomctl/model/instruction_set.h"

#include "anomctl/kernels/kernels.h"

namespace anomctl {

std::string instruction_set() {
  const std::string used = kernels().name, widest = available_kernels().back()->name;
  return used == widest ? used : used + " of " + widest;
}

}  // namespace anomctl
