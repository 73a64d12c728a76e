# libtorch as the target third_party_torch: from -DLIBTORCH_DIR, else the torch wheel that scripts/setup installed. The wheel's own
# TorchConfig asks for a whole CUDA toolkit, so the two libraries are found here.
set(LIBTORCH_DIR "" CACHE PATH "Folder of libtorch (holds include/ and lib/)")
if(NOT LIBTORCH_DIR AND EXISTS "${ANOMCTL_SITE_PACKAGES}/torch")
  set(LIBTORCH_DIR "${ANOMCTL_SITE_PACKAGES}/torch" CACHE PATH "" FORCE)
endif()
find_library(TORCH_CPU_LIBRARY torch_cpu PATHS "${LIBTORCH_DIR}/lib" NO_DEFAULT_PATH)
find_library(TORCH_C10_LIBRARY c10 PATHS "${LIBTORCH_DIR}/lib" NO_DEFAULT_PATH)
if(NOT TORCH_CPU_LIBRARY OR NOT TORCH_C10_LIBRARY)
  message(WARNING "libtorch is not found: training is left out. Run scripts/setup, or give -DLIBTORCH_DIR=... or -DANOMCTL_TORCH=OFF.")
  set(ANOMCTL_TORCH OFF)
else()
  # The wheel holds gloo, over which processes train together, without its headers.
  find_path(GLOO_INCLUDE_DIR gloo/algorithm.h HINTS "${LIBTORCH_DIR}/include")
  if(NOT GLOO_INCLUDE_DIR)
    message(FATAL_ERROR "gloo's headers are not found: run scripts/setup, or install libgloo-dev.")
  endif()
  add_library(third_party_torch INTERFACE)
  target_include_directories(third_party_torch SYSTEM INTERFACE "${LIBTORCH_DIR}/include" "${LIBTORCH_DIR}/include/torch/csrc/api/include"
                             "${GLOO_INCLUDE_DIR}")
  target_link_libraries(third_party_torch INTERFACE "${TORCH_CPU_LIBRARY}" "${TORCH_C10_LIBRARY}")
  # The wheel's libraries name what they need relative to themselves; the linker wants to see it too.
  target_link_options(third_party_torch INTERFACE "LINKER:-rpath-link,${LIBTORCH_DIR}/lib:${LIBTORCH_DIR}/../nvidia/cu13/lib")
endif()
