// While it lives, memory that is freed stays with the process: a training step asks for the same large tensors again and
// again, and getting them from the system a page at a time took a fifth of the step. Process-wide. Thread rule: one
// object at a time.
#pragma once

#include <malloc.h>

namespace anomctl {

class KeptMemory {
 public:
#if defined(__GLIBC__)
  KeptMemory() {
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, -1);  // never
  }
  // glibc's defaults again; what is free goes back.
  ~KeptMemory() {
    mallopt(M_MMAP_MAX, 65536);
    mallopt(M_TRIM_THRESHOLD, 128 * 1024);
    malloc_trim(0);
  }
#else
  KeptMemory() {}
#endif
  KeptMemory(const KeptMemory&) = delete;
  KeptMemory& operator=(const KeptMemory&) = delete;
};

}  // namespace anomctl
