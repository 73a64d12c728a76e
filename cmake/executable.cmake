# The one program. It exports its symbols, so that the modules loaded on first use take them from it; the three rooms that
# modules call are linked whole for the same reason.
add_executable(anomctl ${CMAKE_SOURCE_DIR}/src/main.cpp)
set(whole "")
foreach(room core kernels model)
  get_target_property(type anomctl_${room} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    list(APPEND whole $<TARGET_FILE:anomctl_${room}>)
  endif()
endforeach()
target_link_libraries(anomctl PRIVATE -Wl,--whole-archive ${whole} -Wl,--no-whole-archive anomctl_commands)
set_target_properties(anomctl PROPERTIES ENABLE_EXPORTS ON)
