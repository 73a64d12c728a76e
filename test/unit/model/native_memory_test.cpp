// The native engine allocates nothing once it is warm: counted by the program's own operator new.
#include <atomic>
#include <cstdlib>
#include <new>

#include "anomctl/model/native_model.h"
#include "support/catch.h"
#include "support/golden_model.h"

namespace {

std::atomic<std::size_t> allocations{0};

void* counted(std::size_t bytes, std::size_t alignment) {
  ++allocations;
  void* memory = std::aligned_alloc(alignment, (bytes + alignment) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return counted(bytes, alignof(std::max_align_t));
}
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

using namespace anomctl;

TEST_CASE("once warm, windows are judged without an allocation") {
  const std::size_t before = allocations;
  const golden::Case c = golden::load_case("deep_layers");
  CHECK(allocations > before + 100);  // the counter counts
  const auto model = make_native_model(c.settings, c.weights);
  const std::size_t row = model->shape().sensors, window = model->shape().window * row;
  const std::vector<float> windows(9 * (window + row), 0.5F);
  Expectation out;
  const auto judge = [&] {
    for (const std::size_t n : {9U, 1U, 8U}) {
      model->expect(windows, n, out);
      model->expect_judged(windows, n, out);
    }
  };
  judge();
  const std::size_t warm = allocations;
  judge();
  CHECK(allocations == warm);
}
